"""Each figure against one taken another way."""

import math
import random

import numpy as np
import pytest

from testing_platform.itembank.assembly import figures
from testing_platform.itembank.assembly.figures import Irt


def test_mean_and_spread():
    assert figures.mean([0.5, 0.7, 0.9]) == pytest.approx(0.7)
    assert figures.spread([0.5, 0.7, 0.9]) == pytest.approx(math.sqrt(0.08 / 3))


def test_what_is_expected_of_scores_is_what_answers_give():
    """From the item statistics of 4,000 simulated answer sheets the formulas give the sheets' own SD and KR-20."""
    chance = np.random.default_rng(3)
    ability = chance.normal(size=4000)
    right = (chance.random((4000, 40)) < 1 / (1 + np.exp(-(ability[:, None] - chance.normal(size=40) * 0.8)))).astype(float)
    scores = right.sum(1)
    items = [(float(column.mean()), float(np.corrcoef(column, scores)[0, 1])) for column in right.T]
    assert figures.deviation(items) == pytest.approx(scores.std(), rel=1e-9)
    assert figures.reliability(items) == pytest.approx(40 / 39 * (1 - right.var(0).sum() / scores.var()), rel=1e-9)


@pytest.mark.parametrize("items", [[], [(0.5, 0.3)], [(1.0, 0.3), (1.0, 0.3)]])
def test_without_a_spread_of_scores_there_is_no_reliability(items):
    assert figures.reliability(items) is None


def test_information_is_the_squared_slope_over_the_variance():
    chance = random.Random(4)
    for _ in range(50):
        item, theta, step = Irt(chance.uniform(0.3, 2), chance.gauss(0, 1), chance.uniform(0, 0.3)), chance.gauss(0, 1), 1e-5
        slope = (item.share(theta + step) - item.share(theta - step)) / (2 * step)
        assert item.information(theta) == pytest.approx(slope**2 / (item.share(theta) * (1 - item.share(theta))), rel=1e-5)
