"""A form for each candidate, drawn when it is needed from a pool that was frozen before (linear on the fly).

A draw is a function of the frozen pool and a seed: anyone who has both draws the same form again. How often an item may be seen is kept by weights
that are found when the pool is frozen, in rehearsals, as Sympson and Hetter (1985) find their exposure parameters; among items that serve equally well
one of the best few is taken by chance (randomesque: Kingsbury & Zara 1989).
"""

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from testing_platform import errors
from testing_platform.digests import canonical
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly import search
from testing_platform.itembank.assembly.assemble import order
from testing_platform.itembank.assembly.ground import Ground
from testing_platform.itembank.assembly.pool import PoolItem
from testing_platform.itembank.assembly.search import Board, Plan

PLANS = 24
REHEARSALS = 400
ROUNDS = 8
BEST = 5
TRIES = 25
# Rehearsals aim this far below the cap: rates of real draws scatter round those of the rehearsals.
AIM = 0.85
# The weight of an item that is to be left out: it is taken where there is no other, and then the draw is made again.
LAST = 1e-9


class PoolTooSmall(errors.Refusal):
    """The pool cannot keep the cap: `items` are seen by a larger share of candidates, the most by `rate`, or no form can be drawn at all (none)."""

    code = "pool-too-small"


class NoDraw(errors.Refusal):
    """This seed gave no form that keeps every constraint."""

    code = "no-draw"


@dataclass
class FrozenPool:
    """`weights` go with `items`, in order; 1 is an item that chance alone keeps under the cap."""

    document: Mapping[str, Any]
    items: list[PoolItem]
    cap: float
    plans: list[Plan]
    weights: list[float]
    ground: Ground = field(init=False)

    def __post_init__(self) -> None:
        self.ground = Ground(blueprints.of(self.document), self.items)
        assert self.ground.items == self.items, "a frozen pool holds what its blueprint takes"

    def content(self) -> dict[str, Any]:
        """As it is stored: with the figures of its items, so that new statistics change no draw."""
        return {
            "blueprint": dict(self.document),
            "items": [msgspec.to_builtins(item) | {"enemies": sorted(item.enemies)} for item in self.items],
            "cap": self.cap,
            "plans": [
                {"singles": _written(plan.singles[0]), "passages": [[at, _written(counts)] for at, counts in plan.passages[0]]}
                for plan in self.plans
            ],
            "weights": self.weights,
        }

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "FrozenPool":
        plans = [Plan([_read(plan["singles"])], [[(at, _read(counts)) for at, counts in plan["passages"]]]) for plan in content["plans"]]
        items = msgspec.convert(content["items"], list[PoolItem])
        return cls(content["blueprint"], items, content["cap"], plans, list(content["weights"]))

    def digest(self) -> str:
        return hashlib.sha256(canonical(self.content())).hexdigest()

    def draw(self, seed: int, without: Set[str] = frozenset()) -> list[PoolItem]:
        """The form of this seed, in its order, and without these items, named by their codes. Raises NoDraw."""
        weights = [LAST if item.code in without else weight for item, weight in zip(self.items, self.weights, strict=True)]
        for attempt in range(TRIES):
            chance = random.Random(f"{seed}/{attempt}")
            board = self._board(chance, weights)
            if search.counts_met(board) and not self.ground.excess(board.totals).any():
                found = order(self.ground, board.members(0), chance)
                if not any(item.code in without for item in found):
                    return found
        raise NoDraw(seed=seed)

    def _board(self, chance: random.Random, weights: Sequence[float]) -> Board:
        ground = self.ground

        def rank(number: int) -> float:
            """Weighted drawing without replacement (Efraimidis & Spirakis 2006): the largest u^(1/w) first."""
            return -(chance.random() ** (1 / weights[number]))

        plan = chance.choice(self.plans)
        passages: list[tuple[int, Counter[Any]]] = []
        for at, counts in plan.passages[0]:
            taken = {other for other, _ in passages}
            fit = [other for other in range(len(ground.passages)) if other not in taken and self._offers(other, at, counts)]
            passages.append((min(fit, key=lambda other: rank(ground.passages[other].items[0])), counts))
        board = search.fill(ground, 1, Plan(plan.singles, [passages]), chance, rank=rank)
        search.exchange(board, chance, lambda costs, others, cost: _one_of_the_best(chance, weights, costs, others, cost), near=self._near)
        return board

    @property
    def _near(self) -> float:
        """Near enough to the target for one candidate's form: a quarter of what the blueprint allows."""
        return self.ground.blueprint.within / 4

    def _offers(self, other: int, at: int, counts: Counter[Any]) -> bool:
        ground, passage = self.ground, self.ground.passages[other]
        there = Counter(ground.kinds[number] for number in passage.items)
        return passage.section == ground.passages[at].section and sum(counts.values()) in passage.sizes and counts <= there


def _one_of_the_best(chance: random.Random, weights: Sequence[float], costs: Any, others: Any, cost: float) -> int:
    best = [int(at) for at in np.argsort(costs)[:BEST] if costs[at] < cost - 1e-12]
    if not best:
        return int(np.argmin(costs))
    return chance.choices(best, [weights[int(others[at])] for at in best])[0]


def _written(counts: Counter[Any]) -> list[Any]:
    return [[section, pilot, cells.hex(), count] for (section, pilot, cells), count in sorted(counts.items())]


def _read(rows: Sequence[Any]) -> Counter[Any]:
    return Counter({(section, pilot, bytes.fromhex(cells)): count for section, pilot, cells, count in rows})


def freeze(document: Mapping[str, Any], pool: Sequence[PoolItem], cap: float, seed: int) -> FrozenPool:
    """A pool from which each candidate's form can be drawn, with no item seen by more than the share `cap` of candidates. Raises PoolTooSmall."""
    chance = random.Random(seed)
    ground = Ground(blueprints.of(document), sorted(pool, key=lambda item: item.code))
    plans = [plan for plan in (search.plan_one(ground, chance, cap * AIM) for _ in range(PLANS)) if plan is not None]
    if not plans:
        raise PoolTooSmall(items=[], rate=None, cap=cap)
    found = FrozenPool(document, ground.items, cap, plans, [1.0] * len(ground.items))
    rates: Mapping[int, float] = {}
    for round_ in range(ROUNDS):
        try:
            rates = rehearse(found, [seed * 1_000_003 + round_ * REHEARSALS + number for number in range(REHEARSALS)])
        except NoDraw as refusal:
            raise PoolTooSmall(items=[], rate=None, cap=cap) from refusal
        if max(rates.values()) <= cap:
            return found
        for number, item in enumerate(found.items):
            rate = rates.get(item.id, 0.0)
            found.weights[number] = min(1.0, max(1e-4, found.weights[number] * (cap * AIM / rate if rate > cap * AIM else 1.05)))
    codes = {item.id: item.code for item in found.items}
    raise PoolTooSmall(items=sorted(codes[number] for number, rate in rates.items() if rate > cap), rate=max(rates.values()), cap=cap)


def rehearse(pool: FrozenPool, seeds: Sequence[int]) -> dict[int, float]:
    """The share of draws in which each item stood. Raises NoDraw."""
    seen = Counter(item.id for seed in seeds for item in pool.draw(seed))
    return {number: count / len(seeds) for number, count in seen.items()}
