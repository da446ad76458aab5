"""How surely the same people would pass again: decision consistency and accuracy at a cut, from one administration.

*Consistency* is the share who would get the same result on a parallel form, *kappa* the share of what chance leaves open (Cohen 1960; chance from the
model's own margins), *accuracy* the share whose result is that of their true score.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from testing_platform.scoring.analysis.classical import kr20, kr21
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Bytes, Floats, totals

POINTS = 120  # Gauss-Jacobi points on each side of the cut


@dataclass(frozen=True)
class Agreement:
    p0: float
    kappa: float | None


@dataclass(frozen=True)
class LivingstonLewis:
    """`effective_length` is how many binomial items are as reliable; `parameters` is 4, or 2 where four cannot be fitted within 0 and 1."""

    consistency: float
    kappa: float | None
    accuracy: float
    false_positive: float
    false_negative: float
    effective_length: int
    parameters: int


@dataclass(frozen=True)
class Consistency:
    cut: int
    subkoviak: Agreement
    huynh: Agreement
    livingston_lewis: LivingstonLewis


def kappa(agreed: float, passing: float) -> float | None:
    chance = passing**2 + (1 - passing) ** 2
    return (agreed - chance) / (1 - chance) if chance < 1 else None


def distinct(scores: Floats) -> tuple[Floats, Floats]:
    """The scores that somebody has, and the share of candidates who have each."""
    counts = np.bincount(scores.astype(np.int64))
    known = np.flatnonzero(counts)
    return known.astype(float), counts[known] / len(scores)


def subkoviak(scores: Floats, items: int, cut: int, rho: float) -> Agreement:
    """Subkoviak 1976: each candidate's share of items is drawn towards the mean by the reliability and taken as binomial."""
    known, weight = distinct(scores)
    passing = special.bdtrc(cut - 1, items, (rho * known + (1 - rho) * float(weight @ known)) / items)
    agreed = float(weight @ (passing**2 + (1 - passing) ** 2))
    return Agreement(agreed, kappa(agreed, float(weight @ passing)))


@lru_cache(maxsize=2)
def _both_forms(mean: float, items: int, rho: float) -> Floats:
    """The chance of each pair of scores on two forms, which are binomial given one true share."""
    a = (1 / rho - 1) * mean
    b = -a + items / rho - items
    score = np.arange(items + 1)
    ways = special.gammaln(items + 1) - special.gammaln(score + 1) - special.gammaln(items - score + 1)
    both = score[:, None] + score
    found: Floats = np.exp(ways[:, None] + ways + special.betaln(a + both, b + 2 * items - both) - special.betaln(a, b))
    return found


def huynh(mean: float, items: int, cut: int, rho: float) -> Agreement:
    """Huynh 1976: two forms are binomial given a true share that is beta with a = (1/KR21 - 1) mean, b = -a + J/KR21 - J."""
    joint = _both_forms(mean, items, rho)
    agreed = float(joint[cut:, cut:].sum() + joint[:cut, :cut].sum())
    return Agreement(agreed, kappa(agreed, float(joint[cut:].sum())))


@dataclass(frozen=True)
class Beta:
    """A beta distribution between `low` and `high`."""

    a: float
    b: float
    low: float
    high: float

    @property
    def parameters(self) -> int:
        return 2 if (self.low, self.high) == (0.0, 1.0) else 4


def true_moments(shares: Floats, length: int, weight: Floats | None = None) -> list[float]:
    """The first four moments about nought of true shares, from factorial moments of scores on so many binomial items (Lord 1965).

    `weight`: the share of candidates who have each; without it each is one candidate's.
    """
    scores = shares * length
    found, product, ways = [], np.ones_like(scores), 1.0
    for order in range(4):
        product = product * (scores - order)
        ways *= length - order
        found.append(float(np.average(product, weights=weight)) / ways)
    return found


def four_parameters(moments: list[float]) -> Beta | None:
    """Hanson 1991: the beta distribution with these four moments; None where there is none within 0 and 1."""
    one, two, three, four = moments
    variance = two - one**2
    if variance <= 0:
        return None
    skew = (three - 3 * one * two + 2 * one**3) / variance**1.5
    kurtosis = (four - 4 * one * three + 6 * one**2 * two - 3 * one**4) / variance**2
    bottom = 6 + 3 * skew**2 - 2 * kurtosis
    if bottom == 0:
        return None
    r = 6 * (kurtosis - skew**2 - 1) / bottom
    under = (r + 2) * (r + 3) * kurtosis - 3 * (r - 6) * (r + 1)
    if r <= 0 or under == 0:
        return None
    inner = 1 - 24 * (r + 1) / under
    if inner < -1e-9:  # a symmetric one has exactly nought, but for rounding
        return None
    apart = math.sqrt(max(inner, 0.0))
    more, less = r / 2 * (1 + apart), r / 2 * (1 - apart)
    if less <= 0:
        return None
    a, b = (more, less) if skew < 0 else (less, more)
    width = math.sqrt(variance * (r + 1) / (a * b))
    low, high = one - a * width, one + b * width
    return Beta(a, b, low, high) if low >= 0 and high <= 1 else None


def two_parameters(moments: list[float]) -> Beta:
    """The beta distribution between 0 and 1 with the mean and the variance. Raises CannotSay where there is none."""
    mean, variance = moments[0], moments[1] - moments[0] ** 2
    if not 0 < variance < mean * (1 - mean):
        raise CannotSay(why="no-true-scores")
    size = mean * (1 - mean) / variance - 1
    return Beta(mean * size, (1 - mean) * size, 0.0, 1.0)


@lru_cache(maxsize=8)
def _gauss_jacobi(low: float, high: float) -> tuple[Floats, Floats]:
    """Points and weights between -1 and 1; all cuts of a test have the same powers."""
    points, weights = special.roots_jacobi(POINTS, low, high)
    return points, weights


def _parts(law: Beta, cut: float) -> list[tuple[Floats, Floats, bool]]:
    """Points and weights that integrate over the true shares below and from the cut, and whether they are of the upper part.

    Gauss-Jacobi takes the beta's own power at each end as its weight, so that what is left is smooth.
    """
    found = []
    log = special.betaln(law.a, law.b) + (law.a + law.b - 1) * math.log(law.high - law.low)
    for low, high, power, other in (
        (law.low, min(max(cut, law.low), law.high), law.a - 1, law.b - 1),
        (min(max(cut, law.low), law.high), law.high, law.b - 1, law.a - 1),
    ):
        if high <= low:
            continue
        lower = low == law.low
        ends = (0.0, power) if lower else (power, 0.0)
        if law.low == low and law.high == high:
            ends, rest = (law.b - 1, law.a - 1), 0.0
        else:
            rest = other
        points, weights = _gauss_jacobi(*ends)
        half = (high - low) / 2
        shares = low + half * (points + 1)
        far = np.abs((law.high if lower else law.low) - shares)
        scale = (ends[0] + ends[1] + 1) * math.log(half) - log
        found.append((shares, weights * np.exp(scale + (rest * np.log(far) if rest else 0.0)), low >= cut))
    return found


def livingston_lewis(scores: Floats, items: int, cut: int, rho: float) -> LivingstonLewis:
    """Livingston & Lewis 1995: true shares are beta, scores binomial on the effective length n = (m(1 - m) - rho s²) / (s² (1 - rho)).

    Length and the cut on it are rounded half to even; the variance is with n; the true cut is the share itself.
    """
    known, weight = distinct(scores)
    shares = known / items
    mean = float(weight @ shares)
    variance = float(weight @ (shares - mean) ** 2)
    if not 0 < rho < 1:
        raise CannotSay(why="no-reliability", which="KR-20")
    length = round((mean * (1 - mean) - rho * variance) / (variance * (1 - rho)))
    if length < 1:
        raise CannotSay(why="no-true-scores")
    moments = true_moments(shares, length, weight)
    law = (four_parameters(moments) if length >= 4 else None) or two_parameters(moments)
    limit = round(length * cut / items)
    same = passing = positive = negative = 0.0
    for points, weights, above in _parts(law, cut / items):
        chance = special.bdtrc(limit - 1, length, points)
        same += float(weights @ (chance**2 + (1 - chance) ** 2))
        passing += float(weights @ chance)
        if above:
            negative += float(weights @ (1 - chance))
        else:
            positive += float(weights @ chance)
    return LivingstonLewis(same, kappa(same, passing), 1 - positive - negative, positive, negative, length, law.parameters)


def at_cuts(right: Bytes, cuts: Iterable[int]) -> list[Consistency]:
    """All three at raw cuts: Subkoviak with KR-20, Huynh with KR-21, Livingston and Lewis with KR-20. Raises CannotSay."""
    items = right.shape[1]
    scores = totals(right).astype(float)
    shares = right.sum(axis=0, dtype=np.int64) / len(right)
    mean, variance = float(scores.mean()), float(scores.var())
    alpha, lower = kr20(items, float((shares * (1 - shares)).sum()), variance), kr21(items, mean, variance)
    found = []
    for cut in cuts:
        if not 0 < cut <= items:
            raise CannotSay(why="cut-outside", cut=cut, items=items)
        if alpha is None or not 0 < alpha < 1:
            raise CannotSay(why="no-reliability", which="KR-20")
        if lower is None or not 0 < lower < 1:
            raise CannotSay(why="no-reliability", which="KR-21")
        found.append(
            Consistency(
                cut,
                subkoviak(scores, items, cut, alpha),
                huynh(mean, items, cut, lower),
                livingston_lewis(scores, items, cut, alpha),
            )
        )
    return found


def consistency(right: Bytes, cut: int) -> Consistency:
    """Of one cut. Raises CannotSay."""
    return at_cuts(right, [cut])[0]
