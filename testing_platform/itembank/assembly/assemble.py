"""From a blueprint, a pool and a seed to parallel forms, or to what stands in their way."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testing_platform.itembank.assembly import exact, search
from testing_platform.itembank.assembly.blueprint import Blueprint
from testing_platform.itembank.assembly.checks import Line, check, passage_lines
from testing_platform.itembank.assembly.exact import Shortage
from testing_platform.itembank.assembly.ground import FaultyAnchor, Ground
from testing_platform.itembank.assembly.pool import PoolItem

# New beginnings of the quick way; each costs some tens of milliseconds.
TRIES = 12
# Forms whose means lie this near to the target are good enough to need no exact search.
GAP_ACCEPTED = 0.001


@dataclass(frozen=True)
class Outcome:
    """`state`: met; short, where the pool has too few items (`shortages`); unmet, where the forms miss a figure (`lines` say which).

    `distance` is how far the mean difficulty of the worst form lies from the target; no forms can do better than `bound`.
    `proved` says of short and unmet that no better forms exist, or that fewer added items cannot do; at least `fewest` items are surely missing.
    """

    state: str
    way: str
    seed: int
    forms: list[list[PoolItem]]
    anchor: list[PoolItem]
    lines: list[Line]
    shortages: list[Shortage]
    distance: float
    bound: float
    proved: bool
    seconds: float
    fewest: int = 0

    @property
    def gap(self) -> float:
        return max(0.0, self.distance - self.bound)


def assemble(
    blueprint: Blueprint,
    pool: Sequence[PoolItem],
    forms: int,
    seed: int,
    *,
    seconds: float = 60.0,
    thorough: bool = True,
    tell: Callable[[str], None] = lambda step: None,
) -> Outcome:
    """Parallel forms. `tell` is called as a step begins: quick, counts, figures.

    The same blueprint, pool, count and seed give the same forms. Without `thorough` only the quick way is gone. Raises FaultyAnchor.

    `seconds` bounds the exact search; one that was cut short may end with other forms on another machine.
    """
    began = time.monotonic()
    pool = sorted(pool, key=lambda item: item.code)
    ground, chance = Ground(blueprint, pool), random.Random(seed)
    fixed = ground.anchor or choose_anchor(ground, chance)
    best: list[list[int]] | None = None
    way, bound, proved, fewest = "quick", 0.0, False, 0

    def outcome(state: str, found: list[list[int]], short: Sequence[Shortage] = ()) -> Outcome:
        laid = [order(ground, members, chance) for members in found]
        anchor = frozenset(ground.items[number].id for number in fixed)
        lines = check(blueprint, laid, anchor) + [
            line for number, form in enumerate(laid, 1) for line in passage_lines(blueprint, form, pool, number)
        ]
        distance = max((abs(line.got - blueprint.mean) for line in lines if line.kind == "mean"), default=0.0)
        if state == "met" and not all(line.met for line in lines):
            state = "unmet"
        anchors = [ground.items[number] for number in fixed]
        spent = time.monotonic() - began
        return Outcome(state, way, seed, laid, anchors, lines, list(short), distance, bound, proved, spent, fewest)

    tell("quick")
    board = _quick(ground, forms, chance, fixed)
    if board is not None:
        best = [board.members(form) for form in range(forms)]
        if float(max(ground.cost(board.totals))) <= GAP_ACCEPTED or (not thorough and not ground.excess(board.totals).any()):
            return outcome("met", best)
    if not thorough:
        if best is not None:
            return outcome("unmet", best)
        short, fewest, proved = exact.shortages(ground, forms, fixed, min(seconds, search.PLAN_SECONDS))
        return outcome("short", [], short)
    way = "exact"
    if best is None:
        tell("counts")
        short, fewest, proved = exact.shortages(ground, forms, fixed, seconds / 2)
        if short:
            return outcome("short", [], short)
    tell("figures")
    deviation = float(board.totals[:, 2].mean()) if board is not None else _usual_deviation(ground)
    near = exact.nearest(ground, forms, fixed, seconds / 2, max(deviation, 0.1))
    if near.forms is None:
        proved = False
        return outcome("unmet", best or [])
    met = board is not None and not ground.excess(board.totals).any()
    if near.unmet and met:
        # The program is a little stricter than the blueprint where a figure is not linear; the quick way found what it could not.
        way = "quick"
        return outcome("met", best or [])
    # Of a spread and a reliability the program holds narrower bounds, so that what it proves is proved of those alone.
    if blueprint.reliability is None and blueprint.spread is None:
        bound, proved = near.bound, near.proved
    return outcome("unmet" if near.unmet else "met", near.forms)


def _quick(ground: Ground, forms: int, chance: random.Random, fixed: Sequence[int]) -> search.Board | None:
    """The best of some beginnings that keeps every count; none where no beginning did."""
    best: search.Board | None = None
    for _ in range(TRIES):
        drawn = search.plan(ground, forms, chance, fixed)
        if drawn is None:
            return None
        board = search.fill(ground, forms, drawn, chance, fixed)
        search.exchange(board, chance)
        if not search.counts_met(board):
            continue
        cost = max(ground.cost(board.totals))
        if best is None or cost < max(ground.cost(best.totals)):
            best = board
        if cost <= GAP_ACCEPTED:
            break
    return best


def _usual_deviation(ground: Ground) -> float:
    """The expected standard deviation of scores of a form of average items."""
    counted = ground.sums[~ground.pilot, 2]
    return float(counted.mean()) * ground.blueprint.items if len(counted) else 0.0


def choose_anchor(ground: Ground, chance: random.Random) -> list[int]:
    """The items that all forms are to share: a small picture of a form, its areas in proportion (largest remainders) and its mean at the target.

    A common-item set should be a miniature of the form, of a fifth of its items or more (Kolen & Brennan 2014, Test Equating, Scaling, and Linking, ch. 8).
    Raises FaultyAnchor where no form can be found to take it from.
    """
    count = ground.blueprint.anchor_count
    if not count:
        return []
    board = _quick(ground, 1, chance, ())
    if board is None:
        return []
    members = [number for number in board.members(0) if ground.single[number] and not ground.pilot[number]]
    if len(members) < count:
        raise FaultyAnchor(why="too-few-single-items", items=[ground.items[number].code for number in members])
    areas = sorted({ground.items[number].area for number in members})
    inside = {area: [number for number in members if ground.items[number].area == area] for area in areas}
    exact_shares = {area: count * len(inside[area]) / len(members) for area in areas}
    wanted = {area: math.floor(exact_shares[area]) for area in areas}
    for area in sorted(areas, key=lambda area: (wanted[area] - exact_shares[area], area))[: count - sum(wanted.values())]:
        wanted[area] += 1
    picked = {area: chance.sample(inside[area], wanted[area]) for area in areas}

    def away() -> float:
        found = [ground.items[number].share for area in areas for number in picked[area]]
        return abs(math.fsum(found) / count - ground.blueprint.mean)

    for area in areas:
        for at in range(len(picked[area])):
            kept = picked[area][at]
            others = [number for number in inside[area] if number not in picked[area]]
            distances = [(away(), kept)]
            for other in others:
                picked[area][at] = other
                distances.append((away(), other))
            picked[area][at] = min(distances)[1]
    return sorted(number for area in areas for number in picked[area])


def order(ground: Ground, members: Sequence[int], chance: random.Random) -> list[PoolItem]:
    """The order in a form: section by section, an area's items together and a passage's too, the easier first; trial items where the blueprint wants them."""
    found: list[PoolItem] = []
    for at, section in enumerate(ground.blueprint.sections):
        mine = [ground.items[number] for number in members if ground.section[number] == at]
        areas = list(dict.fromkeys(cell.area for cell in section.cells))
        units: dict[tuple[int, str], list[PoolItem]] = {}
        for item in mine:
            if not item.pilot:
                units.setdefault((areas.index(item.area), item.passage or f"item {item.code}"), []).append(item)
        rows = sorted(units.items(), key=lambda pair: (pair[0][0], -math.fsum(item.share for item in pair[1]) / len(pair[1]), pair[0][1]))
        laid = [item for _, unit in rows for item in sorted(unit, key=lambda item: item.code)]
        trial = [item for item in mine if item.pilot]
        chance.shuffle(trial)
        match section.pilot_place:
            case "start":
                found += trial + laid
            case "end":
                found += laid + trial
            case "spread":
                found += _spread(laid, trial)
    return found


def _spread(laid: list[PoolItem], trial: list[PoolItem]) -> list[PoolItem]:
    """The trial items at even distances, never inside a passage."""
    found = list(laid)
    for number, item in enumerate(trial, 1):
        place = round(number * (len(laid) + len(trial)) / (len(trial) + 1))
        while 0 < place < len(found) and found[place - 1].passage is not None and found[place - 1].passage == found[place].passage:
            place += 1
        found.insert(min(place, len(found)), item)
    return found
