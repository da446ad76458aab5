"""Information and abilities against numbers taken one by one."""

import itertools

import numpy as np
import pytest

from testing_platform.scoring.analysis.ability import ability_at, chances, information, of_totals
from testing_platform.scoring.analysis.irt import ItemParameters


def item(a, b, c=0.0):
    return ItemParameters("I", a, b, c, None, None, None)


ITEMS = [item(0.8, -1.0), item(1.4, 0.2), item(1.1, 0.9, 0.2)]
THETA = np.linspace(-3, 3, 13)


def test_information_is_the_squared_slope_over_the_variance():
    step = 1e-5
    slope = (chances(ITEMS, THETA + step) - chances(ITEMS, THETA - step)) / (2 * step)
    p = chances(ITEMS, THETA)
    assert information(ITEMS, THETA) == pytest.approx((slope**2 / (p * (1 - p))).sum(axis=0), rel=1e-6)
    # Without a lower asymptote it is a² P Q.
    assert information([item(2.0, 0.0)], np.zeros(1)) == pytest.approx([1.0])


def test_the_ability_of_a_total_is_that_of_all_patterns_that_have_it():
    theta = np.linspace(-6, 6, 161)
    weight = np.exp(-(theta**2) / 2)
    p = chances(ITEMS, theta)
    upper, lower = np.zeros(4), np.zeros(4)
    for pattern in itertools.product((0, 1), repeat=3):
        joint = weight * np.prod([p[place] if right else 1 - p[place] for place, right in enumerate(pattern)], axis=0)
        upper[sum(pattern)] += (joint * theta).sum()
        lower[sum(pattern)] += joint.sum()
    assert of_totals(ITEMS) == pytest.approx(upper / lower, abs=1e-12)
    assert (np.diff(of_totals(ITEMS)) > 0).all()


def test_the_ability_at_a_cut_expects_the_cut():
    found = ability_at(ITEMS, 1.7)
    assert chances(ITEMS, np.array([found])).sum() == pytest.approx(1.7, abs=1e-4)
    # Guessing alone gives more, and nobody gets all.
    assert ability_at(ITEMS, 0.1) is None
    assert ability_at(ITEMS, 3.0) is None
