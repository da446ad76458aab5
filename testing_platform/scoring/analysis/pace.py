"""How fast each candidate worked beside how much they had right. Who was among the quickest and among the best is a lead for a person, never more.

Times are compared on the logarithm, item by item (van der Linden 2006: times of one item are near lognormal), and of each candidate the median is taken, which
a few rapid guesses or one long pause do not move.
"""

import math
from dataclasses import dataclass

import numpy as np

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Floats, Sheet
from testing_platform.scoring.analysis.speed import SpeedRules, rapid_guesses, timed

LEAST = 0.1  # seconds: below, a page counts nothing, and the logarithm needs a floor


@dataclass(frozen=True)
class PaceRules:
    """Settings: who is held for fast and for high. The corner of both is small, so that a person can look at all who are in it."""

    fast_share: float = 0.05
    high_share: float = 0.25


@dataclass(frozen=True)
class Pace:
    """Of the candidate in this row: the median of z of log times, below 0 where they were faster than others; and items right."""

    row: int
    z: float
    total: int
    timed: int
    rapid: int


@dataclass(frozen=True)
class Quadrants:
    """`fast_at` and `high_at` are the edges of the corner, both inside. Of independent pace and score, `by_chance` would be in it."""

    people: list[Pace]
    middle: tuple[float, float]
    fast_at: float
    high_at: int
    corner: list[Pace]
    by_chance: float

    def count(self, fast: bool, high: bool) -> int:
        """In one of the quarters that the medians make; on a median is not beyond it."""
        z, total = self.middle
        return sum((one.z < z) == fast and (one.total > total) == high for one in self.people)


def log_z(sheet: Sheet, seconds: Floats) -> Floats:
    """Of each timed answer (ln t - mean) / SD over those who answered the item; NaN elsewhere and for items whose times do not differ."""
    logs = np.where(timed(sheet, seconds), np.log(np.maximum(seconds, LEAST)), np.nan)
    found: Floats = np.full(logs.shape, np.nan)
    for item in range(logs.shape[1]):
        heard = logs[:, item][~np.isnan(logs[:, item])]
        if len(heard) > 1 and heard.std(ddof=1) > 0:
            found[:, item] = (logs[:, item] - heard.mean()) / heard.std(ddof=1)
    return found


def quadrants(sheet: Sheet, seconds: Floats, rules: PaceRules | None = None, speed: SpeedRules | None = None) -> Quadrants:
    """Of all whose times are known. Raises CannotSay where there are fewer than two, or all have one score."""
    rules = rules or PaceRules()
    z, (rapid, _items) = log_z(sheet, seconds), rapid_guesses(sheet, seconds, speed or SpeedRules())
    each = (~np.isnan(z)).sum(axis=1)
    rows = np.flatnonzero(each)
    if len(rows) < 2 or len(np.unique(sheet.totals[rows])) < 2:
        raise CannotSay(why="no-spread-of-scores")
    people = [
        Pace(row, float(np.nanmedian(z[row])), int(sheet.totals[row]), int(each[row]), int(rapid[row].sum())) for row in rows.tolist()
    ]
    n = len(people)
    fast_at = sorted(one.z for one in people)[math.ceil(rules.fast_share * n) - 1]
    high_at = sorted((one.total for one in people), reverse=True)[math.ceil(rules.high_share * n) - 1]
    fast, high = [one for one in people if one.z <= fast_at], [one for one in people if one.total >= high_at]
    corner = sorted((one for one in fast if one.total >= high_at), key=lambda one: (one.z, -one.total, one.row))
    middle = float(np.median([one.z for one in people])), float(np.median([one.total for one in people]))
    return Quadrants(people, middle, fast_at, high_at, corner, len(fast) * len(high) / n)
