"""Differential item functioning: whether an item is harder for one group than for equally able people of another.

People are matched on the total, the studied item included. Sources: Holland & Thayer 1988 (Mantel-Haenszel on items); Zieky 1993 (the classes A, B, C of
ETS); Dorans & Kulick 1986 (standardised difference); Swaminathan & Rogers 1990 (logistic regression).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Bytes, Floats, Sheet, Whole
from testing_platform.scoring.analysis.tables import benjamini_hochberg, mantel_haenszel

DELTA = -2.35  # the ETS delta scale: -2.35 ln(odds)
RIDGE = 1e-12


@dataclass(frozen=True)
class DifRules:
    """Settings: the limits of the ETS classes (Zieky 1993), the p of purification, and the sizes below which no class should be acted on."""

    significant: float = 0.05
    slight: float = 1.0
    large: float = 1.5
    above_slight_z: float = 1.645  # one-sided 5 %
    least_focal: int = 100
    least_reference: int = 200


@dataclass(frozen=True)
class Logistic:
    """Likelihood ratios of 1 degree of freedom each; `p` of both together (2), `delta_r2` Nagelkerke's of both terms."""

    uniform_lr: float
    nonuniform_lr: float
    delta_r2: float
    p: float


@dataclass(frozen=True)
class ItemDif:
    """`delta` and `std_p_dif` are below nought where the item is harder for the focal group. `p_adjusted`: Benjamini and Hochberg over the items."""

    item: str
    chi2: float | None
    p: float | None
    p_adjusted: float | None
    alpha: float | None
    delta: float | None
    se_delta: float | None
    ets: str | None
    std_p_dif: float | None
    logistic: Logistic | None


@dataclass(frozen=True)
class Dif:
    """`removed` are the items that the matching total leaves out; `enough`: whether both groups are large enough to act on."""

    reference: int
    focal: int
    enough: bool
    items: list[ItemDif]
    removed: list[str]


def ets_class(p: float | None, delta: float | None, se: float | None, rules: DifRules) -> str | None:
    """A: slight or not significant. C: at least 1.5 and significantly above 1. B: what is between."""
    if p is None or delta is None or se is None:
        return None
    size = abs(delta)
    if p >= rules.significant or size < rules.slight:
        return "A"
    if size >= rules.large and (size - rules.slight) / se > rules.above_slight_z:
        return "C"
    return "B"


@dataclass(frozen=True)
class Matched:
    """For each level of the matching total: how many of each group, and how many of them have the item right."""

    scores: Floats
    reference: Floats
    reference_right: Floats
    focal: Floats
    focal_right: Floats


def matched(everyone: Whole, right: Whole) -> Matched:
    """From how many there are, and how many have the item right, at each level in the reference and in the focal group, by turns."""
    there = np.flatnonzero(everyone[::2] + everyone[1::2])
    counts = (part[there].astype(float) for part in (everyone[::2], right[::2], everyone[1::2], right[1::2]))
    return Matched(there.astype(float), *counts)


def std_p_dif(cells: Matched) -> float | None:
    """Dorans & Kulick 1986: the difference of shares right, focal less reference, weighed by the focal group."""
    both = (cells.reference > 0) & (cells.focal > 0)
    if not both.any():
        return None
    gaps = cells.focal_right[both] / cells.focal[both] - cells.reference_right[both] / cells.reference[both]
    return float((cells.focal[both] * gaps).sum() / cells.focal[both].sum())


def _greatest(design: Floats, n: Floats, right: Floats, beta: Floats) -> tuple[Floats, Floats]:
    """Of each item the greatest log-likelihood of a logistic regression on counts, and where: Newton's method, with halved steps where one would lose.

    `design` has items, cells and terms; `n` and `right` items and cells.
    """

    def at(beta: Floats) -> tuple[Floats, Floats]:
        line = (design @ beta[:, :, None])[:, :, 0]
        return (right * line - n * np.logaddexp(0, line)).sum(axis=1), line

    best, line = at(beta)
    across = design.transpose(0, 2, 1)
    # With it no step is taken where the counts say nothing of a term; it changes the way up by nothing that is seen, and never the top.
    ridge = RIDGE * n.sum(axis=1)[:, None, None] * np.eye(beta.shape[1])
    for _ in range(100):
        share = special.expit(line)
        slope = across @ (right - n * share)[:, :, None]
        curve = across @ (design * (n * share * (1 - share))[:, :, None])
        step = np.linalg.solve(curve + ridge, slope)[:, :, 0]
        gain, line = at(beta + step)
        while (loses := (gain < best - 1e-12) & (np.abs(step).max(axis=1) > 1e-12)).any():
            step[loses] /= 2
            gain, line = at(beta + step)
        beta, before, best = beta + step, best, gain
        if (np.abs(best - before) <= 1e-11 * (1 + np.abs(best))).all():
            break
    return best, beta


def logistic(items: Sequence[Matched]) -> list[Logistic | None]:
    """Swaminathan & Rogers 1990, on the total, the group and their product. None where everybody or nobody has the item right."""
    passed = [float(one.reference_right.sum() + one.focal_right.sum()) for one in items]
    everyone = [float(one.reference.sum() + one.focal.sum()) for one in items]
    places = [place for place, (some, of) in enumerate(zip(passed, everyone, strict=True)) if 0 < some < of]
    found: list[Logistic | None] = [None] * len(items)
    if not places:
        return found
    most = max(len(items[place].scores) for place in places)
    n, right = np.zeros((len(places), 2 * most)), np.zeros((len(places), 2 * most))  # the cells of one group, then of the other
    design = np.zeros((len(places), 2 * most, 4))
    design[:, :, 0] = 1
    for row, place in enumerate(places):
        one = items[place]
        middle = float((one.reference + one.focal) @ one.scores) / everyone[place]
        for first, group, its in ((0, one.reference, one.reference_right), (most, one.focal, one.focal_right)):
            cells = slice(first, first + len(one.scores))
            n[row, cells], right[row, cells] = group, its
            design[row, cells, 1] = (one.scores - middle) / max(1.0, float(one.scores[-1] - one.scores[0]))
    design[:, most:, 2] = 1
    design[:, most:, 3] = design[:, most:, 1]
    share = np.array([passed[place] / everyone[place] for place in places])
    none = n.sum(axis=1) * (share * np.log(share) + (1 - share) * np.log1p(-share))
    beta, fits = special.logit(share)[:, None], []
    for terms in (2, 3, 4):  # each from where the smaller one ended
        best, beta = _greatest(design[:, :, :terms], n, right, np.pad(beta, ((0, 0), (0, 1))))
        fits.append(best)
    for row, place in enumerate(places):
        empty, base, uniform, full = (float(one[row]) for one in (none, *fits))
        # Nagelkerke 1991: Cox and Snell's share over the greatest that it can be.
        top = 1 - math.exp(2 * empty / everyone[place])
        shares = [(1 - math.exp(2 * (empty - one) / everyone[place])) / top for one in (base, full)]
        both = max(0.0, 2 * (full - base))
        found[place] = Logistic(
            max(0.0, 2 * (uniform - base)), max(0.0, 2 * (full - uniform)), shares[1] - shares[0], float(special.chdtrc(2, both))
        )
    return found


def groups_of(sheet: Sheet, column: str, reference: str, focal: str) -> tuple[Whole, Whole]:
    """The rows of both groups, and which of them are focal. Raises CannotSay."""
    if column not in sheet.groups:
        raise CannotSay(why="no-such-column", column=column, columns=", ".join(sheet.groups) or "none")
    values = sheet.groups[column]
    for group in (reference, focal):
        if group not in values:
            raise CannotSay(why="no-such-value", column=column, value=group, values=", ".join(sorted({one for one in values if one})))
    if reference == focal:
        raise CannotSay(why="same-group", value=focal)
    rows = np.array([place for place, value in enumerate(values) if value in (reference, focal)])
    return rows, np.array([values[row] == focal for row in rows], np.int64)


def _studied(right: Bytes, focal: Whole, without: frozenset[int], given: npt.NDArray[np.bool_] | None) -> list[Matched]:
    """Each item beside the total of the items that are kept, and itself; of those who were given it."""
    kept = [item for item in range(right.shape[1]) if item not in without]
    levels = 2 * right[:, kept].sum(axis=1, dtype=np.int64) + focal
    size = 2 * (right.shape[1] + 1)
    everyone, counts = np.bincount(levels, minlength=size), np.zeros((size, right.shape[1]), np.int64)
    there = np.flatnonzero(everyone)
    counts[there] = np.add.reduceat(right[np.argsort(levels)], np.cumsum(everyone[there]) - everyone[there], axis=0, dtype=np.int64)
    found = []
    for item in range(right.shape[1]):
        if item not in without and given is None:
            found.append(matched(everyone, counts[:, item]))
            continue
        had = slice(None) if given is None else given[:, item]
        own = right[had, item]
        at = levels[had] + (2 * own if item in without else 0)
        found.append(matched(np.bincount(at, minlength=size), np.bincount(at[own == 1], minlength=size)))
    return found


def _tested(cells: Matched) -> tuple[float | None, float | None, float | None, float | None, float | None]:
    """chi², p, odds, delta and its error; the reference group's odds over the focal group's."""
    found = mantel_haenszel(
        cells.reference_right, cells.reference - cells.reference_right, cells.focal_right, cells.focal - cells.focal_right
    )
    delta = None if found.odds is None else DELTA * math.log(found.odds)
    return found.chi2, found.p, found.odds, delta, None if found.se_log is None else -DELTA * found.se_log


def dif(sheet: Sheet, column: str, reference: str, focal: str, purify: bool = False, rules: DifRules | None = None) -> Dif:
    """Every item, matched on the total.

    Purification (Holland & Thayer 1988): items with p < .05 leave the matching total, except while they are studied themselves, and so on until
    a set of them comes again. Where each candidate had a form of their own there is none: a total without items would be of fewer for some.
    """
    rules = rules or DifRules()
    rows, of_focal = groups_of(sheet, column, reference, focal)
    right, given = sheet.right[rows], None if sheet.given is None else sheet.given[rows]
    without: frozenset[int] = frozenset()
    seen = {without}
    while True:
        cells = _studied(right, of_focal, without, given)
        tests = [_tested(one) for one in cells]
        flagged = frozenset(item for item, (_, p, *_) in enumerate(tests) if p is not None and p < rules.significant)
        if not purify or given is not None or flagged in seen:
            break
        without = flagged
        seen.add(flagged)
    adjusted: Sequence[float | None] = benjamini_hochberg([p for _, p, *_ in tests])
    items = [
        ItemDif(name, chi2, p, fair, odds, delta, se, ets_class(p, delta, se, rules), std_p_dif(one), regression)
        for name, one, (chi2, p, odds, delta, se), fair, regression in zip(
            sheet.items, cells, tests, adjusted, logistic(cells), strict=True
        )
    ]
    n_focal = int(of_focal.sum())
    n_reference = len(rows) - n_focal
    enough = n_focal >= rules.least_focal and n_reference >= rules.least_reference
    return Dif(n_reference, n_focal, enough, items, [sheet.items[item] for item in sorted(without)])
