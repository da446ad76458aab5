"""Whether somebody did better on a set of items than their answers to the others let expect: a lead for a person, never more.

The set is named beforehand: items that are known outside, or that have been in use for long. Under a model of two parameters the ability is estimated from the
set, from the rest and from both; the signed root of the likelihood ratio, L = 2 (l_set + l_rest - l_all), is near normal(0, 1) for who has one ability in
both, and above 0 for who was better on the set (Sinharay 2017, *Journal of Educational and Behavioral Statistics* 42).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from testing_platform.scoring.analysis.ability import chances
from testing_platform.scoring.analysis.irt import ItemParameters, Model, calibrate
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Bytes, Floats, Sheet

REACH, STEP = 4.0, 0.02  # abilities are looked for between -4 and 4: of who has all or none right there is no other estimate
LEAST = 3  # items in the set, and in the rest


@dataclass(frozen=True)
class Known:
    """Of the candidate in this row: items of the set right, how many are expected at the ability that the rest shows, and L with its sign.

    `p` is one-sided, and `by_chance` how many of all candidates would have as small a one. `time_z`: mean log time on the set less that on the rest over its
    error, below 0 where the set was answered faster; None where there are no times.
    """

    row: int
    right: int
    expected: float
    signed: float
    p: float
    by_chance: float
    time_z: float | None


def preknowledge(right: Bytes, items: Sequence[ItemParameters], chosen: Sequence[int], z: Floats | None = None) -> list[Known]:
    """Every candidate, the greatest L first. `right` has a column for each item, `chosen` are the columns of the set, `z` log times as `pace.log_z` gives them."""
    inside = np.zeros(len(items), np.bool_)
    inside[list(chosen)] = True
    if inside.sum() < LEAST or (~inside).sum() < LEAST:
        raise CannotSay(why="few-in-set", least=LEAST)
    theta = np.arange(-REACH, REACH + STEP / 2, STEP)
    p = chances(items, theta)
    gain, none = np.log(p) - np.log1p(-p), np.log1p(-p)

    def likelihood(which: np.ndarray) -> Floats:
        return np.asarray(right[:, which] @ gain[which] + none[which].sum(axis=0))

    on_set, on_rest = likelihood(inside), likelihood(~inside)
    at_set, at_rest = on_set.argmax(axis=1), on_rest.argmax(axis=1)
    ratio = 2 * (on_set.max(axis=1) + on_rest.max(axis=1) - (on_set + on_rest).max(axis=1))
    signed = np.sign(at_set - at_rest) * np.sqrt(np.maximum(ratio, 0.0))
    tail, expected = special.ndtr(-signed), p[inside].sum(axis=0)[at_rest]
    had, n = right[:, inside].sum(axis=1, dtype=np.int64), len(right)
    found = [
        Known(
            row,
            int(had[row]),
            float(expected[row]),
            float(signed[row]),
            float(tail[row]),
            float(tail[row]) * n,
            None if z is None else _faster(z[row][inside], z[row][~inside]),
        )
        for row in range(n)
    ]
    return sorted(found, key=lambda one: (-one.signed, one.row))


@dataclass(frozen=True)
class OfSheet:
    """`inside` are the columns of the set, `outside` the others; items that all or none have right are in neither, since they tell nobody apart."""

    inside: list[int]
    outside: list[int]
    people: list[Known]


def of_sheet(sheet: Sheet, chosen: Sequence[int], z: Floats | None = None) -> OfSheet:
    """Of the items that count, calibrated on the same answers. Raises CannotSay."""
    if sheet.order is not None:
        raise CannotSay(why="own-forms")
    n, right = len(sheet.answers), sheet.right
    told = [place for place in sheet.counted if 0 < int(right[:, place].sum(dtype=np.int64)) < n]
    inside = [place for place in told if place in set(chosen)]
    outside = [place for place in told if place not in set(chosen)]
    if min(len(inside), len(outside)) < LEAST:
        raise CannotSay(why="few-in-set", least=LEAST)
    items = calibrate(right[:, told], tuple(sheet.items[place] for place in told), Model.TWO).items
    people = preknowledge(right[:, told], items, [told.index(place) for place in inside], None if z is None else z[:, told])
    return OfSheet(inside, outside, people)


def _faster(here: Floats, there: Floats) -> float | None:
    """Difference of two means over its error from the spread within both."""
    here, there = here[~np.isnan(here)], there[~np.isnan(there)]
    free = len(here) + len(there) - 2
    if min(len(here), len(there)) < 2:
        return None
    square = (((here - here.mean()) ** 2).sum() + ((there - there.mean()) ** 2).sum()) / free
    return float((here.mean() - there.mean()) / math.sqrt(square * (1 / len(here) + 1 / len(there)))) if square > 0 else None
