"""Time, and options over fifths, against what is known of the answers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from testing_platform.scoring.analysis.classical import analyze
from testing_platform.scoring.analysis.speed import SpeedRules, speed
from testing_platform.scoring.analysis.traces import score_groups, traces
from tests.scoring.analysis.data import made_up, sheet_of

# Four candidates and four items: the second stops after two, the third leaves the second blank and goes on.
ANSWERS = [[1, 2, 3, 4], [1, 2, 0, 0], [1, 0, 1, 4], [2, 2, 3, 1]]
SECONDS = [[20, 30, 40, 50], [20, 10, np.nan, np.nan], [2, 5, 40, 50], [40, 20, 40, 3]]


def test_who_came_how_far_and_how_much_of_what_is_wrong_was_never_tried():
    found = speed(sheet_of(ANSWERS, [1, 2, 3, 4]), np.array(SECONDS))
    assert (found.finished, found.reached, found.mean_not_reached) == (0.75, 0.75, 0.5)
    # Not reached 0, 2, 0, 0; not right 0, 2, 2, 2: variances 0.75 and 0.75.
    assert found.gulliksen == pytest.approx(1.0)
    assert not found.enough
    assert speed(sheet_of(ANSWERS, [1, 2, 3, 4]), np.array(SECONDS), SpeedRules(finish=0.75, reach=0.5)).enough


def test_a_rapid_guess_is_faster_than_a_tenth_of_the_mean_and_than_ten_seconds():
    found = speed(sheet_of(ANSWERS, [1, 2, 3, 4]), np.array(SECONDS))
    first, second, _third, last = found.items
    # The seconds of a blank are nobody's answer.
    assert (first.timed, first.mean, first.median, first.threshold, first.rapid) == (4, 20.5, 20, pytest.approx(2.05), 1)
    assert (second.timed, second.mean) == (3, 20)
    assert last.threshold == pytest.approx(103 / 30)
    assert last.rapid == 1
    # Two of 13 timed answers, each of a candidate with three or four.
    assert (found.timed, found.low_effort, found.rapid) == (4, 2, pytest.approx(2 / 13))
    slow = speed(sheet_of(ANSWERS, [1, 2, 3, 4]), np.array(SECONDS) * 20)
    assert slow.items[0].threshold == 10


def test_where_no_time_was_noted_nothing_is_said_of_it():
    found = speed(sheet_of(ANSWERS, [1, 2, 3, 4]), np.full((4, 4), np.nan))
    assert (found.timed, found.rapid, found.low_effort) == (0, None, 0)
    assert found.items[0].median is None


def test_what_does_not_count_is_no_part_of_the_total_and_is_held_against_the_whole():
    sheet = made_up(300, 12, seed=3)
    less = sheet_of(np.delete(sheet.answers, [2, 7], axis=1), [key for place, key in enumerate(sheet.keys) if place not in (2, 7)])
    apart = replace(sheet, apart=frozenset({2, 7}))
    found, expected = analyze(apart), analyze(less)
    assert found.test == expected.test
    counted = [item for place, item in enumerate(found.items) if place not in (2, 7)]
    assert [(item.p, item.r_rest, item.alpha_if_deleted) for item in counted] == [
        (item.p, item.r_rest, item.alpha_if_deleted) for item in expected.items
    ]
    right = sheet.answers[:, 2] == sheet.keys[2][0]
    assert found.items[2].r_rest == pytest.approx(np.corrcoef(right, less.totals)[0, 1])
    assert found.items[2].r_rest == found.items[2].r_pb
    assert found.items[2].alpha_if_deleted is None
    option = apart.options[sheet.keys[2][0] - 1]
    assert found.items[2].options[option].r_rest == pytest.approx(found.items[2].r_rest)


def test_fifths_hold_a_fifth_each_and_never_split_a_total():
    totals = np.repeat(np.arange(10), 20)
    assert np.bincount(score_groups(totals)).tolist() == [40] * 5
    sheet = made_up(500, 20, seed=4)
    found = traces(sheet, 3)
    assert sum(group.n for group in found) == 500
    assert [group.low for group in found[1:]] == [group.high + 1 for group in found[:-1]]
    assert all(sum(group.shares.values()) == pytest.approx(1) for group in found)
    key = sheet.options[sheet.keys[3][0] - 1]
    assert found[-1].shares[key] > found[0].shares[key] + 0.2


@settings(max_examples=50, deadline=None)
@given(some.lists(some.integers(0, 30), min_size=1, max_size=60))
def test_groups_rise_with_totals(totals):
    groups = score_groups(np.array(totals))
    assert set(groups.tolist()) <= {0, 1, 2, 3, 4}
    for one, other in zip(totals, groups.tolist(), strict=True):
        assert all(group <= other for total, group in zip(totals, groups.tolist(), strict=True) if total <= one)
