"""Equating: which score on form Y is worth as much as a score on form X.

X was taken by one group and Y by another; items that both forms share, the anchor, count in both totals and tell how the groups differ. Sources: Kolen &
Brennan 2014, *Test Equating, Scaling, and Linking* (chapters 2-6); Livingston & Kim 2009 (circle arc); Holland & Thayer 2000 (smoothing);
Stocking & Lord 1983; Haebara 1980.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
from scipy import optimize, special

from testing_platform.scoring import together_rules
from testing_platform.scoring.analysis import irt
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Floats, Sheet, Whole

SAME = 1e-12  # shares closer than this are one share that was rounded
FURTHEST = 60.0  # theta at which every curve has come to its end
GRID = np.linspace(-4, 4, 41)  # where the curves of the anchor are compared, weighed as normal(0, 1)


class Method(StrEnum):
    IDENTITY = "identity"
    MEAN = "mean"
    LINEAR = "linear"
    EQUIPERCENTILE = "equipercentile"
    TUCKER = "tucker"
    LEVINE = "levine"
    CHAINED_LINEAR = "chained_linear"
    CHAINED_EQUIPERCENTILE = "chained_equipercentile"
    FREQUENCY_ESTIMATION = "frequency_estimation"
    CIRCLE_ARC = "circle_arc"
    STOCKING_LORD = "stocking_lord"
    HAEBARA = "haebara"


BY_ITEMS = (Method.STOCKING_LORD, Method.HAEBARA)
BY_ANCHOR = (
    Method.TUCKER,
    Method.LEVINE,
    Method.CHAINED_LINEAR,
    Method.CHAINED_EQUIPERCENTILE,
    Method.FREQUENCY_ESTIMATION,
    *BY_ITEMS,
)


@dataclass(frozen=True)
class Scores:
    """Totals and anchor totals of the group that took a form, and the greatest that there can be."""

    total: Whole
    anchor: Whole
    most: int
    most_anchor: int

    def drawn(self, rows: Whole) -> "Scores":
        return Scores(self.total[rows], self.anchor[rows], self.most, self.most_anchor)


@dataclass(frozen=True)
class Line:
    slope: float
    intercept: float

    def __call__(self, x: Floats) -> Floats:
        return self.slope * x + self.intercept


Curve = Callable[[Floats], Floats]


def scores_of(sheet: Sheet, anchor: Sequence[str]) -> Scores:
    places = [sheet.items.index(item) for item in anchor]
    return Scores(sheet.totals, sheet.right[:, places].sum(axis=1, dtype=np.int64), len(sheet.items), len(anchor))


def _moments(values: Whole) -> tuple[float, float]:
    """Mean, and variance with n - 1. Raises CannotSay where all are level."""
    square = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    if square <= 0:
        raise CannotSay(why="level-scores")
    return float(values.mean()), square


def mean_line(x: Scores, y: Scores) -> Line:
    return Line(1.0, float(y.total.mean()) - float(x.total.mean()))


def _through(x: Whole, y: Whole) -> Line:
    """The line that gives x the mean and the standard deviation of y."""
    (mean_x, square_x), (mean_y, square_y) = _moments(x), _moments(y)
    slope = math.sqrt(square_y / square_x)
    return Line(slope, mean_y - slope * mean_x)


def linear(x: Scores, y: Scores) -> Line:
    return _through(x.total, y.total)


def chained_linear(x: Scores, y: Scores) -> Line:
    """X to the anchor in the group of X, the anchor to Y in the group of Y (Kolen & Brennan, section 4.1.4)."""
    first, second = _through(x.total, x.anchor), _through(y.anchor, y.total)
    return Line(first.slope * second.slope, second.slope * first.intercept + second.intercept)


def _synthetic(x: Scores, y: Scores, weight: float, gammas: tuple[float, float]) -> Line:
    """Linear equating in a population of which `weight` is like the group of X (Kolen & Brennan, equations 4.17-4.20)."""
    (mean_x, square_x), (mean_y, square_y) = _moments(x.total), _moments(y.total)
    (anchor_x, spread_x), (anchor_y, spread_y) = _moments(x.anchor), _moments(y.anchor)
    one, two = weight, 1 - weight
    gap, wider = anchor_x - anchor_y, spread_x - spread_y
    of_x, of_y = gammas
    centre_x, centre_y = mean_x - two * of_x * gap, mean_y + one * of_y * gap
    variance_x = square_x - two * of_x**2 * wider + one * two * of_x**2 * gap**2
    variance_y = square_y + one * of_y**2 * wider + one * two * of_y**2 * gap**2
    if variance_x <= 0 or variance_y <= 0:
        raise CannotSay(why="anchor-too-different")
    slope = math.sqrt(variance_y / variance_x)
    return Line(slope, centre_y - slope * centre_x)


def _covariance(scores: Scores) -> float:
    _moments(scores.total)
    found = float(np.cov(scores.total, scores.anchor)[0, 1])
    if found <= 0:
        raise CannotSay(why="anchor-unrelated")
    return found


def tucker(x: Scores, y: Scores, weight: float) -> Line:
    """The regression on the anchor is taken to be the same in both groups: gamma = cov(X, V) / var(V)."""
    return _synthetic(x, y, weight, (_covariance(x) / _moments(x.anchor)[1], _covariance(y) / _moments(y.anchor)[1]))


def levine(x: Scores, y: Scores, weight: float) -> Line:
    """Levine's method for observed scores; true scores are in line with the anchor's: gamma = var(X) / cov(X, V), the anchor counted in the total."""
    return _synthetic(x, y, weight, (_moments(x.total)[1] / _covariance(x), _moments(y.total)[1] / _covariance(y)))


@dataclass(frozen=True)
class Distribution:
    """Shares of the whole scores from 0, each spread evenly from half below to half above it (Kolen & Brennan, section 2.5)."""

    shares: Floats

    @property
    def edges(self) -> Floats:
        return np.arange(len(self.shares) + 1, dtype=np.float64) - 0.5

    @property
    def cumulative(self) -> Floats:
        found: Floats = np.concatenate([[0.0], np.cumsum(self.shares) / self.shares.sum()])
        return found

    def rank(self, score: Floats) -> Floats:
        """The share of people below."""
        return np.asarray(np.interp(score, self.edges, self.cumulative), float)

    def score(self, rank: Floats) -> Floats:
        """The score with this rank; in a gap, where many have it, half way between the least and the greatest."""
        below, edges = self.cumulative, self.edges
        last = len(below) - 1
        low = np.searchsorted(below, rank - SAME, "left")  # the first edge that is not below the rank
        high = np.searchsorted(below, rank + SAME, "right") - 1  # the last that is not above
        before, after = np.maximum(low - 1, 0), np.minimum(high + 1, last)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside_low = np.minimum(edges[before] + (rank - below[before]) / (below[low] - below[before]), edges[low])
            inside_high = np.maximum(edges[high] + (rank - below[high]) / (below[after] - below[high]), edges[high])
        lower = np.where(low == 0, edges[0], inside_low)
        upper = np.where(high == last, edges[-1], inside_high)
        found: Floats = (lower + upper) / 2
        return found


def counted(scores: Whole, most: int) -> Floats:
    found: Floats = np.bincount(scores, minlength=most + 1) / len(scores)
    return found


def smoothed(scores: Whole, most: int, degree: int) -> Floats:
    """Log-linear smoothing that keeps the first `degree` moments (Holland & Thayer 2000), by Newton's method on the Poisson likelihood."""
    counts = np.bincount(scores, minlength=most + 1).astype(float)
    if degree >= np.count_nonzero(counts):
        raise CannotSay(why="degree-too-high", degree=degree, most=np.count_nonzero(counts) - 1)
    at = np.linspace(-1, 1, most + 1)
    design = np.linalg.qr(np.vander(at, degree + 1, increasing=True))[0]
    beta = np.linalg.lstsq(design, np.log(counts + 0.5), rcond=None)[0]

    def value(of: Floats) -> float:
        line = design @ of
        return float(counts @ line - np.exp(np.minimum(line, 500)).sum())

    best = value(beta)
    for _ in range(200):
        fitted = np.exp(design @ beta)
        step = np.linalg.solve((design * fitted[:, None]).T @ design, design.T @ (counts - fitted))
        while value(beta + step) < best - 1e-9 and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        best = value(beta)
        if np.abs(step).max() < 1e-11 * (1 + np.abs(beta).max()):
            break
    fitted = np.exp(design @ beta)
    found: Floats = fitted / fitted.sum()
    return found


def best_degree(scores: Whole, most: int, highest: int = 6) -> int:
    """The number of moments with the least information criterion of Akaike (1974)."""
    counts = np.bincount(scores, minlength=most + 1)
    degrees = range(1, min(highest, int(np.count_nonzero(counts)) - 1) + 1)
    if not degrees:
        raise CannotSay(why="level-scores")
    return min(degrees, key=lambda degree: 2 * degree - 2 * float(special.xlogy(counts, smoothed(scores, most, degree)).sum()))


Shape = Callable[[Whole, int], Floats]


def _to(one: Distribution, other: Distribution) -> Curve:
    return lambda x: other.score(one.rank(x))


def equipercentile(x: Scores, y: Scores, shape: Shape = counted) -> Curve:
    return _to(Distribution(shape(x.total, x.most)), Distribution(shape(y.total, y.most)))


def chained_equipercentile(x: Scores, y: Scores, shape: Shape = counted) -> Curve:
    """X to the anchor in the group of X, the anchor to Y in the group of Y (Kolen & Brennan, section 5.2)."""
    first = _to(Distribution(shape(x.total, x.most)), Distribution(shape(x.anchor, x.most_anchor)))
    second = _to(Distribution(shape(y.anchor, y.most_anchor)), Distribution(shape(y.total, y.most)))
    return lambda score: second(first(score))


def _joint(scores: Scores) -> Floats:
    found = np.zeros((scores.most + 1, scores.most_anchor + 1))
    np.add.at(found, (scores.total, scores.anchor), 1 / len(scores.total))
    return found


def frequency_estimation(x: Scores, y: Scores, weight: float) -> Curve:
    """Totals given the anchor are taken to be the same in both groups (Kolen & Brennan, section 5.1).

    Where one group has nobody at an anchor total, the other's share of it is spread over the totals that both have.
    """
    joint_x, joint_y = _joint(x), _joint(y)
    anchor_x, anchor_y = joint_x.sum(axis=0), joint_y.sum(axis=0)
    both = (anchor_x > 0) & (anchor_y > 0)
    if not both.any():
        raise CannotSay(why="anchor-too-different")

    def given(joint: Floats, own: Floats, other: Floats) -> Floats:
        found: Floats = joint[:, both] / own[both] @ (other[both] / other[both].sum())
        return found

    of_x = weight * joint_x.sum(axis=1) + (1 - weight) * given(joint_x, anchor_x, anchor_y)
    of_y = weight * given(joint_y, anchor_y, anchor_x) + (1 - weight) * joint_y.sum(axis=1)
    return _to(Distribution(of_x), Distribution(of_y))


def circle_arc(x: Scores, y: Scores, middle: Line) -> Curve:
    """Livingston & Kim 2009, simplified: the line between the lowest and the highest scores, and on it the arc through the middle point."""
    low, high = (0.0, 0.0), (float(x.most), float(y.most))
    slope = (high[1] - low[1]) / (high[0] - low[0])
    centre = float(x.total.mean())
    rise = float(middle(np.array([centre]))[0]) - slope * centre
    if not 0 < centre < high[0]:
        raise CannotSay(why="level-scores")
    half = high[0] / 2
    # The circle through (0, 0), (centre, rise) and (most, 0): its middle is above half of most.
    if abs(rise) < 1e-12:
        return Line(slope, 0.0)
    up = (rise**2 - centre * (high[0] - centre)) / (2 * rise)
    radius = math.hypot(half, up)

    def arc(score: Floats) -> Floats:
        root = np.sqrt(np.maximum(radius**2 - (score - half) ** 2, 0))
        found: Floats = slope * score + up + math.copysign(1, rise) * root
        return found

    return arc


@dataclass(frozen=True)
class Link:
    """theta of X times `slope` plus `intercept` is theta of Y."""

    slope: float
    intercept: float


def _on_scale(items: irt.Items, link: Link) -> irt.Items:
    a = items.a / link.slope
    return irt.Items(a, items.d - a * link.intercept, items.g)


def link_of(x: irt.Items, y: irt.Items, method: Method) -> Link:
    """The link under which the anchor's curves agree best: as a sum (Stocking & Lord 1983), or item by item (Haebara 1980)."""
    weight = np.exp(-(GRID**2) / 2)
    target = y.right(GRID)

    def off(at: Floats) -> float:
        gaps = _on_scale(x, Link(math.exp(at[0]), float(at[1]))).right(GRID) - target
        apart = gaps.sum(axis=0) ** 2 if method is Method.STOCKING_LORD else (gaps**2).sum(axis=0)
        return float(weight @ apart)

    best = optimize.minimize(off, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000})
    return Link(math.exp(float(best.x[0])), float(best.x[1]))


def _items_of(found: irt.Calibration) -> irt.Items:
    a, b = (np.array([getattr(item, name) for item in found.items]) for name in ("a", "b"))
    return irt.Items(a, -a * b)


def _some(items: irt.Items, places: list[int]) -> irt.Items:
    return irt.Items(items.a[places], items.d[places])


def true_score(x: irt.Items, y: irt.Items) -> Curve:
    """Kolen & Brennan, section 6.5: the theta whose expected score on X is x, and its expected score on Y; both on one scale.

    Scores that no theta is expected to have, where an item falls with theta, lie on a line to the end of the scale (Kolen 1981).
    """
    most_x, most_y = len(x.a), len(y.a)

    def expected(of: irt.Items, theta: float) -> float:
        return float(of.right(np.array([theta])).sum())

    (low_x, high_x), (low_y, high_y) = ((expected(of, -FURTHEST), expected(of, FURTHEST)) for of in (x, y))

    def worth(score: float) -> float:
        if score <= low_x:
            return low_y * score / low_x if low_x > 0 else 0.0
        if score >= high_x:
            return most_y - (most_y - high_y) * (most_x - score) / (most_x - high_x) if high_x < most_x else float(most_y)
        theta = optimize.brentq(lambda at: expected(x, at) - score, -FURTHEST, FURTHEST, xtol=1e-12)
        return expected(y, theta)

    return lambda scores: np.array([worth(float(score)) for score in scores])


@dataclass(frozen=True)
class Row:
    """`se` is the standard deviation over bootstrap samples of both groups; None for the methods that calibrate, and without replications."""

    x: int
    y: float
    se: float | None


@dataclass(frozen=True)
class CarriedCut:
    """`y` is worth the cut on X; `raw` is the lowest whole score on Y that is not below it."""

    x: int
    y: float
    raw: int


@dataclass(frozen=True)
class Equating:
    method: str
    slope: float | None
    intercept: float | None
    table: list[Row]
    cut: CarriedCut | None
    link: Link | None


def curve_of(method: Method, x: Scores, y: Scores, weight: float, smooth: int | None) -> Curve:
    """Of the methods that need scores alone. `smooth`: how many moments log-linear smoothing keeps, 0 for as many as fit best; None for no smoothing."""
    shape: Shape = counted
    if smooth is not None:

        def shape(scores: Whole, most: int) -> Floats:
            return smoothed(scores, most, smooth or best_degree(scores, most))

    match method:
        case Method.IDENTITY:
            return Line(1.0, 0.0)
        case Method.MEAN:
            return mean_line(x, y)
        case Method.LINEAR:
            return linear(x, y)
        case Method.EQUIPERCENTILE:
            return equipercentile(x, y, shape)
        case Method.TUCKER:
            return tucker(x, y, weight)
        case Method.LEVINE:
            return levine(x, y, weight)
        case Method.CHAINED_LINEAR:
            return chained_linear(x, y)
        case Method.CHAINED_EQUIPERCENTILE:
            return chained_equipercentile(x, y, shape)
        case Method.FREQUENCY_ESTIMATION:
            return frequency_estimation(x, y, weight)
        case Method.CIRCLE_ARC:
            return circle_arc(x, y, chained_linear(x, y) if x.most_anchor else mean_line(x, y))
        case _:
            raise ValueError(method)


def _bootstrap(method: Method, x: Scores, y: Scores, weight: float, smooth: int | None, replications: int, seed: int) -> Floats:
    """Efron & Tibshirani 1993: both groups drawn anew with replacement."""
    chance = np.random.default_rng(seed)
    at = np.arange(x.most + 1, dtype=float)
    found = []
    for _ in range(replications):
        one, other = (scores.drawn(chance.integers(0, len(scores.total), len(scores.total))) for scores in (x, y))
        found.append(curve_of(method, one, other, weight, smooth)(at))
    spread: Floats = np.std(found, axis=0, ddof=1)
    return spread


def carried(curve: Curve, cut: int, most: int) -> CarriedCut:
    worth = float(curve(np.array([float(cut)]))[0])
    return CarriedCut(cut, worth, reached(worth, most))


def reached(worth: float, most: int) -> int:
    """The lowest whole score that is not below it; one more than there are where none is."""
    return together_rules.reached(Fraction(worth), most)


def equate(
    x: Sheet,
    y: Sheet,
    anchor: Sequence[str],
    method: Method,
    weight: float = 0.5,
    cut: int | None = None,
    smooth: int | None = None,
    replications: int = 0,
    seed: int = 1,
) -> Equating:
    """The worth on Y of every score on X. `weight`: the share of the group of X in the population that both are equated in. Raises CannotSay."""
    for sheet, form in ((x, "X"), (y, "Y")):
        for item in anchor:
            if item not in sheet.items:
                raise CannotSay(why="no-such-anchor", item=item, form=form)
    if method in BY_ANCHOR and not anchor:
        raise CannotSay(why="no-anchor", method=method.value)
    if cut is not None and not 0 <= cut <= len(x.items):
        raise CannotSay(why="cut-outside", cut=cut, items=len(x.items))
    at = np.arange(len(x.items) + 1, dtype=float)
    link, spread = None, None
    if method in BY_ITEMS:
        of_x, of_y = (_items_of(irt.calibrate(sheet.right, sheet.items, irt.Model.TWO)) for sheet in (x, y))
        anchors = [_some(items, [sheet.items.index(item) for item in anchor]) for items, sheet in ((of_x, x), (of_y, y))]
        link = link_of(anchors[0], anchors[1], method)
        curve = true_score(_on_scale(of_x, link), of_y)
    else:
        scores = scores_of(x, anchor), scores_of(y, anchor)
        curve = curve_of(method, *scores, weight, smooth)
        if replications > 1:
            spread = _bootstrap(method, *scores, weight, smooth, replications, seed)
    worth = curve(at)
    table = [Row(score, float(worth[score]), None if spread is None else float(spread[score])) for score in range(len(at))]
    line = curve if isinstance(curve, Line) else None
    return Equating(
        method.value,
        line.slope if line else None,
        line.intercept if line else None,
        table,
        None if cut is None else carried(curve, cut, len(y.items)),
        link,
    )
