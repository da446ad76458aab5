"""Classical test theory: the test, its items, their options, and which items a person should look at.

Sums are whole numbers, so that the figures do not depend on the order of the rows. Sources: Lord & Novick 1968, *Statistical Theories of Mental Test
Scores*; Kuder & Richardson 1937; Feldt 1965; Lord 1955; Keats 1957.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import special

from testing_platform.scoring.analysis.sheets import BLANK, Sheet, Whole

BLOCK = 8192
EXACT = 2**24  # the whole numbers below it are exact in the 32 bits of the sums of one block


@dataclass(frozen=True)
class FlagRules:
    """From where on a person should look at an item. Each is a setting; the defaults are customary in item analysis."""

    key_below: float = 0.0  # the key's r_rest below this makes the key suspect, as does an option with a greater one
    second_answer_r: float = 0.05  # two answers: another option has a greater r_rest …
    second_answer_share: float = 0.25  # … and more than this share of the top third chose it
    weak: float = 0.15  # the least r_rest
    above_chance: float = 0.05  # too hard: p below 1 / options plus this
    too_easy: float = 0.95
    dead: float = 0.05  # an option fewer choose counts as dead
    omitted: float = 0.05
    not_reached: float = 0.20
    top: float = 1 / 3  # who the best are, with all who are level with the last of them


@dataclass(frozen=True)
class ScoreFigures:
    """One total: how many have it, how many have it or more, and the standard error of measurement there."""

    score: int
    n: int
    at_or_above: int
    csem_lord: float
    csem_keats: float | None


@dataclass(frozen=True)
class Overall:
    """`sd` and `sem` with n - 1, `sd_n` with n; skew and kurtosis are the moment ratios of n; `kr20_interval` is Feldt's, of 95 %."""

    n: int
    items: int
    mean: float
    sd: float | None
    sd_n: float
    median: float
    min: int
    max: int
    skew: float | None
    excess_kurtosis: float | None
    kr20: float | None
    kr20_interval: tuple[float, float] | None
    kr21: float | None
    sem: float | None


@dataclass(frozen=True)
class OptionFigures:
    keyed: bool
    n: int
    p: float
    r_total: float | None
    r_rest: float | None
    mean_total: float | None
    top: float  # share of the top third


@dataclass(frozen=True)
class ItemFigures:
    """`omit` counts blanks; those after the candidate's last answer are `not_reached` too. `dead` counts options that hardly anyone chooses."""

    item: str
    n: int
    p: float
    r_pb: float | None
    r_rest: float | None
    biserial: float | None
    alpha_if_deleted: float | None
    omit: int
    not_reached: int
    dead: int
    flags: list[str]
    options: dict[str, OptionFigures]


@dataclass(frozen=True)
class Analysis:
    test: Overall
    scores: list[ScoreFigures]
    items: list[ItemFigures]


def kr20(items: int, sum_pq: float, variance: float) -> float | None:
    """Kuder & Richardson 1937, formula 20, which is Cronbach's alpha of right and wrong: J/(J-1) (1 - sum pq / s²), the variance with n."""
    return items / (items - 1) * (1 - sum_pq / variance) if items > 1 and variance > 0 else None


def kr21(items: int, mean: float, variance: float) -> float | None:
    """Kuder & Richardson 1937, formula 21: as if all items were equally hard; the variance with n."""
    return kr20(items, mean * (items - mean) / items, variance)


def feldt_interval(alpha: float, n: int, items: int, level: float = 0.95) -> tuple[float, float]:
    """Feldt 1965: (1 - alpha) / (1 - its estimate) is distributed as F with n - 1 and (n - 1)(J - 1) degrees of freedom."""
    low, high = special.fdtri(n - 1, (n - 1) * (items - 1), [(1 - level) / 2, (1 + level) / 2])
    return 1 - (1 - alpha) * float(high), 1 - (1 - alpha) * float(low)


def csem_lord(score: int, items: int) -> float:
    """Lord 1955: the standard error of a binomial, sqrt(x (J - x) / (J - 1))."""
    return math.sqrt(score * (items - score) / (items - 1)) if items > 1 else 0.0


def biserial(r_pb: float, p: float) -> float:
    """The correlation with what lies behind right and wrong if that is normal: r_pb sqrt(pq) / phi(z_p) (Lord & Novick 1968, ch. 15)."""
    z = float(special.ndtri(p))
    return r_pb * math.sqrt(p * (1 - p)) / (math.exp(-z * z / 2) / math.sqrt(2 * math.pi))


def _ratio(upper: float, square: float) -> float | None:
    return upper / math.sqrt(square) if square > 0 else None


def overall(totals: Whole, items: int, sum_pq: float) -> Overall:
    n = len(totals)
    mean = int(totals.sum()) / n
    square = (n * int((totals * totals).sum()) - int(totals.sum()) ** 2) / n**2
    counts = np.bincount(totals)
    three, four = (float((counts * (np.arange(len(counts)) - mean) ** power).sum()) / n for power in (3, 4))
    found = kr20(items, sum_pq, square)
    sd = math.sqrt(square * n / (n - 1)) if n > 1 else None
    return Overall(
        n=n,
        items=items,
        mean=mean,
        sd=sd,
        sd_n=math.sqrt(square),
        median=float(np.median(totals)),
        min=int(totals.min()),
        max=int(totals.max()),
        skew=three / square**1.5 if square else None,
        excess_kurtosis=four / square**2 - 3 if square else None,
        kr20=found,
        kr20_interval=feldt_interval(found, n, items) if found is not None and n > 1 else None,
        kr21=kr21(items, mean, square),
        sem=sd * math.sqrt(1 - found) if sd is not None and found is not None else None,
    )


def score_figures(totals: Whole, test: Overall) -> list[ScoreFigures]:
    """Keats 1957: Lord's error times sqrt((1 - KR20) / (1 - KR21)), so that it agrees with the test's."""
    counts = np.bincount(totals, minlength=test.items + 1).tolist()
    keats = None
    if test.kr20 is not None and test.kr21 is not None and test.kr21 < 1:
        keats = math.sqrt((1 - test.kr20) / (1 - test.kr21))
    found, above = [], test.n
    for score, n in enumerate(counts):
        lord = csem_lord(score, test.items)
        found.append(ScoreFigures(score, n, above, lord, None if keats is None else lord * keats))
        above -= n
    return found


def _sums(sheet: Sheet, top: npt.NDArray[np.bool_]) -> tuple[Whole, Whole, Whole]:
    """For each option and item: how many chose it, the sum of their totals, and how many of the top third did."""
    n, items = sheet.answers.shape
    found = np.zeros((len(sheet.options), 3, items), np.int64)
    step = max(1, min(BLOCK, EXACT // max(items, 1)))
    weights = np.stack([np.ones(n), sheet.totals, top]).astype(np.float32)
    same, chosen = np.empty((step, items), np.bool_), np.empty((step, items), np.float32)
    for start in range(0, n, step):
        block = sheet.answers[start : start + step]
        some = chosen[: len(block)]
        equal = same[: len(block)]
        for option in range(len(sheet.options)):
            np.equal(block, option + 1, out=equal)
            np.copyto(some, equal)
            found[option] += (weights[:, start : start + step] @ some).astype(np.int64)
    return found[:, 0], found[:, 1], found[:, 2]


def reached(sheet: Sheet) -> Whole:
    """For each candidate, the place of the last item that is not blank, from 1; 0 where all are."""
    n, items = sheet.in_order.shape
    found = np.full(n, items)
    stopped = np.flatnonzero(sheet.in_order[:, -1] == BLANK)
    answered = sheet.in_order[stopped, ::-1] != BLANK
    found[stopped] = np.where(answered.any(axis=1), items - answered.argmax(axis=1), 0)
    return found


def _not_reached(sheet: Sheet) -> Whole:
    """For each item, how many left it and all that follow it blank."""
    items, last = len(sheet.items), reached(sheet)
    if sheet.order is not None:
        return np.bincount(sheet.order[np.arange(sheet.order.shape[1]) >= last[:, None]], minlength=items)
    return np.cumsum(np.bincount(last, minlength=items + 1)[:items])


def _had(given: npt.NDArray[np.bool_], totals: Whole, top: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Of those who were given an item: how many, the sum of their totals and of the squares, and how many of the top third."""
    own = totals[given]
    return len(own), int(own.sum()), int((own * own).sum()), int(top[given].sum())


def analyze(sheet: Sheet, rules: FlagRules | None = None) -> Analysis:
    """Every figure of the test, its totals, its items and their options. An item apart is held against the whole total, which it is no part of.

    Where each candidate had a form of their own, an item's figures are of those who had it, and alpha is that of places: of items nested in
    candidates, whose differences in difficulty are error (Brennan 2001, *Generalizability Theory*, design i:p). There is no alpha without an item.
    """
    rules = rules or FlagRules()
    items, totals = sheet.by_place.shape[1], sheet.totals
    last = np.sort(totals)[len(totals) - math.ceil(len(totals) * rules.top)]
    top = totals >= last
    chose, sums, best = _sums(sheet, top)
    missed = _not_reached(sheet)
    everybody = len(totals), int(totals.sum()), int((totals * totals).sum()), int(top.sum())
    right = [sum(int(chose[code - 1, item]) for code in key) for item, key in enumerate(sheet.keys)]
    of_right = [sum(int(sums[code - 1, item]) for code in key) for item, key in enumerate(sheet.keys)]
    by_place = [right[item] for item in sheet.counted] if sheet.order is None else sheet.by_place.sum(axis=0, dtype=np.int64).tolist()
    sum_pq = sum(count * (len(totals) - count) for count in by_place) / len(totals) ** 2
    found = []
    for item, (name, key) in enumerate(zip(sheet.items, sheet.keys, strict=True)):
        n, whole, squares, size = everybody if sheet.given is None else _had(sheet.given[:, item], totals, top)
        spread = n * squares - whole**2  # n² times the variance
        count, inside = right[item], item not in sheet.apart
        own = count * (n - count)  # n² times the item's variance, and below n² times covariances
        cross = n * of_right[item] - count * whole
        rest = spread - 2 * cross + own if inside else spread
        options: dict[str, OptionFigures] = {}
        for code in sheet.used(item, chose[:, item]):
            picked, total = int(chose[code - 1, item]), int(sums[code - 1, item])
            with_total = n * total - picked * whole
            with_item = n * picked * (code in key) - picked * count if inside else 0
            options[sheet.options[code - 1]] = OptionFigures(
                keyed=code in key,
                n=picked,
                p=picked / n if n else 0.0,
                r_total=_ratio(with_total, float(picked * (n - picked)) * spread),
                r_rest=_ratio(with_total - with_item, float(picked * (n - picked)) * rest),
                mean_total=total / picked if picked else None,
                top=int(best[code - 1, item]) / size if size else 0.0,
            )
        r_pb = _ratio(cross, float(own) * spread)
        figures = ItemFigures(
            item=name,
            n=n,
            p=count / n if n else 0.0,
            r_pb=r_pb,
            r_rest=_ratio(cross - own if inside else cross, float(own) * rest),
            biserial=None if r_pb is None else biserial(r_pb, count / n),
            alpha_if_deleted=kr20(items - 1, sum_pq - own / n**2, rest / n**2) if inside and sheet.order is None else None,
            omit=n - int(chose[:, item].sum()),
            not_reached=int(missed[item]),
            dead=sum(not option.keyed and option.p < rules.dead for option in options.values()),
            flags=[],
            options=options,
        )
        figures.flags.extend(flags(figures, rules) if n else [])
        found.append(figures)
    test = overall(totals, items, sum_pq)
    return Analysis(test, score_figures(totals, test), found)


def flags(item: ItemFigures, rules: FlagRules) -> list[str]:
    """Why a person should look at the item: key_suspect | two_answers | weak | too_hard | too_easy | omitted | not_reached.

    Where answers are kept as 0 and 1 there are no options to compare and no chance level.
    """
    others = [option for option in item.options.values() if not option.keyed]
    scored_only = set(item.options) <= {"0", "1"}
    found = []
    if item.r_rest is not None:
        beaten = any(option.r_rest is not None and option.r_rest > item.r_rest for option in others)
        if item.r_rest < rules.key_below or (beaten and not scored_only):
            found.append("key_suspect")
    if not scored_only and any(
        option.r_rest is not None and option.r_rest > rules.second_answer_r and option.top > rules.second_answer_share for option in others
    ):
        found.append("two_answers")
    if item.r_rest is not None and item.r_rest < rules.weak:
        found.append("weak")
    chance = sum(option.keyed for option in item.options.values()) / len(item.options)
    if not scored_only and item.p < chance + rules.above_chance:
        found.append("too_hard")
    if item.p > rules.too_easy:
        found.append("too_easy")
    if item.omit - item.not_reached > rules.omitted * item.n:
        found.append("omitted")
    if item.not_reached > rules.not_reached * item.n:
        found.append("not_reached")
    return found


RULE_NAMES = tuple(field.name for field in fields(FlagRules))
