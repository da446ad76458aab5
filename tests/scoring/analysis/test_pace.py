"""Pace beside score, with somebody put in who was quick and had much right."""

import numpy as np
import pytest

from testing_platform.scoring.analysis.pace import LEAST, PaceRules, log_z, quadrants
from testing_platform.scoring.analysis.refusals import CannotSay
from tests.scoring.analysis.data import made_up, sheet_of


def timed(n, items, seed):
    sheet, chance = made_up(n, items, seed), np.random.default_rng(seed)
    seconds = np.exp(3.5 + chance.normal(0, 0.3, (n, 1)) + chance.normal(0, 0.5, (n, items)) + chance.normal(0, 0.4, items))
    return sheet, seconds


def test_a_time_is_held_against_the_others_of_its_item():
    sheet = sheet_of([[1, 1], [1, 2], [1, 0], [2, 1]], [1, 1])
    z = log_z(sheet, np.array([[10.0, 5.0], [20.0, 5.0], [40.0, 80.0], [np.nan, 5.0]]))
    assert z[:3, 0] == pytest.approx([-1, 0, 1])
    # Nobody's time; the seconds of a blank; and an item whose times are all the same.
    assert np.isnan([z[3, 0], *z[:, 1]]).all()


def test_the_quick_and_good_are_in_the_corner_and_chance_says_how_many():
    sheet, seconds = timed(400, 40, 3)
    best = int(sheet.totals.argmax())
    seconds[best] /= 4
    found = quadrants(sheet, seconds)
    assert found.corner[0].row == best
    assert found.corner[0].z == pytest.approx(float(np.median(log_z(sheet, seconds)[best][sheet.answers[best] > 0])))
    assert sum(found.count(fast, high) for fast in (True, False) for high in (True, False)) == len(found.people) == 400
    fast, high = sum(one.z <= found.fast_at for one in found.people), sum(one.total >= found.high_at for one in found.people)
    assert (fast, high >= 100, found.by_chance) == (20, True, pytest.approx(fast * high / 400))
    # Pace says nothing of the score here: about as many as by chance.
    assert len(found.corner) == pytest.approx(found.by_chance, abs=6)
    assert len(quadrants(sheet, seconds, PaceRules(fast_share=1.0, high_share=1.0)).corner) == 400


def test_rapid_guesses_are_counted_and_no_time_is_too_short_for_a_logarithm():
    sheet, seconds = timed(60, 20, 4)
    seconds[7, :5] = 0.0
    assert np.isfinite(log_z(sheet, seconds)[7][sheet.answers[7] > 0]).all()
    assert LEAST > 0
    (one,) = (each for each in quadrants(sheet, seconds).people if each.row == 7)
    assert one.rapid == (sheet.answers[7, :5] > 0).sum()


@pytest.mark.parametrize("rows", [[[1, 1], [1, 1]], [[0, 0], [0, 0]], [[1, 2]]])
def test_where_nobody_differs_nothing_is_said(rows):
    with pytest.raises(CannotSay):
        quadrants(sheet_of(rows, [1, 1]), np.full((len(rows), 2), 5.0))
