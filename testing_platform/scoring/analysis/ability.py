"""What calibrated items say of the people who took them: how exactly they measure at each ability, and which ability a total stands for.

Sources: Lord 1980, *Applications of Item Response Theory*, ch. 5 (information); Lord & Wingersky 1984 (the chance of each total at an ability); Thissen & Orlando 2001
(the expected ability of those who have a total, θ normal(0, 1)).
"""

from collections.abc import Sequence

import numpy as np

from testing_platform.scoring.analysis.irt import ItemParameters
from testing_platform.scoring.analysis.sheets import Floats


def _columns(items: Sequence[ItemParameters]) -> tuple[Floats, Floats, Floats]:
    a, b, c = (np.array([getattr(item, name) for item in items])[:, None] for name in "abc")
    return a, b, c


def chances(items: Sequence[ItemParameters], theta: Floats) -> Floats:
    """The chance of each item at each ability, items down."""
    a, b, c = _columns(items)
    found: Floats = c + (1 - c) / (1 + np.exp(-a * (theta - b)))
    return found


def information(items: Sequence[ItemParameters], theta: Floats) -> Floats:
    """Of the whole test: a² (P - c)² (1 - P) / ((1 - c)² P), summed over the items. One over its root is the error of θ."""
    a, _b, c = _columns(items)
    p = chances(items, theta)
    found: Floats = (a**2 * (p - c) ** 2 * (1 - p) / ((1 - c) ** 2 * p)).sum(axis=0)
    return found


def totals_at(chance: Floats) -> Floats:
    """The chance of each total at each point (Lord & Wingersky 1984), totals down; `chance` is of each item, items down."""
    ways = np.zeros((len(chance) + 1, chance.shape[1]))
    ways[0] = 1.0
    for p in chance:
        ways[1:] = ways[1:] * (1 - p) + ways[:-1] * p
        ways[0] *= 1 - p
    return ways


def of_totals(items: Sequence[ItemParameters], points: int = 161, reach: float = 6.0) -> Floats:
    """For each total from 0 to all items right, the expected ability of those who have it."""
    theta = np.linspace(-reach, reach, points)
    joint = totals_at(chances(items, theta)) * np.exp(-(theta**2) / 2)
    found: Floats = joint @ theta / joint.sum(axis=1)
    return found


def ability_at(items: Sequence[ItemParameters], total: float, reach: float = 6.0) -> float | None:
    """The ability at which so many items are expected to be right; None where it lies further out than `reach`."""
    theta = np.linspace(-reach, reach, 2401)
    expected = chances(items, theta).sum(axis=0)
    return float(np.interp(total, expected, theta)) if expected[0] <= total <= expected[-1] else None
