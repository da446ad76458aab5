"""Two-by-two tables, alone and over strata: a, b of one group right (passed) and wrong, c, d of the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import special

from testing_platform.scoring.analysis.sheets import Floats


def fisher(a: int, b: int, c: int, d: int) -> tuple[Fraction, Fraction]:
    """Fisher's exact test, two-sided: the chance of all tables with these margins that are no likelier than this one; and its mid-p.

    The mid-p counts the table that was seen by half (Lancaster 1961). Both are exact: chances are compared as whole numbers of ways.
    """
    one, other, passed = a + b, c + d, a + c
    seen = math.comb(one, a) * math.comb(other, c)
    ways = as_rare = 0
    low, high = max(0, passed - other), min(one, passed)
    way = math.comb(one, low) * math.comb(other, passed - low)
    for right in range(low, high + 1):
        ways += way
        if way <= seen:
            as_rare += way
        way = way * (one - right) * (passed - right) // ((right + 1) * (other - passed + right + 1))
    return Fraction(as_rare, ways), Fraction(2 * as_rare - seen, 2 * ways)


@dataclass(frozen=True)
class Pooled:
    """Mantel & Haenszel 1959: `odds` is the common odds ratio, `se_log` the error of its logarithm (Robins, Breslow & Greenland 1986)."""

    chi2: float | None
    p: float | None
    odds: float | None
    se_log: float | None


def mantel_haenszel(a: Floats, b: Floats, c: Floats, d: Floats) -> Pooled:
    """One figure over strata, chi² with the correction for continuity: (|sum A - sum E| - 1/2)² / sum Var.

    Strata without both groups say nothing and are left out. Where no stratum holds both right and wrong there is no chi²; where
    nobody of a pair of cells is left, no odds ratio.
    """
    one, other, right, wrong = a + b, c + d, a + c, b + d
    total = one + other
    both = (one > 0) & (other > 0)
    a, b, c, d = a[both], b[both], c[both], d[both]
    one, other, right, wrong, total = one[both], other[both], right[both], wrong[both], total[both]
    chi2 = p = odds = se = None
    variance = float((one * other * right * wrong / (total**2 * (total - 1))).sum())
    if variance > 0:
        chi2 = (abs(float((a - one * right / total).sum())) - 0.5) ** 2 / variance
        p = float(special.chdtrc(1, chi2))
    up, down = a * d / total, b * c / total
    r, s = float(up.sum()), float(down.sum())
    if r > 0 and s > 0:
        with_it, against = (a + d) / total, (b + c) / total
        odds = r / s
        parts = (
            float((with_it * up).sum()) / (2 * r * r)
            + float((with_it * down + against * up).sum()) / (2 * r * s)
            + float((against * down).sum()) / (2 * s * s)
        )
        se = math.sqrt(parts)
    return Pooled(chi2, p, odds, se)


def breslow_day(a: Floats, b: Floats, c: Floats, d: Floats, odds: float) -> tuple[float, float] | None:
    """Breslow & Day 1980: chi² and p of the claim that all strata have these odds; None with fewer than two strata that say something.

    In each stratum the count that has these odds under its margins is the root of a quadratic.
    """
    found = used = 0.0
    for stratum in zip(a.tolist(), b.tolist(), c.tolist(), d.tolist(), strict=True):
        one, other, right = stratum[0] + stratum[1], stratum[2] + stratum[3], stratum[0] + stratum[2]
        if not (one and other and 0 < right < one + other):
            continue
        if abs(odds - 1) < 1e-12:
            expected = one * right / (one + other)
        else:
            middle = odds * (one + right) + other - right
            # The form of the root that loses no digits when the odds are near 1.
            expected = 2 * odds * one * right / (middle + math.sqrt(middle**2 - 4 * (odds - 1) * odds * one * right))
        cells = (expected, one - expected, right - expected, other - right + expected)
        found += (stratum[0] - expected) ** 2 * sum(1 / cell for cell in cells)
        used += 1
    return (found, float(special.chdtrc(used - 1, found))) if used > 1 else None


def benjamini_hochberg(ps: Sequence[float | None]) -> list[float | None]:
    """Benjamini & Hochberg 1995: each p times (how many there are / its rank), and never above a later one's."""
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    found: list[float | None] = [None] * len(ps)
    least = 1.0
    for rank in range(len(order), 0, -1):
        p, place = order[rank - 1]
        least = min(least, p * len(order) / rank)
        found[place] = least
    return found


def column(values: Sequence[int]) -> Floats:
    return np.array(values, float)
