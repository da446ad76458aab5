"""Forms by plan, greedy filling and exchange: fast enough for a page that waits.

A small program over kinds of items says how many of each kind every form takes; the forms are filled by it, the most shared and most used items last;
then items are exchanged one for one as long as that brings a form nearer to what is wanted.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from testing_platform.itembank.assembly.ground import Ground, Kind, Passage
from testing_platform.itembank.assembly.program import Program, chosen

PLAN_SECONDS = 5.0
# A form whose mean is this near to the target is left as it is.
NEAR_ENOUGH = 0.0002
ROUNDS = 40


@dataclass
class Plan:
    """For each form: how many single items of each kind, and of which passage how many of each kind."""

    singles: list[Counter[Kind]]
    passages: list[list[tuple[int, Counter[Kind]]]]


def plan(ground: Ground, forms: int, chance: random.Random, fixed: Sequence[int] = ()) -> Plan | None:
    """Counts for each form that the pool can give, enemies left aside; none where there are none. The same counts for all forms where that can be."""
    return _plan(ground, forms, chance, fixed, alike=True) or _plan(ground, forms, chance, fixed, alike=False)


def plan_one(ground: Ground, chance: random.Random, share: float) -> Plan | None:
    """Counts for one form that takes no more than about this share of any kind of single items."""
    return _plan(ground, 1, chance, (), alike=False, share=share)


def _plan(ground: Ground, forms: int, chance: random.Random, fixed: Sequence[int], alike: bool, share: float = 1.0) -> Plan | None:
    blueprint, kinds = ground.blueprint, ground.kinds
    there = Counter(kind for number, kind in enumerate(kinds) if ground.single[number] and number not in set(fixed))
    vectors = {kind: np.frombuffer(kind[2], dtype=np.int16) for kind in set(kinds)}
    apart = blueprint.overlap == 0
    program = Program()
    single: list[dict[Kind, int]] = []
    picked: list[list[int]] = []
    inside: list[list[dict[Kind, int]]] = []
    for form in range(forms):
        if alike and form:
            single.append(single[0])
        else:
            most = {kind: math.ceil(count * share) for kind, count in sorted(there.items())}
            single.append({kind: program.variable(count, cost=chance.random() * 0.01) for kind, count in most.items()})
        picked.append([program.variable(cost=chance.random() * 0.01) for _ in ground.passages])
        inside.append([])
        for passage, use in zip(ground.passages, picked[form], strict=True):
            offered = Counter(kinds[number] for number in passage.items)
            taken = {kind: program.variable(count, cost=chance.random() * 0.01) for kind, count in sorted(offered.items())}
            inside[form].append(taken)
            terms = [(column, 1.0) for column in taken.values()]
            program.row([*terms, (use, -float(passage.sizes.start))], least=0)
            program.row([*terms, (use, -float(passage.sizes.stop - 1))], most=0)
    already = ground.cells[list(fixed)].sum(0) if fixed else np.zeros(len(ground.least))
    for form in range(forms):
        columns = [*single[form].items(), *(pair for taken in inside[form] for pair in taken.items())]
        for cell in range(len(ground.least)):
            terms = [(column, 1.0) for kind, column in columns if vectors[kind][cell]]
            program.row(terms, ground.least[cell] - already[cell], ground.most[cell] - already[cell])
        for at, section in enumerate(blueprint.sections):
            held = sum(ground.section[number] == at for number in fixed)
            program.row(
                [(column, 1.0) for kind, column in columns if kind[0] == at and not kind[1]], section.items - held, section.items - held
            )
            program.row([(column, 1.0) for kind, column in columns if kind[0] == at and kind[1]], section.pilot, section.pilot)
            sets = [(use, 1.0) for passage, use in zip(ground.passages, picked[form], strict=True) if passage.section == at]
            rule = section.passages
            program.row(sets, rule.sets_least, len(sets) if rule.sets_most is None else rule.sets_most)
    if apart:
        for kind, count in there.items():
            program.row([(single[form][kind], 1.0) for form in range(forms)], most=count)
        for at in range(len(ground.passages)):
            program.row([(picked[form][at], 1.0) for form in range(forms)], most=1)
    found = program.solve(PLAN_SECONDS, gap=0.5)
    if found.values is None:
        return None
    return Plan(
        [_counts(found.values, single[form]) for form in range(forms)],
        [[(at, _counts(found.values, inside[form][at])) for at in chosen(found.values, picked[form])] for form in range(forms)],
    )


def _counts(values: Any, columns: Mapping[Kind, int]) -> Counter[Kind]:
    return Counter({kind: round(values[column]) for kind, column in columns.items() if values[column] > 0.5})


@dataclass
class Board:
    """Forms under way: which item stands where, and the sums of each form kept up with every move."""

    ground: Ground
    forms: int
    inside: Any = field(init=False)
    # How many enemies of each item stand in each form.
    blocked: Any = field(init=False)
    totals: Any = field(init=False)
    counts: Any = field(init=False)
    shared: Any = field(init=False)
    held: Any = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.ground.items)
        self.inside = np.zeros((self.forms, size), dtype=bool)
        self.blocked = np.zeros((self.forms, size), dtype=np.int16)
        self.totals = np.zeros((self.forms, self.ground.width))
        self.counts = np.zeros((self.forms, len(self.ground.least)), dtype=np.int16)
        self.shared = np.zeros((self.forms, self.forms), dtype=np.int16)
        # The anchor stands in every form, is never exchanged and counts for no overlap.
        self.held = np.zeros(size, dtype=bool)

    def put(self, form: int, number: int, way: int = 1) -> None:
        self.inside[form, number] = way > 0
        self.blocked[form, self.ground.enemies[number]] += way
        self.totals[form] += way * self.ground.sums[number]
        self.counts[form] += way * self.ground.cells[number]
        if not self.held[number]:
            others = self.inside[:, number].copy()
            others[form] = False
            self.shared[form, others] += way
            self.shared[others, form] += way

    def free(self, form: int, instead: int | None = None) -> Any:
        """Which items the form may take, `instead` of one that it has."""
        blocked = self.blocked[form]
        if instead is not None and self.ground.enemies[instead]:
            blocked = blocked.copy()
            blocked[self.ground.enemies[instead]] -= 1
        found = ~self.inside[form] & (blocked == 0) & ~self.held
        if self.forms > 1:
            shared = self.shared[form].copy()
            if instead is not None:
                shared -= self.inside[:, instead]
            full = shared >= self.ground.blueprint.overlap
            full[form] = False
            if full.any():
                found &= ~self.inside[full].any(0)
        return found

    def takes(self, form: int, number: int) -> bool:
        """`free` of one item."""
        if self.inside[form, number] or self.blocked[form, number] or self.held[number]:
            return False
        return self.forms == 1 or not any(
            self.inside[other, number] and self.shared[form, other] >= self.ground.blueprint.overlap
            for other in range(self.forms)
            if other != form
        )

    def members(self, form: int) -> list[int]:
        return [int(number) for number in np.flatnonzero(self.inside[form])]


def fill(
    ground: Ground,
    forms: int,
    drawn: Plan,
    chance: random.Random,
    fixed: Sequence[int] = (),
    rank: Callable[[int], Any] | None = None,
) -> Board:
    """The plan carried out as far as enemies let it; what is left open is filled by any item that fits, if there is one.

    Items of a kind are taken by `rank`: without one the least used first, and chance among equals.
    """
    by_use = rank or (lambda number: (ground.items[number].exposures, chance.random()))
    board, kinds = Board(ground, forms), ground.kinds
    board.held[list(fixed)] = True
    for form in range(forms):
        for number in fixed:
            board.put(form, number)
    for form in range(forms):
        for at, wanted in drawn.passages[form]:
            _take_passage(board, form, ground.passages[at], wanted, kinds, chance)
    order = sorted((int(number) for number in np.flatnonzero(ground.single)), key=by_use)
    by_kind: dict[Kind, list[int]] = {}
    for number in order:
        by_kind.setdefault(kinds[number], []).append(number)
    short = []
    for form in range(forms):
        # The kind with the least to choose from takes its items first.
        for kind, count in sorted(drawn.singles[form].items(), key=lambda pair: (len(by_kind[pair[0]]) - pair[1], pair[0])):
            for number in by_kind[kind]:
                if count == 0:
                    break
                if board.takes(form, number):
                    board.put(form, number)
                    count -= 1
            short += [(form, kind)] * count
    for form, kind in short:
        _fill_gap(board, form, kind)
    return board


def _take_passage(board: Board, form: int, passage: Passage, wanted: Counter[Kind], kinds: list[Kind], chance: random.Random) -> None:
    left = Counter(wanted)
    for number in chance.sample(passage.items, len(passage.items)):
        if left[kinds[number]] and board.takes(form, number):
            board.put(form, number)
            left[kinds[number]] -= 1


def _fill_gap(board: Board, form: int, kind: Kind) -> None:
    """Any single item of the section that the cells still take, those of too small cells first."""
    ground = board.ground
    fits = board.free(form) & ground.single & (ground.section == kind[0]) & (ground.pilot == kind[1])
    fits &= ((board.counts[form] + ground.cells) <= ground.most).all(1)
    if fits.any():
        needed = board.counts[form] < ground.least
        worth = (ground.cells * needed).sum(1) * fits
        board.put(form, int(np.argmax(np.where(fits, worth + 1, 0))))


Pick = Callable[[Any, Any, float], int]


def exchange(board: Board, chance: random.Random, pick: Pick | None = None, near: float = NEAR_ENOUGH) -> None:
    """Exchange items while that lowers the cost of a form and the cost is above `near`. `pick` chooses among the better ones; without it the best is taken."""
    ground = board.ground
    for _ in range(ROUNDS):
        costs = ground.cost(board.totals)
        open_forms = [form for form in range(board.forms) if costs[form] > near]
        if not open_forms:
            return
        moved = False
        for form in open_forms:
            members = [number for number in board.members(form) if not board.held[number]]
            chance.shuffle(members)
            for number in members:
                cost = float(ground.cost(board.totals[form]))
                if cost <= near:
                    break
                moved |= _exchange_one(board, form, number, cost, pick)
            if float(ground.cost(board.totals[form])) > near:
                moved |= _exchange_passages(board, form)
        if not moved:
            return


def _exchange_one(board: Board, form: int, number: int, cost: float, pick: Pick | None) -> bool:
    ground = board.ground
    fits = board.free(form, number) & (ground.section == ground.section[number]) & (ground.pilot == ground.pilot[number])
    if ground.single[number]:
        fits &= ground.single
    else:
        mine = np.zeros(len(fits), dtype=bool)
        mine[next(passage.items for passage in ground.passages if number in passage.items)] = True
        fits &= mine
    others = np.flatnonzero(fits)
    if not len(others):
        return False
    counts = board.counts[form] - ground.cells[number] + ground.cells[others]
    others = others[((counts >= ground.least) & (counts <= ground.most)).all(1)]
    if not len(others):
        return False
    costs = ground.cost(board.totals[form] - ground.sums[number] + ground.sums[others])
    best = int(np.argmin(costs)) if pick is None else pick(costs, others, cost)
    if costs[best] >= cost - 1e-12:
        return False
    board.put(form, number, -1)
    board.put(form, int(others[best]))
    return True


def _exchange_passages(board: Board, form: int) -> bool:
    """Put another passage with as many items of the same kinds in the place of one, if that helps."""
    ground, kinds = board.ground, board.ground.kinds
    moved = False
    for passage in ground.passages:
        out = [number for number in passage.items if board.inside[form, number]]
        if not out:
            continue
        cost = float(ground.cost(board.totals[form]))
        wanted = Counter(kinds[number] for number in out)
        for other in ground.passages:
            if other.section != passage.section or other is passage or any(board.inside[form, number] for number in other.items):
                continue
            for number in out:
                board.put(form, number, -1)
            into: list[int] = []
            left = Counter(wanted)
            for number in other.items:
                if left[kinds[number]] and board.takes(form, number):
                    board.put(form, number)
                    into.append(number)
                    left[kinds[number]] -= 1
            if len(into) == len(out) and len(into) in other.sizes and float(ground.cost(board.totals[form])) < cost - 1e-12:
                moved = True
                break
            for number in into:
                board.put(form, number, -1)
            for number in out:
                board.put(form, number)
    return moved


def counts_met(board: Board) -> bool:
    """Whether every form has its cells, sections, trial items and passages full; enemies and overlap are kept by every move."""
    ground, blueprint = board.ground, board.ground.blueprint
    if ((board.counts < ground.least) | (board.counts > ground.most)).any():
        return False
    for form in range(board.forms):
        members = np.array(board.members(form), dtype=int)
        for at, section in enumerate(blueprint.sections):
            mine = members[ground.section[members] == at]
            pilots = int(ground.pilot[mine].sum())
            if pilots != section.pilot or len(mine) - pilots != section.items:
                return False
        for passage in ground.passages:
            got = int(board.inside[form, passage.items].sum())
            if got and got not in passage.sizes:
                return False
        for at, section in enumerate(blueprint.sections):
            sets = sum(bool(board.inside[form, passage.items].any()) for passage in ground.passages if passage.section == at)
            if sets < section.passages.sets_least or (section.passages.sets_most is not None and sets > section.passages.sets_most):
                return False
    return True
