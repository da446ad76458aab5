"""The charts of the analyses. The words in them are few and short: a table beside each says the same in figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flask_babel import gettext as _

from testing_platform.scoring.analyses import AtCut, Calibrated, Figures
from testing_platform.scoring.analysis import ability
from testing_platform.scoring.analysis.classical import ItemFigures
from testing_platform.scoring.analysis.traces import Group
from testing_platform.scoring.plots import Bar, Dot, Line, Mark, Plot, plot, steps

# The key is line 1, the other options take turns, blanks are line 5.
KEY, BLANK = 1, 5
OTHERS = (2, 3, 4)


def _scores(figures: Figures) -> tuple[int, int]:
    """From the lowest raw score that a chart shows to the greatest there is."""
    credited = figures.answered.credited
    return max(0, figures.test.min + credited - 2), figures.test.items + credited


def histogram(figures: Figures, cut: int) -> Plot:
    """Candidates at each raw score, with one standard error of measurement on both sides of the cut."""
    low, high = _scores(figures)
    credited = figures.answered.credited
    most = max(row.n for row in figures.scores)
    return plot(
        low - 0.5,
        high + 0.5,
        0,
        steps(0, most * 1.25, 4)[-1] if most > 1 else 1.25,
        bars=[Bar(row.score + credited, row.n, row.score + credited >= cut) for row in figures.scores if row.n],
        marks=[Mark(cut - 0.5, _("cut %(cut)s ± 1 SEM", cut=cut), figures.test.sem or 0.0)],
    )


def pass_curve(figures: Figures, cut: int) -> Plot:
    """The share at or above each raw score."""
    low, high = _scores(figures)
    credited, n = figures.answered.credited, figures.test.n
    points = [(row.score + credited, 100 * row.at_or_above / n) for row in figures.scores if row.score + credited >= low]
    return plot(low, high, 0, 100, lines=[Line("", points)], marks=[Mark(cut, _("cut %(cut)s", cut=cut))])


def csem(figures: Figures, cut: int) -> Plot:
    """The standard error at each raw score: Lord's, and Keats's that agrees with the test's."""
    credited = figures.answered.credited
    lord = [(row.score + credited, row.csem_lord) for row in figures.scores]
    keats = [(row.score + credited, row.csem_keats) for row in figures.scores if row.csem_keats is not None]
    top = max(value for _score, value in lord)
    lines = [Line("", lord, 2), Line("", keats, 1)]
    return plot(
        credited,
        credited + figures.test.items,
        0,
        top * 1.1 or 1,
        lines=[line for line in lines if line.points],
        marks=[Mark(cut, _("cut %(cut)s", cut=cut))],
    )


def agreement(found: Sequence[AtCut], cut: int) -> Plot:
    """The share who would get the same result on a parallel form, by three methods."""
    lines = [
        Line("", [(row.cut, row.found.subkoviak.p0) for row in found], 3),
        Line("", [(row.cut, row.found.huynh.p0) for row in found], 2),
        Line("", [(row.cut, row.found.livingston_lewis.consistency) for row in found], 1),
    ]
    least = min(value for line in lines for _cut, value in line.points)
    return plot(found[0].cut, found[-1].cut, min(0.8, least // 0.1 / 10), 1, lines=lines, marks=[Mark(cut, _("cut %(cut)s", cut=cut))])


def mistakes(found: Sequence[AtCut], cut: int) -> Plot:
    """The shares who pass below and fail above their true score."""
    lines = [
        Line("", [(row.cut, row.found.livingston_lewis.false_positive) for row in found], 2),
        Line("", [(row.cut, row.found.livingston_lewis.false_negative) for row in found], 1),
    ]
    most = max(value for line in lines for _cut, value in line.points)
    return plot(found[0].cut, found[-1].cut, 0, most * 1.2 or 1, lines=lines, marks=[Mark(cut, _("cut %(cut)s", cut=cut))])


def scatter(figures: Figures) -> Plot:
    """Items by difficulty and discrimination. Those to look at have their number beside them, the most flagged first, where another's does not stand."""
    lines = [line for line in figures.lines if line.figures.r_rest is not None]
    values = [line.figures.r_rest or 0.0 for line in lines]
    bottom, top = min([0.0, *values]) - 0.05, max([0.3, *values]) + 0.05
    named: dict[int, tuple[float, float]] = {}
    for line in sorted((line for line in lines if line.look), key=lambda line: -len(line.figures.flags)):
        p, r = line.figures.p, (line.figures.r_rest or 0.0) / (top - bottom)
        if all(abs(p - x) > 0.075 or abs(r - y) > 0.07 for x, y in named.values()):
            named[line.column.slot] = p, r
    dots = [
        Dot(line.figures.p, value, line.look, str(line.column.slot) if line.column.slot in named else "")
        for line, value in zip(lines, values, strict=True)
    ]
    return plot(0, 1, bottom, top, dots=sorted(dots, key=lambda dot: dot.look))


def trace(groups: Sequence[Group], item: ItemFigures) -> Plot:
    """The share that chose each option, from the lowest fifth of totals to the highest."""
    others = [name for name, option in item.options.items() if not option.keyed]
    kinds = {name: KEY if option.keyed else OTHERS[others.index(name) % len(OTHERS)] for name, option in item.options.items()}
    # The key is drawn last, over the others.
    names = ["", *others, *(name for name, option in item.options.items() if option.keyed)]
    lines = [
        Line(
            f"{name} ✓" if kinds.get(name) == KEY else name or "–",
            [(place, group.shares[name]) for place, group in enumerate(groups, 1)],
            kinds.get(name, BLANK),
        )
        for name in names
    ]
    return plot(0.8, max(len(groups), 2), 0, 1, lines=lines, x_ticks=[(place, str(place)) for place in range(1, len(groups) + 1)])


# --- the ability scale -----------------------------------------------------------------------------------------------------------------------

EDGE, BIN = 4.0, 0.5


@dataclass(frozen=True)
class Bin:
    """Candidates and items from `low` to below `high`; who lies further out is in the bin at the edge."""

    low: float
    high: float
    people: int
    items: int


def curve(found: Calibrated) -> list[tuple[float, float, float]]:
    """(ability, information, error of θ)."""
    theta = np.linspace(-EDGE, EDGE, 41)
    gained = ability.information(found.calibration.items, theta)
    return [(float(at), float(value), float(value) ** -0.5) for at, value in zip(theta, gained, strict=True)]


def information(found: Calibrated) -> Plot:
    points = [(at, value) for at, value, _error in curve(found)]
    return plot(-EDGE, EDGE, 0, max(value for _at, value in points) * 1.1, lines=[Line("", points)], marks=_at_cut(found))


def _at_cut(found: Calibrated) -> list[Mark]:
    return [] if found.cut is None or abs(found.cut) > EDGE else [Mark(found.cut, _("cut"))]


def bins(found: Calibrated) -> list[Bin]:
    lows = np.arange(-EDGE, EDGE, BIN)
    inside = EDGE - BIN / 2
    places = [np.clip(values, -inside, inside) for values in (found.theta, [item.b for item in found.calibration.items])]
    people, items = (np.histogram(held, [*lows, EDGE])[0] for held in places)
    return [Bin(float(low), float(low) + BIN, int(here), int(there)) for low, here, there in zip(lows, people, items, strict=True)]


def people(found: Calibrated) -> Plot:
    """Candidates as bars, and below them each item as a dot at its difficulty."""
    held, n = bins(found), len(found.theta)
    highest = max(100 * one.people / n for one in held)
    apart = highest / 16
    dots = [Dot(one.low + BIN / 2, -apart * (place + 0.8)) for one in held for place in range(one.items)]
    bottom = min([dot.y for dot in dots], default=0.0) - apart
    bars = [Bar(one.low + BIN / 2, 100 * one.people / n) for one in held if one.people]
    return plot(-EDGE, EDGE, bottom, highest * 1.1, bars=bars, dots=dots, marks=_at_cut(found), wide=BIN)
