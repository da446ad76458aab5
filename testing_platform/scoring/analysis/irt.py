"""Calibration: item parameters of the one-, two- and three-parameter logistic models by marginal maximum likelihood.

P(right) = c + (1 - c) / (1 + exp(-a (theta - b))) with theta normal(0, 1). Bock & Aitkin's EM (1981) on equally spaced points. Inside, an item has the
slope a and the intercept d = -a b, with which the likelihood of one and two parameters is that of an exponential family: the E-step then
needs of each candidate the sum of the slopes of the items right, and the M-step the expected sum of theta of who has the item right. All that is asked
of a posterior is a smooth function of that one sum, and is read from a table over it.

Two things save steps. Where no prior stands on slopes, the mean and the variance of theta are estimated in each M-step and given to the items (Liu, Rubin & Wu 1998,
parameter-expanded EM). And steps are extrapolated (Varadhan & Roland 2008, SQUAREM), unless the likelihood falls.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Bytes, Floats, Sheet, Whole

BLOCK = 4096
SMALL = 400_000  # answers up to which all is worked out in 64 bits; above, the E-step takes 32 and the final likelihood 64
FIRST = 10_000  # of more candidates than twice so many, every k-th is fitted first, as a start
KNOTS = 2048  # of the table that stands for the posteriors of one and two parameters; cubic between them, it is off by less than 1e-9 of a candidate's logarithm
CHANCE = 0.25  # of an item whose options are not known: four of them

Real = npt.NDArray[np.floating[Any]]


class Model(StrEnum):
    ONE = "1pl"
    TWO = "2pl"
    THREE = "3pl"


@dataclass(frozen=True)
class Rules:
    """Settings of the calibration.

    `points` on -`reach`..`reach` are doubled until the likelihood moves by no more than `doubling`. Lognormal prior on slopes (mean of the logarithm 0) for fewer than
    `prior_below` candidates, and always with three parameters; beta prior on c with the weight of `chance_weight` candidates (Mislevy & Bock, BILOG: 20).
    """

    points: int = 61
    most_points: int = 481
    reach: float = 6.0
    doubling: float = 1e-3
    most_steps: int = 2000
    small_step: float = 1e-7
    small_step_32: float = 1e-5
    prior_below: int = 500
    slope_sd: float = 0.5
    chance_weight: float = 20.0


@dataclass(frozen=True)
class Items:
    """Slopes, intercepts, and the logits of the lower asymptotes where there are any."""

    a: Floats
    d: Floats
    g: Floats | None = None

    @property
    def c(self) -> Floats:
        return np.zeros_like(self.a) if self.g is None else np.asarray(special.expit(self.g))

    def flat(self) -> Floats:
        return np.concatenate([self.a, self.d] if self.g is None else [self.a, self.d, self.g])

    def like(self, flat: Floats) -> "Items":
        parts = np.split(flat, 2 if self.g is None else 3)
        return Items(parts[0], parts[1], None if self.g is None else parts[2])

    def right(self, theta: Floats) -> Floats:
        """The chance of each item at each theta, items down."""
        found: Floats = self.c[:, None] + (1 - self.c[:, None]) * special.expit(self.a[:, None] * theta + self.d[:, None])
        return found


@dataclass(frozen=True)
class Grid:
    theta: Floats
    log_weight: Floats


def grid_of(points: int, reach: float) -> Grid:
    theta = np.linspace(-reach, reach, points)
    weight = np.exp(-(theta**2) / 2)
    return Grid(theta, np.log(weight / weight.sum()))


@dataclass(frozen=True)
class Answers:
    """Right and wrong, one row for each candidate, or for each pattern with how many have it."""

    right: Bytes
    count: Floats | None
    kind: type[np.floating[Any]] = np.float64

    @property
    def people(self) -> float:
        return float(len(self.right) if self.count is None else self.count.sum())

    def blocks(self) -> Iterator[tuple[Real, Floats | None]]:
        """Some thousand rows at a time, as numbers that can be multiplied."""
        for start in range(0, len(self.right), BLOCK):
            stop = start + BLOCK
            yield self.right[start:stop].astype(self.kind), None if self.count is None else self.count[start:stop]

    def sums(self) -> Floats:
        """How many have each item right."""
        total = np.zeros(self.right.shape[1])
        for block, count in self.blocks():
            total += (np.ones(len(block), block.dtype) if count is None else count) @ block
        return total


def answers_of(right: Bytes) -> Answers:
    n, items = right.shape
    if items < 20 and 2**items < n:  # fewer patterns than candidates
        codes = right.astype(np.int64) @ (1 << np.arange(items))
        counts = np.bincount(codes)
        there = np.flatnonzero(counts)
        patterns = (there[:, None] >> np.arange(items)) & 1
        return Answers(patterns.astype(np.uint8), counts[there].astype(float))
    return Answers(right, None, np.float64 if n * items <= SMALL else np.float32)


def _posterior(block: Real, items: Items, grid: Grid) -> tuple[Real, Floats]:
    """Of each row the weights of the points, summing to 1, and the log-likelihood."""
    kind = block.dtype
    chance = items.right(grid.theta)
    level = (np.log1p(-chance).sum(axis=0) + grid.log_weight).astype(kind)
    if items.g is None:
        line = np.multiply.outer(block @ items.a.astype(kind), grid.theta.astype(kind))
        shift = block @ items.d.astype(kind)
    else:
        line = block @ (np.log(chance) - np.log1p(-chance)).astype(kind)
        shift = np.zeros(len(block), kind)
    line += level
    top = line.max(axis=1)
    line -= top[:, None]
    np.exp(line, out=line)
    size = line @ np.ones(len(grid.theta), kind)
    line /= size[:, None]
    return line, top.astype(float) + shift + np.log(size)


@dataclass(frozen=True)
class Table:
    """The posterior of theta over the sum of the slopes of the items right: with one or two parameters it depends on nothing else.

    At each knot the logarithm of the likelihood less the intercepts of the items right, and the weights of the points.
    """

    first: float
    apart: float
    log_size: Floats
    weights: Floats

    def between(self, sums: Floats) -> tuple[Whole, Floats]:
        """For each sum the first of the four knots round it, and how much each of them counts (Lagrange's cubic)."""
        place = (sums - self.first) / self.apart
        at = np.clip(place.astype(np.int64) - 1, 0, KNOTS - 4)
        u = place - at
        counts = np.stack(
            [(u - 1) * (u - 2) * (3 - u) / 6, u * (u - 2) * (u - 3) / 2, u * (u - 1) * (3 - u) / 2, u * (u - 1) * (u - 2) / 6]
        )
        return at, counts


def table_of(items: Items, grid: Grid) -> Table:
    low, high = float(np.minimum(items.a, 0).sum()), float(np.maximum(items.a, 0).sum())
    apart = (high - low) / (KNOTS - 4) or 1.0
    first = low - 1.5 * apart
    line = np.multiply.outer(first + apart * np.arange(KNOTS), grid.theta)
    line += grid.log_weight - np.logaddexp(0, items.a[:, None] * grid.theta + items.d[:, None]).sum(axis=0)
    top = line.max(axis=1)
    line = np.exp(line - top[:, None])
    size = line.sum(axis=1)
    return Table(first, apart, top + np.log(size), line / size[:, None])


@dataclass(frozen=True)
class Expected:
    """What the M-step needs: people at each point, and of who has the item right the number and the sum of theta, or (three parameters) how many at each point."""

    log_likelihood: float
    people: Floats
    right: Floats
    theta_right: Floats
    right_at: Floats | None


def _tabled(blocks: Iterable[tuple[Real, Floats | None]], items: Items, grid: Grid, right: Floats) -> Expected:
    """As `expected`, for one and two parameters."""
    table = table_of(items, grid)
    theta = table.weights @ grid.theta
    theta_right, knots = np.zeros(len(items.a)), np.zeros(KNOTS)
    for block, count in blocks:
        at, counts = table.between((block @ items.a.astype(block.dtype)).astype(float))
        if count is not None:
            counts *= count
        mean = np.zeros(len(block))
        for step, share in enumerate(counts):
            knots += np.bincount(at + step, share, KNOTS)
            mean += share * theta[at + step]
        theta_right += mean.astype(block.dtype) @ block
    return Expected(float(knots @ table.log_size + right @ items.d), knots @ table.weights, right, theta_right, None)


def expected(answers: Answers, items: Items, grid: Grid, right: Floats) -> Expected:
    if items.g is None:
        return _tabled(answers.blocks(), items, grid, right)
    whole, people = 0.0, np.zeros(len(grid.theta))
    right_at = np.zeros((len(items.a), len(grid.theta)))
    for block, count in answers.blocks():
        weights, logs = _posterior(block, items, grid)
        if count is not None:
            weights *= count[:, None]
        whole += float(logs.sum() if count is None else logs @ count)
        people += np.ones(len(block), block.dtype) @ weights
        right_at += block.T @ weights
    return Expected(whole, people, right, right_at @ grid.theta, right_at)


def log_likelihood(answers: Answers, items: Items, grid: Grid) -> float:
    """In 64 bits."""
    if items.g is None:
        return _tabled(((block.astype(float), count) for block, count in answers.blocks()), items, grid, answers.sums()).log_likelihood
    whole = 0.0
    for block, count in answers.blocks():
        logs = _posterior(block.astype(float), items, grid)[1]
        whole += float(logs.sum() if count is None else logs @ count)
    return whole


@dataclass(frozen=True)
class Prior:
    """`slope_sd`: of the logarithm of the slope; `c`: the two parameters of a beta for each item."""

    slope_sd: float | None = None
    c: tuple[Floats, Floats] | None = None

    def log_density(self, items: Items) -> float:
        found = 0.0
        if self.slope_sd is not None:
            if (items.a <= 0).any():
                return -math.inf
            found -= float((np.log(items.a) + np.log(items.a) ** 2 / (2 * self.slope_sd**2)).sum())
        if self.c is not None:
            one, other = self.c
            found += float(((one - 1) * np.log(items.c) + (other - 1) * np.log1p(-items.c)).sum())
        return found

    def of_slopes(self, a: Floats) -> tuple[Floats, Floats]:
        """First derivative, and the information that is added."""
        if self.slope_sd is None:
            return np.zeros_like(a), np.zeros_like(a)
        square = self.slope_sd**2
        return -(1 + np.log(a) / square) / a, 1 / (square * a**2)

    def of_c(self, c: Floats) -> tuple[Floats, Floats]:
        """The same for the logit of c."""
        if self.c is None:
            return np.zeros_like(c), np.zeros_like(c)
        one, other = self.c
        return (one - 1) * (1 - c) - (other - 1) * c, (one + other - 2) * c * (1 - c)


def _target(items: Items, found: Expected, grid: Grid, prior: Prior) -> Floats:
    """The expected log-likelihood of each item; the prior of all of them is on the first, as it counts in the sum alone."""
    line = items.a[:, None] * grid.theta + items.d[:, None]
    if found.right_at is None:
        values = items.a * found.theta_right + items.d * found.right - np.logaddexp(0, line) @ found.people
    else:
        chance = items.right(grid.theta)
        values = (found.right_at * np.log(chance) + (found.people - found.right_at) * np.log1p(-chance)).sum(axis=1)
    return np.asarray(values)


def _kept(items: Items, step: Floats, prior: Prior) -> Items:
    """The step, at most 1 in any parameter, and with slopes above nought where the prior asks for it."""
    moved = items.like(items.flat() + np.clip(step, -1, 1))
    if prior.slope_sd is not None:
        moved = replace(moved, a=np.maximum(moved.a, items.a / 4))
    return moved


def maximise(items: Items, found: Expected, grid: Grid, prior: Prior, common: bool) -> Items:
    """The M-step: Newton's method (Fisher scoring with three parameters) on all items at once."""
    t = np.stack([grid.theta, np.ones_like(grid.theta)])
    for _ in range(2 if items.g is None else 4):
        slope_up, slope_info = prior.of_slopes(items.a)
        if items.g is None:
            chance = items.right(grid.theta)
            gradient = np.stack([found.theta_right, found.right], axis=1) - (found.people * chance) @ t.T
            gradient[:, 0] += slope_up
            spread = found.people * chance * (1 - chance)
            aa, ad, dd = (spread @ (t[one] * t[other]) for one, other in ((0, 0), (0, 1), (1, 1)))
            aa = aa + slope_info
            if common:
                step_a = (gradient[:, 0] - ad / dd * gradient[:, 1]).sum() / (aa - ad**2 / dd).sum()
                a = np.full_like(items.a, step_a)
            else:
                a = (dd * gradient[:, 0] - ad * gradient[:, 1]) / (aa * dd - ad**2)
            step = np.concatenate([a, (gradient[:, 1] - ad * a) / dd])
        else:
            gradient, info = _three(items, found, grid, prior)
            step = np.linalg.solve(info, gradient[:, :, None])[:, :, 0].T.ravel()
        items = _kept(items, step, prior)
    return items


def _slopes_of_chance(items: Items, grid: Grid) -> tuple[Floats, Floats]:
    """The chances, and their derivatives by a, d and the logit of c: items, parameters, points."""
    c = items.c[:, None]
    inner = special.expit(items.a[:, None] * grid.theta + items.d[:, None])
    along = (1 - c) * inner * (1 - inner)
    return c + (1 - c) * inner, np.stack([along * grid.theta, along, c * (1 - c) * (1 - inner)], axis=1)


def _three(items: Items, found: Expected, grid: Grid, prior: Prior) -> tuple[Floats, Floats]:
    assert found.right_at is not None
    chance, along = _slopes_of_chance(items, grid)
    varied = chance * (1 - chance)
    gradient = np.einsum("jq,jkq->jk", (found.right_at - found.people * chance) / varied, along)
    info = np.einsum("jq,jkq,jlq->jkl", found.people / varied, along, along)
    for place, (up, more) in ((0, prior.of_slopes(items.a)), (2, prior.of_c(items.c))):
        gradient[:, place] += up
        info[:, place, place] += more
    return gradient, info


@dataclass(frozen=True)
class Fit:
    items: Items
    log_likelihood: float
    steps: int


def fit(answers: Answers, start: Items, grid: Grid, prior: Prior, common: bool, rules: Rules) -> Fit:
    """EM from a start until a step moves no parameter by more than the small step. Raises CannotSay when it does not end."""
    right = answers.sums()
    people = answers.people
    expands = prior.slope_sd is None and start.g is None
    small = rules.small_step if answers.kind is np.float64 else rules.small_step_32
    steps = 0

    def step(items: Items) -> tuple[Items, float]:
        nonlocal steps
        steps += 1
        found = expected(answers, items, grid, right)
        moved = maximise(items, found, grid, prior, common)
        if expands:
            mean = float(found.people @ grid.theta) / people
            sd = math.sqrt(float(found.people @ grid.theta**2) / people - mean**2)
            moved = Items(moved.a * sd, moved.d + moved.a * mean)
        return moved, found.log_likelihood + prior.log_density(items)

    at = start
    one, _ = step(at)
    while steps < rules.most_steps:
        two, second = step(one)
        if np.abs(two.flat() - one.flat()).max() < small:
            return Fit(two, second, steps)
        r = one.flat() - at.flat()
        v = two.flat() - one.flat() - r
        stretch = min(max(1.0, float(np.linalg.norm(r)) / max(float(np.linalg.norm(v)), 1e-300)), 64.0)
        leap = at.like(at.flat() + 2 * stretch * r + stretch**2 * v)
        if prior.slope_sd is not None and (leap.a <= 0).any():
            leap = two
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            after, third = step(leap)
        if not third >= second:  # lower, or no number
            leap = two
            after, _ = step(leap)
        at, one = leap, after
    raise CannotSay(why="no-convergence", steps=steps)


def start_of(right: Bytes, model: Model, asymptotes: Floats | None) -> Items:
    """From shares and correlations with the total: a = 1.7 r / sqrt(1 - r²), r the biserial (Lord 1980, ch. 3)."""
    n = len(right)
    totals = right.sum(axis=1, dtype=np.int64).astype(np.float64)
    share = right.sum(axis=0, dtype=np.int64) / n
    whole = np.zeros(right.shape[1])
    for begin in range(0, n, BLOCK):
        whole += totals[begin : begin + BLOCK] @ right[begin : begin + BLOCK]
    spread = max(float(totals.std()), 1e-9)
    z = special.ndtri(share)
    r = np.clip((whole / n - share * totals.mean()) / spread / (np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)), 0.2, 0.85)
    a = 1.7 * r / np.sqrt(1 - r**2)
    if model is Model.ONE:
        a = np.full_like(a, a.mean())
    d = z * np.sqrt(1.7**2 + a**2)
    return Items(a, d, None if asymptotes is None else np.asarray(special.logit(asymptotes)))


@dataclass(frozen=True)
class ItemParameters:
    """`c` is 0 without a lower asymptote."""

    item: str
    a: float
    b: float
    c: float
    se_a: float | None
    se_b: float | None
    se_c: float | None


@dataclass(frozen=True)
class Calibration:
    model: str
    n: int
    loglik: float
    iterations: int
    points: int
    items: list[ItemParameters]


def chance_of(sheet: Sheet) -> Floats:
    """Of each item the share that guessing gets right: 1 / options, and 1/4 where answers are kept as 0 and 1."""
    counts = [np.bincount(sheet.answers[:, item], minlength=len(sheet.options) + 1)[1:] for item in range(len(sheet.items))]
    options = [[sheet.options[code - 1] for code in sheet.used(item, chosen)] for item, chosen in enumerate(counts)]
    return np.array([CHANCE if set(names) <= {"0", "1"} else len(key) / len(names) for names, key in zip(options, sheet.keys, strict=True)])


def calibrate(right: Bytes, names: tuple[str, ...], model: Model, chance: Floats | None = None, rules: Rules | None = None) -> Calibration:
    """Fit the model. `chance`: of each item the share that guessing gets right, for three parameters. Raises CannotSay."""
    rules = rules or Rules()
    n, count = right.shape
    if count < 3:
        raise CannotSay(why="few-items", least=3)
    shares = right.sum(axis=0, dtype=np.int64)
    for item in np.flatnonzero((shares == 0) | (shares == n)):
        raise CannotSay(why="no-spread", item=names[item])
    prior = Prior(slope_sd=rules.slope_sd if n < rules.prior_below or model is Model.THREE else None)
    asymptotes = None
    if model is Model.THREE:
        asymptotes = np.full(count, CHANCE) if chance is None else chance
        prior = replace(prior, c=(rules.chance_weight * asymptotes + 1, rules.chance_weight * (1 - asymptotes) + 1))
    items, steps = start_of(right, model, asymptotes), 0
    points, common = rules.points, model is Model.ONE
    if n > 2 * FIRST:
        every = n // FIRST
        rough = replace(rules, small_step=1e-3, small_step_32=1e-3)
        items = fit(answers_of(right[::every]), items, grid_of(points, rules.reach), prior, common, rough).items
    answers = answers_of(right)
    while True:
        grid = grid_of(points, rules.reach)
        found = fit(answers, items, grid, prior, common, rules)
        items, steps = found.items, steps + found.steps
        whole = log_likelihood(answers, items, grid)
        finer = log_likelihood(answers, items, grid_of(2 * points - 1, rules.reach))
        if abs(finer - whole) <= rules.doubling or 2 * points - 1 > rules.most_points:
            break
        points = 2 * points - 1
    errors = standard_errors(answers, items, grid, prior, common)
    figures = []
    for place, name in enumerate(names):
        a, d = float(items.a[place]), float(items.d[place])
        figures.append(ItemParameters(name, a, -d / a, float(items.c[place]), *errors[place]))
    return Calibration(model.value, n, whole, steps, points, figures)


def _information(answers: Answers, items: Items, grid: Grid) -> Floats:
    """The observed information of slopes and intercepts (Louis 1982): that of the complete data less what the posteriors of theta leave open."""
    count, theta, table = len(items.a), grid.theta, table_of(items, grid)
    chance = items.right(theta)
    curves = np.concatenate([theta * chance, chance])  # theta P, then P
    means = table.weights @ np.concatenate([theta * curves[:count], curves]).T  # theta² P before them
    with_theta, plain = means[:, : 2 * count], means[:, count:]
    mean = table.weights @ theta
    spread = table.weights @ theta**2 - mean**2
    knots, right_at, own = np.zeros(KNOTS), np.zeros((KNOTS, count)), np.zeros((count, count))
    for block, weight in answers.blocks():
        at, counts = table.between((block @ items.a.astype(block.dtype)).astype(float))
        if weight is not None:
            counts *= weight
        order = np.argsort(at)
        ordered, (there, starts) = block[order], np.unique(at[order], return_index=True)
        wide = np.zeros(len(block))
        for step, share in enumerate(counts):
            knots += np.bincount(at + step, share, KNOTS)
            right_at[there + step] += np.add.reduceat(ordered * share[order, None].astype(block.dtype), starts, axis=0)
            wide += share * spread[at + step]
        own += (block * wide[:, None].astype(block.dtype)).T @ block
    people = knots @ table.weights
    squares = (plain * knots[:, None]).T @ plain
    crossed = right_at.T @ (with_theta - mean[:, None] * plain)
    missing = (curves * people) @ curves.T - squares
    missing[:count] -= crossed
    missing[:, :count] -= crossed.T
    missing[:count, :count] += own
    complete = np.zeros_like(missing)
    diagonal = np.arange(count)
    varied = people * chance * (1 - chance)
    for row, column, power in ((0, 0, 2), (0, count, 1), (count, 0, 1), (count, count, 0)):
        complete[diagonal + row, diagonal + column] = varied @ grid.theta**power
    observed: Floats = complete - missing
    return observed


def _cross_products(answers: Answers, items: Items, grid: Grid) -> Floats:
    """The sum over candidates of the squared derivatives of their log-likelihood, which estimates the information with three parameters."""
    chance, along = _slopes_of_chance(items, grid)
    kind, count = answers.kind, len(items.a)
    by_chance = along.transpose(1, 0, 2)  # parameters, items, points
    if_right = (by_chance / (chance * (1 - chance))).reshape(3 * count, -1).T.astype(kind)
    always = (by_chance / (1 - chance)).reshape(3 * count, -1).T.astype(kind)
    found = np.zeros((3 * count, 3 * count))
    for block, weight in answers.blocks():
        posterior = _posterior(block, items, grid)[0]
        slopes = np.tile(block, 3) * (posterior @ if_right) - posterior @ always
        found += (slopes if weight is None else slopes * weight[:, None]).T @ slopes
    return found


def standard_errors(
    answers: Answers, items: Items, grid: Grid, prior: Prior, common: bool, held: npt.NDArray[np.bool_] | None = None
) -> list[tuple[float | None, float | None, float | None]]:
    """Of a, b and c; b's by the delta method. None where the information cannot be inverted. `held`: which items are known, and have no error."""
    count = len(items.a)
    info = _information(answers, items, grid) if items.g is None else _cross_products(answers, items, grid)
    info[np.arange(count), np.arange(count)] += prior.of_slopes(items.a)[1]
    if items.g is not None:
        last = np.arange(2 * count, 3 * count)
        info[last, last] += prior.of_c(items.c)[1]
    if common:
        shared = np.zeros((2 * count, count + 1))
        shared[:count, 0] = 1
        shared[np.arange(count, 2 * count), np.arange(1, count + 1)] = 1
        info = shared.T @ info @ shared
    free = np.flatnonzero(~np.tile(held, len(info) // count)) if held is not None else np.arange(len(info))
    try:
        cover = np.zeros_like(info)
        cover[np.ix_(free, free)] = np.linalg.inv(info[np.ix_(free, free)])
    except np.linalg.LinAlgError:
        return [(None, None, None)] * count
    if common:
        cover = shared @ cover @ shared.T
    found: list[tuple[float | None, float | None, float | None]] = []
    for item in range(count):
        a, d = float(items.a[item]), float(items.d[item])
        aa, ad, dd = float(cover[item, item]), float(cover[item, item + count]), float(cover[item + count, item + count])
        of_b = aa * d**2 / a**4 - 2 * ad * d / a**3 + dd / a**2
        of_c = None
        if items.g is not None:
            c = float(items.c[item])
            of_c = float(cover[item + 2 * count, item + 2 * count]) * (c * (1 - c)) ** 2
        found.append((_root(aa), _root(of_b), None if of_c is None else _root(of_c)))
    return found


def _root(square: float) -> float | None:
    return math.sqrt(square) if square >= 0 else None
