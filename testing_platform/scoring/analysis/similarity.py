"""Answers that two candidates share: a lead for a person, never more.

All pairs are screened by how many answers they share beyond what two people of their totals are expected to. `z` is a screening statistic: for every total,
each option of an item has the share of those who chose it, smoothed over neighbouring totals (Ramsay 1991) and then tilted so that the items right add up to
the total; that two people choose the same is the sum of products, and z is (identical - expected) / SD of a sum of independent items. For the pairs at
the top, the chance of as many or more is worked out exactly (a sum of unlike coins), as van der Linden & Sotaridona's generalised binomial test (2006) does,
with these shares in place of a model of item responses. It is held against the number of pairs that were looked at (Bonferroni).

Beside it stands Wollack's omega (1997): the answers of one are taken as given, and how many of them the other shares is held against what somebody of the other's
total chooses. Wollack has the chances from Bock's nominal response model; here they are the same smoothed shares (its nonparametric counterpart, Ramsay
1991), which need no calibration and hold with few hundred candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import BLANK, Floats, Sheet, Whole

BLOCK = 2048
TINY = 1e-30


@dataclass(frozen=True)
class Rules:
    """Settings: the width of smoothing, times SD n^(-1/5) (Ramsay 1991: 1.1); by how many candidates' weight an option's share is drawn to that of all."""

    width: float = 1.1
    drawn: float = 1.0


@dataclass(frozen=True)
class Pair:
    """`p` is the exact chance of as many identical answers or more, `by_chance` how many of the pairs looked at would have that by chance.

    `omega` takes the answers of `source` as given: of both ways round the one that says more, and so `p_omega`, exact too, is twice the chance of as many.
    """

    a: str
    b: str
    z: float | None
    identical: int
    identical_wrong: int
    expected: float
    p: float
    p_adjusted: float
    by_chance: float
    omega: float | None
    source: str
    p_omega: float
    omega_adjusted: float

    @property
    def adjusted(self) -> float:
        """The lesser of both, for having looked at two figures."""
        return min(1.0, 2 * min(self.p_adjusted, self.omega_adjusted))


@dataclass(frozen=True)
class Similarity:
    pairs: int
    top: list[Pair]


@dataclass(frozen=True)
class Levels:
    """Of each candidate the level of the total, and of each level, item and option the share that chooses it."""

    of: Whole
    shares: Floats

    @cached_property
    def matching(self) -> Floats:
        """For two levels and an item the chance that two people choose the same."""
        # Rounding may lift a chance of one above it.
        found: Floats = np.minimum(1.0, np.einsum("sjo,tjo->stj", self.shares, self.shares))
        return found


def levels_of(sheet: Sheet, rules: Rules) -> Levels:
    """Every total that occurs is a level."""
    totals, of, people = np.unique(sheet.totals, return_inverse=True, return_counts=True)
    order = np.argsort(of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(people)[:-1]])
    counts = np.stack(
        [np.add.reduceat((sheet.answers == option)[order], starts, axis=0, dtype=np.int64) for option in range(1, len(sheet.options) + 1)],
        axis=2,
    )
    # Of how many at each level an item was asked: of all, unless each had a form of their own.
    asked = np.repeat(people[:, None], len(sheet.items), axis=1)
    if sheet.given is not None:
        asked = np.add.reduceat(sheet.given[order], starts, axis=0, dtype=np.int64)
    width = max(rules.width * float(sheet.totals.std()) * len(of) ** -0.2, 0.5)
    kernel = np.exp(-(((totals[:, None] - totals) / width) ** 2) / 2)
    whole = counts.sum(axis=0) / np.maximum(asked.sum(axis=0), 1)[:, None]
    smooth = np.einsum("st,tjo->sjo", kernel, counts) + rules.drawn * whole
    shares = smooth / (kernel @ asked + rules.drawn)[:, :, None]
    return Levels(of, tilted(shares, sheet.keys, totals, sheet.counted, asked.sum(axis=0)[sheet.counted] / len(of)))


def tilted(shares: Floats, keys: tuple[tuple[int, ...], ...], totals: Whole, counted: Sequence[int], often: Floats) -> Floats:
    """The odds of a right answer times one number for each level, so that the counted items right add up to its total; found by halving.

    `often`: the share of candidates who were asked each counted item.
    """
    items = round(float(often.sum()))
    right = np.zeros(shares.shape[1:], bool)
    for item, key in enumerate(keys):
        right[item, [code - 1 for code in key]] = True
    before = np.clip((shares * right).sum(axis=2), 1e-9, 1 - 1e-9)
    line = special.logit(before)
    wanted = np.clip(totals, 0.5, items - 0.5)
    low, high = np.full(len(totals), -30.0), np.full(len(totals), 30.0)
    for _ in range(60):
        middle = (low + high) / 2
        less = special.expit(line[:, counted] + middle[:, None]) @ often < wanted
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    after = special.expit(line + low[:, None])
    found: Floats = shares * np.where(right, (after / before)[:, :, None], ((1 - after) / (1 - before))[:, :, None])
    return found


def at_least(chances: Floats, counts: Whole) -> Floats:
    """The chance that at least so many of these independent things happen, by adding one after the other. Things are the last axis, the others rows."""
    law = np.zeros((*chances.shape[:-1], chances.shape[-1] + 1))
    law[..., 0] = 1
    for chance in np.moveaxis(chances, -1, 0)[..., None]:
        law[..., 1:] = law[..., 1:] * (1 - chance) + law[..., :-1] * chance
        law[..., :1] *= 1 - chance
    reached = np.arange(law.shape[-1]) >= np.asarray(counts)[..., None]
    found: Floats = np.minimum(1.0, (law * reached).sum(axis=-1))
    return found


def _one_hot(sheet: Sheet, order: Whole) -> npt.NDArray[np.float32]:
    """A column for each option of each item that somebody chose."""
    columns = [
        sheet.answers[order, item] == code
        for item in range(len(sheet.items))
        for code in range(1, len(sheet.options) + 1)
        if code in np.flatnonzero(np.bincount(sheet.answers[:, item]))
    ]
    return np.stack(columns or [np.zeros(len(order), np.bool_)], axis=1).astype(np.float32)


def _panels(of: Whole) -> Iterator[tuple[int, int, int]]:
    """Stretches of one level: first, after the last, level."""
    edges = np.flatnonzero(np.diff(of, prepend=-1, append=-1))
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for first in range(start, stop, BLOCK):
            yield first, min(first + BLOCK, stop), int(of[start])


def _across(level: Whole, first: int, apart: bool) -> Iterator[tuple[int, int, int]]:
    """Stretches from `first` on: first, after the last, level; of whatever levels (-1), unless each level is wanted by itself."""
    if apart:
        yield from (panel for panel in _panels(level) if panel[0] >= first)
    else:
        yield from ((begin, min(begin + BLOCK, len(level)), -1) for begin in range(first, len(level), BLOCK))


def screened(sheet: Sheet, levels: Levels, top: int) -> list[tuple[int, int]]:
    """The pairs of rows with the greatest z."""
    order = np.argsort(levels.of, kind="stable")
    level = levels.of[order]
    chosen = _one_hot(sheet, order)
    rank = np.argsort(np.argsort(np.array(sheet.candidates)))[order]  # level pairs go by the candidates' names
    given = None if sheet.given is None else sheet.given[order].astype(np.float32)
    means, squares = levels.matching.sum(axis=2), (levels.matching * (1 - levels.matching)).sum(axis=2)
    kept = (np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    limit = -np.inf
    for first, after, mine in _panels(level):
        for begin, end, theirs in _across(level, first, given is not None):
            mean, square = means[mine, level[begin:end]], squares[mine, level[begin:end]]
            if given is not None:
                # What two people can share is what both were asked: another sum for each pair.
                same = levels.matching[mine, theirs].astype(np.float32)
                mean, square = ((given[first:after] * part) @ given[begin:end].T for part in (same, same * (1 - same)))
            sd = np.sqrt(square)
            shared = chosen[first:after] @ chosen[begin:end].T
            if begin == first:
                shared[np.tril_indices(after - first, m=end - begin)] = -1
            least = np.maximum(0.0, mean + limit * np.maximum(sd, TINY) - 1e-4).astype(np.float32)
            found = np.flatnonzero(shared >= least)
            if not len(found):
                continue
            rows, columns = np.divmod(found, end - begin)
            at = columns if given is None else (rows, columns)
            z = (shared.ravel()[found] - mean[at]) / np.maximum(sd[at], TINY)
            kept = (np.append(kept[0], z), np.append(kept[1], rows + first), np.append(kept[2], columns + begin))
            if len(kept[0]) >= top:
                pair = np.sort(rank[np.stack(kept[1:])], axis=0)
                best = np.lexsort((pair[1], pair[0], -kept[0]))[:top]
                kept = (kept[0][best], kept[1][best], kept[2][best])
                limit = float(kept[0][-1])
    return [(int(order[one]), int(order[other])) for one, other in zip(kept[1], kept[2], strict=True)]


@dataclass(frozen=True)
class Against:
    """Of each pair the count, how it stands to its law in standard deviations (NaN where nothing can differ), and the exact chance of as many."""

    count: Whole
    mean: Floats
    z: Floats
    p: Floats


def against(shared: npt.NDArray[np.bool_], chances: Floats) -> Against:
    count, mean, square = shared.sum(axis=1), chances.sum(axis=1), (chances * (1 - chances)).sum(axis=1)
    z = np.full(len(count), np.nan)
    np.divide(count - mean, np.sqrt(square), out=z, where=square > 0)
    return Against(count, mean, z, at_least(chances, count))


def omega(sheet: Sheet, levels: Levels, copiers: Whole, sources: Whole) -> Against:
    """Wollack 1997, eq. 4, of rows of the sheet. What the source left blank nobody shares."""
    answers = sheet.answers[sources].astype(np.intp)
    shares = levels.shares[levels.of[copiers][:, None], np.arange(answers.shape[1]), answers - 1]
    chances: Floats = np.where(answers == BLANK, 0.0, np.clip(shares, 0.0, 1.0))
    if sheet.given is not None:
        chances = chances * sheet.given[copiers]
    return against((sheet.answers[copiers] == answers) & (answers != BLANK), chances)


def chances_of(sheet: Sheet, levels: Levels, ones: Whole, others: Whole) -> Floats:
    """For each pair of rows and each item the chance that two people of their totals choose the same: none of what not both were asked."""
    found: Floats = levels.matching[levels.of[ones], levels.of[others]]
    return found if sheet.given is None else found * (sheet.given[ones] & sheet.given[others])


def pairs_of(sheet: Sheet, levels: Levels, rows: Sequence[tuple[int, int]], looked: int) -> list[Pair]:
    """The figures of these pairs of rows, of `looked` that were looked at; the greatest z first."""
    if not rows:
        return []
    ones, others = np.array(rows, np.intp).T
    same = (sheet.answers[ones] == sheet.answers[others]) & (sheet.answers[ones] != BLANK)
    both = against(same, chances_of(sheet, levels, ones, others))
    wrong = (same & (sheet.right[ones] == 0)).sum(axis=1)
    ways = omega(sheet, levels, ones, others), omega(sheet, levels, others, ones)
    found = []
    for place, (one, other) in enumerate(rows):
        a, b = sorted((sheet.candidates[one], sheet.candidates[other]))
        said = [(_known(way.z[place]), float(way.p[place]), sheet.candidates[row]) for way, row in zip(ways, (other, one), strict=True)]
        greatest, chance, source = max(said, key=lambda way: (way[0] is not None, way[0] or 0.0, way[2]))
        p = float(both.p[place])
        found.append(
            Pair(
                a=a,
                b=b,
                z=_known(both.z[place]),
                identical=int(both.count[place]),
                identical_wrong=int(wrong[place]),
                expected=float(both.mean[place]),
                p=p,
                p_adjusted=min(1.0, p * looked),
                by_chance=p * looked,
                omega=greatest,
                source=source,
                p_omega=min(1.0, 2 * chance),
                omega_adjusted=min(1.0, 2 * chance * looked),
            )
        )
    return sorted(found, key=lambda pair: (-(pair.z or 0.0), pair.a, pair.b))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def similarity(sheet: Sheet, top: int, named: Sequence[tuple[str, str]] | None = None, rules: Rules | None = None) -> Similarity:
    """The `top` pairs of all, or of those named (neighbours by seat or connection), which is what gives the test its power. Raises CannotSay."""
    rules = rules or Rules()
    n = len(sheet.candidates)
    if n < 2:
        raise CannotSay(why="one-candidate")
    levels = levels_of(sheet, rules)
    if named is None:
        looked, rows = n * (n - 1) // 2, screened(sheet, levels, top)
    else:
        place = {name: row for row, name in enumerate(sheet.candidates)}
        for name in (name for pair in named for name in pair):
            if name not in place:
                raise CannotSay(why="no-such-candidate", candidate=name)
        wanted = {tuple(sorted((place[a], place[b]))) for a, b in named if a != b}
        looked, rows = len(wanted), [(one, other) for one, other in wanted]
    return Similarity(looked, pairs_of(sheet, levels, rows, looked)[:top])
