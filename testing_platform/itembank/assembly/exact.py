"""The assembly as a mixed-integer program over items: what is short when no forms exist, and the forms nearest to what is wanted.

The binary x[form, item] of van der Linden (2005), Linear Models for Optimal Test Design, ch. 4 and 6. Each wanted figure of a form is linear in x
but two: the spread of difficulties, taken about the target instead of the mean, and the reliability, see `_reliability`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from testing_platform.itembank.assembly.ground import Ground
from testing_platform.itembank.assembly.program import INFEASIBLE, OPTIMAL, Program, Solution, Term, chosen

# One unit of unmet constraint weighs this many units of distance from the target difficulty.
WEIGHT = 100.0


@dataclass(frozen=True)
class Shortage:
    """So many more items are needed: of a cell, of a section's trial items, or passages of a section, over all forms together."""

    kind: str
    section: str
    at: str
    missing: int


def cliques(enemies: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of items of which one form takes one at most, that together say every pair of enemies."""
    sets = [set(others) for others in enemies]
    left = {(one, other) for one, others in enumerate(sets) for other in others if one < other}
    found = []
    for one, other in sorted(left):
        if (one, other) not in left:
            continue
        group = [one, other]
        for more in sorted(sets[one] & sets[other]):
            if all(more in sets[member] for member in group):
                group.append(more)
        left -= {(a, b) for a in group for b in group if a < b}
        found.append(group)
    return found


@dataclass
class Model:
    """The counting part of the program: cells, sections, passages, enemies, overlap and anchor."""

    ground: Ground
    forms: int
    fixed: Sequence[int]
    program: Program
    x: list[range]
    used: list[list[int]]
    # What is missing, for each (kind, section, at): the variables that stand for it.
    missing: dict[tuple[str, str, str], list[int]]


def counting(ground: Ground, forms: int, fixed: Sequence[int] = (), *, elastic: bool = False) -> Model:
    """With `elastic`, made-up items may stand where the pool has none, at a cost of one each."""
    program, blueprint = Program(), ground.blueprint
    x = [program.variables(len(ground.items)) for _ in range(forms)]
    used = [[program.variable() for _ in ground.passages] for _ in range(forms)]
    missing: dict[tuple[str, str, str], list[int]] = {}

    def extra(kind: str, section: str, at: str) -> list[Term]:
        if not elastic:
            return []
        column = program.variable(blueprint.length, cost=1)
        missing.setdefault((kind, section, at), []).append(column)
        return [(column, 1.0)]

    groups = cliques(ground.enemies)
    for form in range(forms):
        mine = x[form]
        for number in fixed:
            program.row([(mine[number], 1.0)], 1, 1)
        cell_at = 0
        for at, section in enumerate(blueprint.sections):
            inside = [number for number in range(len(ground.items)) if ground.section[number] == at]
            made_up = [
                (cell, extra("cell", section.name, cell.area if cell.level is None else f"{cell.area} · {cell.level}"))
                for cell in section.cells
            ]
            for cell in section.cells:
                # A made-up item of a level counts in the cell of the whole area too.
                more = [term for other, terms in made_up if cell.takes(other.area, other.level or "") for term in terms]
                program.row([*((mine[number], 1.0) for number in inside if ground.cells[number, cell_at]), *more], cell.least, cell.most)
                cell_at += 1
            all_made_up = [term for _, terms in made_up for term in terms]
            program.row([*((mine[n], 1.0) for n in inside if not ground.pilot[n]), *all_made_up], section.items, section.items)
            trial = [number for number in inside if ground.pilot[number]]
            if section.pilot or trial:
                program.row(
                    [*((mine[n], 1.0) for n in trial), *(extra("pilot", section.name, "") if section.pilot else [])],
                    section.pilot,
                    section.pilot,
                )
            rule = section.passages
            sets = [(column, 1.0) for column, passage in zip(used[form], ground.passages, strict=True) if passage.section == at]
            if rule.sets_least:
                program.row([*sets, *extra("passages", section.name, "")], rule.sets_least)
            if rule.sets_most is not None:
                program.row(sets, most=rule.sets_most)
        for passage, use in zip(ground.passages, used[form], strict=True):
            terms = [(mine[number], 1.0) for number in passage.items]
            program.row([*terms, (use, -float(passage.sizes.start))], least=0)
            program.row([*terms, (use, -float(passage.sizes.stop - 1))], most=0)
        for group in groups:
            program.row([(mine[number], 1.0) for number in group], most=1)
    _overlap(program, ground, x, set(fixed))
    return Model(ground, forms, fixed, program, x, used, missing)


def _overlap(program: Program, ground: Ground, x: list[range], fixed: set[int]) -> None:
    free = [number for number in range(len(ground.items)) if number not in fixed]
    if ground.blueprint.overlap == 0 and len(x) > 1:
        for number in free:
            program.row([(mine[number], 1.0) for mine in x], most=1)
        return
    for one in range(len(x)):
        for other in range(one + 1, len(x)):
            both = [program.variable(whole=False) for _ in free]
            for number, column in zip(free, both, strict=True):
                program.row([(x[one][number], 1.0), (x[other][number], 1.0), (column, -1.0)], most=1)
            program.row([(column, 1.0) for column in both], most=ground.blueprint.overlap)


def shortages(ground: Ground, forms: int, fixed: Sequence[int], seconds: float) -> tuple[list[Shortage], int, bool]:
    """Items that would have to be added, by cell, for the counts to be met; how many are surely missing; whether fewer than those named can do.

    Where it is proved that fewer cannot, the two agree, and nothing is short where the list is empty.
    """
    model = counting(ground, forms, fixed, elastic=True)
    found = model.program.solve(seconds, gap=0.0)
    if found.values is None:
        return [], 0, False
    rows = [
        Shortage(kind, section, at, sum(round(found.values[column]) for column in columns))
        for (kind, section, at), columns in model.missing.items()
    ]
    fewest = max(0, math.ceil(found.bound - 1e-6)) if math.isfinite(found.bound) else 0
    return [row for row in rows if row.missing], fewest, found.status == OPTIMAL


@dataclass(frozen=True)
class Nearest:
    """`forms` none where nothing was found in time. `unmet` is the weighed sum of what is not met; 0 with every constraint held."""

    forms: list[list[int]] | None
    unmet: float
    # No forms come nearer to the target difficulty than this.
    bound: float
    # The program was solved to its end.
    proved: bool


def nearest(ground: Ground, forms: int, fixed: Sequence[int], seconds: float, deviation: float) -> Nearest:
    """Forms that keep every count, miss the figures as little as can be, and then lie as near to the target difficulty as can be.

    `deviation` is the expected standard deviation of scores round which the reliability is made linear.
    """
    model = counting(ground, forms, fixed)
    program, blueprint, count = model.program, ground.blueprint, ground.blueprint.items
    slack: list[int] = []

    def short(scale: float) -> Term:
        column = program.variable(math.inf, cost=WEIGHT, whole=False)
        slack.append(column)
        return column, scale

    away = program.variable(blueprint.within, cost=1.0, whole=False)
    for mine in model.x:

        def terms(column: int, mine: range = mine) -> Iterator[Term]:
            return ((mine[number], float(value)) for number, value in enumerate(ground.sums[:, column]) if value)

        target = blueprint.mean * count
        over = short(float(count * blueprint.within))
        program.row([*terms(0), (away, -float(count)), (over[0], -over[1])], most=target)
        program.row([*terms(0), (away, float(count)), over], least=target)
        if blueprint.spread is not None:
            low, high = max(0.0, blueprint.spread - blueprint.spread_within), blueprint.spread + blueprint.spread_within
            # Sum of (p - target)² is n(spread² + (mean - target)²); the narrower bounds hold wherever the mean lies within its own.
            program.row([*terms(1), short(count * low**2 or 1.0)], least=count * (low**2 + blueprint.within**2) if low else 0.0)
            column, scale = short(count * high**2)
            program.row([*terms(1), (column, -scale)], most=count * high**2)
        if blueprint.reliability is not None and count > 1:
            _reliability(program, blueprint.reliability, count, deviation, list(terms(2)), list(terms(3)), short(deviation**2))
        for at, seconds_allowed in enumerate(ground.seconds_allowed):
            column, scale = short(float(seconds_allowed))
            program.row([*terms(ground.second_columns.start + at), (column, -scale)], most=float(seconds_allowed))
        for at, (_, least) in enumerate(blueprint.information):
            program.row([*terms(ground.information_columns.start + at), short(least or 1.0)], least=least)
        if blueprint.key_share is not None:
            for column_at in range(ground.key_columns.start, ground.key_columns.stop):
                column, _ = short(1.0)
                program.row([*terms(column_at), (column, -1.0)], most=ground.most_at_a_key)
        if blueprint.reuse_forms:
            column, _ = short(1.0)
            program.row([*terms(4), (column, -1.0)], most=ground.most_reused)
    found: Solution = program.solve(seconds)
    if found.values is None:
        return Nearest(None, math.inf, 0.0, found.status == INFEASIBLE)
    unmet = float(np.sum(found.values[slack])) if slack else 0.0
    return Nearest(
        [chosen(found.values, mine) for mine in model.x],
        0.0 if unmet < 1e-7 else unmet,
        max(0.0, found.bound) if unmet < 1e-7 else 0.0,
        found.status == OPTIMAL,
    )


def _reliability(
    program: Program, least: float, count: int, deviation: float, spread: list[Term], variance: list[Term], slack: Term
) -> None:
    """KR-20 ≥ least, where it holds for the tangent at `deviation`.

    KR-20 ≥ r is V ≤ c·S² with V the sum of p(1-p), S the expected SD and c = 1 - r(n-1)/n. S² lies above its tangent 2·d·S - d² everywhere,
    so that V ≤ c(2·d·S - d²) is enough; it is not needed, and a form may exist where this finds none.
    """
    share = 1 - least * (count - 1) / count
    program.row(
        [*variance, *((column, -2 * share * deviation * value) for column, value in spread), (slack[0], -slack[1])],
        most=-share * deviation**2,
    )
