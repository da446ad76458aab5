"""Whether items that two forms share have become harder or easier against the other shared items: known outside, learnt by heart, out of date.

Delta plot: Angoff & Ford 1973. Robust z: Huynh & Meyer 2010.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Floats, Sheet

# The spread of a normal variable is .74 of the distance between its quartiles.
OF_QUARTILES = 0.74


@dataclass(frozen=True)
class Rules:
    """`distance`: from the line, in deltas (Angoff & Ford 1973). `z`: of the robust z, two-sided at .10 (Huynh & Meyer 2010)."""

    distance: float = 1.5
    z: float = 1.645


@dataclass(frozen=True)
class Anchor:
    """Delta is 13 + 4 z of the share wrong, so that a harder item has a greater one. `distance` and `robust_z` are above 0 where the item is harder on Y than the line says."""

    item: str
    p_x: float
    p_y: float
    delta_x: float
    delta_y: float
    distance: float
    robust_z: float | None
    flags: list[str]


@dataclass(frozen=True)
class Drift:
    """delta_y = intercept + slope delta_x is the main axis of the shared items; `r` is their correlation."""

    slope: float
    intercept: float
    r: float
    items: list[Anchor]


def drift(x: Sheet, y: Sheet, anchor: Sequence[str], rules: Rules | None = None) -> Drift:
    """Each shared item against the others. Raises CannotSay."""
    rules = rules or Rules()
    for form, sheet in (("X", x), ("Y", y)):
        for item in anchor:
            if item not in sheet.items:
                raise CannotSay(why="no-such-anchor", item=item, form=form)
    if len(anchor) < 3:
        raise CannotSay(why="few-shared", least=3)
    p_x, p_y = (np.array([sheet.right[:, sheet.items.index(item)].mean() for item in anchor]) for sheet in (x, y))
    for place, item in enumerate(anchor):
        if not (0 < p_x[place] < 1 and 0 < p_y[place] < 1):
            raise CannotSay(why="no-spread", item=item)
    delta_x, delta_y = delta(p_x), delta(p_y)
    slope, intercept, r = _axis(delta_x, delta_y)
    distances = [distance(slope, intercept, *at) for at in zip(delta_x, delta_y, strict=True)]
    moves = delta_y - delta_x
    low, middle, high = np.quantile(moves, [0.25, 0.5, 0.75])
    zs = (moves - middle) / (OF_QUARTILES * (high - low)) if high > low else None
    found = []
    for place, item in enumerate(anchor):
        z = None if zs is None else float(zs[place])
        flags = ["distance"] if abs(distances[place]) > rules.distance else []
        flags += ["robust_z"] if z is not None and abs(z) > rules.z else []
        p_of_x, p_of_y, of_x, of_y = (float(values[place]) for values in (p_x, p_y, delta_x, delta_y))
        found.append(Anchor(item, p_of_x, p_of_y, of_x, of_y, distances[place], z, flags))
    return Drift(slope, intercept, r, found)


def delta(p: Floats) -> Floats:
    found: Floats = 13 + 4 * special.ndtri(1 - p)
    return found


def distance(slope: float, intercept: float, x: float, y: float) -> float:
    """From the line, at right angles; above 0 where the item is harder on Y than the line says."""
    return float((y - slope * x - intercept) / math.sqrt(slope**2 + 1))


def _axis(x: Floats, y: Floats) -> tuple[float, float, float]:
    """The main axis: it leaves the least squares at right angles to it, and is the same whichever form is named first."""
    one, other = float(x.var()), float(y.var())
    both = float(((x - x.mean()) * (y - y.mean())).mean())
    if both <= 0:
        raise CannotSay(why="anchor-unrelated")
    slope = (other - one + np.sqrt((other - one) ** 2 + 4 * both**2)) / (2 * both)
    return float(slope), float(y.mean() - slope * x.mean()), both / float(np.sqrt(one * other))
