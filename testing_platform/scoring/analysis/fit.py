"""How well calibrated items fit, and what they say of each candidate; new items on the scale of items whose parameters are known.

Sources: Orlando & Thissen 2000 (S-X²); Yen 1984 (Q3) and Christensen, Makransky & Horton 2017 (its mean as what to hold it against); Bock & Mislevy 1982 (EAP);
Kim 2006 (fixed parameters, with the mean and spread of ability estimated).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from testing_platform.scoring.analysis import irt
from testing_platform.scoring.analysis.ability import totals_at
from testing_platform.scoring.analysis.irt import Calibration, Grid, ItemParameters, Items, Model, Prior, Rules
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Bytes, Floats


@dataclass(frozen=True)
class ItemFit:
    """S-X²: how far the shares right at each total are from those that the model expects. No p where no degree of freedom is left."""

    item: str
    s_x2: float
    df: int
    p: float | None


@dataclass(frozen=True)
class Pair:
    a: str
    b: str
    q3: float


@dataclass(frozen=True)
class Dependence:
    """The mean over all pairs, and those furthest above it: two items that share more than what the test measures."""

    mean: float
    pairs: list[Pair]


def _items(figures: Sequence[ItemParameters]) -> Items:
    a, b, c = (np.array([getattr(one, name) for one in figures]) for name in "abc")
    return Items(a, -a * b, np.asarray(special.logit(c)) if (c > 0).all() else None)


def item_fit(right: Bytes, found: Calibration, least: float = 1.0, reach: float = 6.0) -> list[ItemFit]:
    """S-X² of each item; neighbouring totals are taken together until at least `least` right and `least` wrong are expected."""
    items = _items(found.items)
    grid = irt.grid_of(found.points, reach)
    weight, chance = np.exp(grid.log_weight), items.right(grid.theta)
    count = len(chance)
    totals = right.sum(axis=1, dtype=np.int64)
    people = np.bincount(totals, minlength=count + 1)[1:count].astype(float)
    whole = (totals_at(chance) @ weight)[1:count]
    parameters = {Model.ONE: 1, Model.TWO: 2, Model.THREE: 3}[Model(found.model)]
    fits = []
    for place, figures in enumerate(found.items):
        others = totals_at(np.delete(chance, place, axis=0))
        share = ((others[: count - 1] * chance[place]) @ weight) / whole
        observed = np.bincount(totals[right[:, place] > 0], minlength=count + 1)[1:count]
        square, cells = 0.0, 0
        for n, seen, expected in _cells(people, observed.astype(float), people * share, least):
            square += (seen - expected) ** 2 / (expected * (1 - expected / n))
            cells += 1
        df = cells - parameters
        fits.append(ItemFit(figures.item, square, df, float(special.chdtrc(df, square)) if df > 0 else None))
    return fits


def _cells(people: Floats, seen: Floats, expected: Floats, least: float) -> list[tuple[float, float, float]]:
    """From the lowest total up; what is left over at the top goes to the last cell."""
    cells: list[tuple[float, float, float]] = []
    n = k = e = 0.0
    for total in range(len(people)):
        n, k, e = n + people[total], k + seen[total], e + expected[total]
        if min(e, n - e) >= least:
            cells.append((n, k, e))
            n = k = e = 0.0
    if n and cells:
        last = cells.pop()
        cells.append((last[0] + n, last[1] + k, last[2] + e))
    return cells


def abilities(right: Bytes, figures: Sequence[ItemParameters], points: int = 61, reach: float = 6.0) -> tuple[Floats, Floats]:
    """Of each candidate the expected ability given the answers, and its standard deviation; theta normal(0, 1)."""
    items, grid = _items(figures), irt.grid_of(points, reach)
    means, spreads = np.empty(len(right)), np.empty(len(right))
    for begin in range(0, len(right), irt.BLOCK):
        part = slice(begin, begin + irt.BLOCK)
        weights = irt._posterior(right[part].astype(float), items, grid)[0]
        means[part] = weights @ grid.theta
        spreads[part] = np.sqrt(np.maximum(weights @ grid.theta**2 - means[part] ** 2, 0))
    return means, spreads


def dependence(right: Bytes, figures: Sequence[ItemParameters], top: int = 10) -> Dependence:
    """Q3: the correlation of what two items leave over when the expected answer at each candidate's ability is taken off."""
    theta, _ = abilities(right, figures)
    left = right - _items(figures).right(theta).T
    table: Floats = np.asarray(np.corrcoef(left, rowvar=False))
    rows, columns = np.triu_indices(len(figures), 1)
    values = table[rows, columns]
    order = np.argsort(-values, kind="stable")[:top]
    return Dependence(
        float(values.mean()),
        [Pair(figures[int(rows[at])].item, figures[int(columns[at])].item, float(values[at])) for at in order],
    )


@dataclass(frozen=True)
class OnScale:
    """New items on the scale of known ones, and where this group stands on it."""

    model: str
    n: int
    loglik: float
    iterations: int
    points: int
    mean: float
    sd: float
    items: list[ItemParameters]


def on_scale(
    right: Bytes,
    names: tuple[str, ...],
    model: Model,
    known: Mapping[str, ItemParameters],
    chance: Floats | None = None,
    rules: Rules | None = None,
) -> OnScale:
    """Parameters of the items that are not known, with the known ones held. `known` by item. Raises CannotSay.

    One parameter has one slope for all items, which known items fix already; so two or three parameters only.
    """
    rules = rules or Rules()
    n, count = right.shape
    held = np.array([name in known for name in names])
    if model is Model.ONE:
        raise CannotSay(why="fixed-slope")
    if held.sum() < 2 or held.all():
        raise CannotSay(why="few-anchors", found=int(held.sum()), items=count)
    for name in names:
        if name in known and (known[name].c > 0) != (model is Model.THREE):
            raise CannotSay(why="anchors-of-another-model", item=name)
    shares = right.sum(axis=0, dtype=np.int64)
    for item in np.flatnonzero(((shares == 0) | (shares == n)) & ~held):
        raise CannotSay(why="no-spread", item=names[item])
    asymptotes = None
    prior = Prior(slope_sd=rules.slope_sd if n < rules.prior_below or model is Model.THREE else None)
    if model is Model.THREE:
        asymptotes = np.full(count, irt.CHANCE) if chance is None else chance
        prior = Prior(prior.slope_sd, (rules.chance_weight * asymptotes + 1, rules.chance_weight * (1 - asymptotes) + 1))
    unknown = ItemParameters("", 1.0, 0.0, irt.CHANCE if model is Model.THREE else 0.0, None, None, None)
    fixed = _items([known.get(name, unknown) for name in names])
    items = _with(irt.start_of(right, model, asymptotes), fixed, held)
    answers = irt.answers_of(right)
    totals = answers.sums()
    mean, sd, steps = 0.0, 1.0, 0
    while True:
        if steps == rules.most_steps:
            raise CannotSay(why="no-convergence", steps=steps)
        steps += 1
        grid = _normal(rules, mean, sd)
        found = irt.expected(answers, items, grid, totals)
        moved = _with(irt.maximise(items, found, grid, prior, common=False), fixed, held)
        centre = float(found.people @ grid.theta) / answers.people
        spread = math.sqrt(float(found.people @ grid.theta**2) / answers.people - centre**2)
        change = max(float(np.abs(moved.flat() - items.flat()).max()), abs(centre - mean), abs(spread - sd))
        items, mean, sd = moved, centre, spread
        if change < rules.small_step_32:
            break
    grid = _normal(rules, mean, sd)
    errors = irt.standard_errors(answers, items, grid, prior, common=False, held=held)
    out = [
        known[name]
        if name in known
        else ItemParameters(name, float(items.a[at]), float(-items.d[at] / items.a[at]), float(items.c[at]), *errors[at])
        for at, name in enumerate(names)
    ]
    return OnScale(model.value, n, irt.log_likelihood(answers, items, grid), steps, rules.points, mean, sd, out)


def _with(items: Items, fixed: Items, held: npt.NDArray[np.bool_]) -> Items:
    """The known ones as they are known."""
    g = None if items.g is None or fixed.g is None else np.where(held, fixed.g, items.g)
    return Items(np.where(held, fixed.a, items.a), np.where(held, fixed.d, items.d), g)


def _normal(rules: Rules, mean: float, sd: float) -> Grid:
    """Points around where this group is."""
    theta = np.linspace(mean - rules.reach * max(sd, 1), mean + rules.reach * max(sd, 1), rules.points)
    weight = np.exp(-(((theta - mean) / sd) ** 2) / 2)
    return Grid(theta, np.log(weight / weight.sum()))
