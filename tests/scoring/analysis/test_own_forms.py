"""Figures where each candidate had a form of their own, against the same figures of parts of the data."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from testing_platform.scoring.analysis.classical import analyze, kr20, reached
from testing_platform.scoring.analysis.dif import dif
from testing_platform.scoring.analysis.sheets import BLANK
from testing_platform.scoring.analysis.speed import speed
from testing_platform.scoring.analysis.traces import traces
from tests.scoring.analysis.data import made_up

LENGTH = 12


@pytest.fixture(scope="module")
def whole():
    sheet = made_up(600, 30, seed=4)
    groups = tuple("AB"[row % 2] for row in range(600))
    return replace(sheet, groups={"group": groups})


@pytest.fixture(scope="module")
def own(whole):
    """Each candidate was given twelve of the thirty, in an order of their own; what else they answered is not there."""
    chance = np.random.default_rng(9)
    order = np.argsort(chance.random(whole.answers.shape), axis=1)[:, :LENGTH]
    answers = np.zeros_like(whole.answers)
    np.put_along_axis(answers, order, np.take_along_axis(whole.answers, order, axis=1), axis=1)
    # The last tenth left the last two of their forms blank.
    for row in range(540, 600):
        answers[row, order[row, -2:]] = BLANK
    return replace(whole, answers=answers, order=order)


def test_forms_that_are_all_alike_have_the_figures_of_one_form(whole):
    alike = replace(whole, order=np.tile(np.arange(30), (600, 1)))
    one, other = analyze(whole), analyze(alike)
    assert one.test == other.test
    assert one.scores == other.scores
    assert [replace(item, alpha_if_deleted=None) for item in one.items] == other.items
    seconds = np.random.default_rng(1).gamma(3, 20, whole.answers.shape)
    assert speed(whole, seconds) == speed(alike, seconds)
    assert dif(whole, "group", "A", "B") == dif(alike, "group", "A", "B", purify=True)


def test_an_item_has_the_figures_of_those_who_were_given_it(own):
    found = analyze(own)
    given = np.zeros(own.answers.shape, bool)
    np.put_along_axis(given, own.order, True, axis=1)
    for at, item in enumerate(found.items):
        rows = np.flatnonzero(given[:, at])
        right, totals = own.right[rows, at], own.totals[rows]
        assert item.n == len(rows)
        assert item.p == pytest.approx(right.mean(), abs=1e-12)
        assert item.r_pb == pytest.approx(stats.pearsonr(right, totals)[0], abs=1e-9)
        assert item.r_rest == pytest.approx(stats.pearsonr(right, totals - right)[0], abs=1e-9)
        assert item.omit == (own.answers[rows, at] == BLANK).sum()
        assert item.alpha_if_deleted is None
        for name, option in item.options.items():
            chose = own.answers[rows, at] == own.options.index(name) + 1
            assert (option.n, option.p) == (chose.sum(), pytest.approx(chose.mean(), abs=1e-12))
        parts = traces(own, at)
        assert sum(part.n for part in parts) == len(rows)
    assert sum(item.n for item in found.items) == 600 * LENGTH


def test_reliability_is_that_of_items_nested_in_candidates(own):
    found = analyze(own).test
    assert found.items == LENGTH
    places = np.take_along_axis(own.right, own.order, axis=1).astype(float)
    shares = places.mean(axis=0)
    assert found.kr20 == pytest.approx(kr20(LENGTH, float((shares * (1 - shares)).sum()), float(places.sum(axis=1).var())), abs=1e-12)
    assert found.kr21 < found.kr20 < 1


def test_time_and_what_was_not_reached_go_by_the_own_order(own):
    last = reached(own)
    assert (last[540:] <= LENGTH - 2).all()
    assert last.max() == LENGTH
    missed = sum(item.not_reached for item in analyze(own).items)
    assert missed == (LENGTH - last).sum()
    seconds = np.where(own.answers == BLANK, np.nan, 30.0)
    found = speed(own, seconds)
    assert found.finished == pytest.approx((last == LENGTH).mean())
    assert found.mean_not_reached == pytest.approx((LENGTH - last).mean())


def test_items_on_trial_stand_in_no_total_and_keep_their_place(own):
    apart = replace(own, apart=frozenset(), order=np.sort(own.order, axis=1))
    # Give every form exactly one item on trial: the first column of each candidate's own form is another one.
    chance = np.random.default_rng(2)
    order = np.concatenate([chance.permuted(np.tile(np.arange(5, 30), (600, 1)), axis=1)[:, :11], chance.integers(0, 5, (600, 1))], axis=1)
    answers = np.zeros_like(apart.answers)
    np.put_along_axis(answers, order, 1, axis=1)
    sheet = replace(apart, answers=answers, order=order, apart=frozenset(range(5)))
    assert sheet.by_place.shape == (600, 11)
    assert (sheet.by_place.sum(axis=1) == sheet.totals).all()
    assert analyze(sheet).test.items == 11


def test_dif_compares_those_who_were_given_the_item(own):
    found = dif(own, "group", "A", "B")
    rows = own.had(7)
    part = replace(own, answers=own.answers[rows], order=own.order[rows], groups={"group": tuple(np.array(own.groups["group"])[rows])})
    assert found.items[7] == replace(dif(part, "group", "A", "B").items[7], p_adjusted=found.items[7].p_adjusted)
    assert found.removed == []
