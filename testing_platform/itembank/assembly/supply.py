"""How far a pool reaches: what each line of a blueprint wants of one form, beside what there is."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from testing_platform.itembank.assembly.blueprint import Blueprint, Cell
from testing_platform.itembank.assembly.ground import Kept, section_for, sizes_of


@dataclass(frozen=True)
class Offer:
    """Items of one sort: all that a blueprint counts them by."""

    area: str
    level: str
    calculator: bool
    pilot: bool
    passage: str | None

    @classmethod
    def of(cls, item: Kept) -> "Offer":
        return cls(item.area, item.level, item.calculator, item.pilot, item.passage)


@dataclass(frozen=True)
class Supply:
    """`wanted` is the least that every form takes, `usable` what the pool has: of a cell's or section's scored items, its passages, its trial items."""

    section: str
    kind: Literal["cell", "items", "passages", "pilot"]
    wanted: int
    usable: int
    cell: Cell | None = None

    @property
    def short(self) -> int:
        """How many a single form lacks."""
        return max(0, self.wanted - self.usable)

    @property
    def forms(self) -> int | None:
        """How many forms that share nothing there is enough for; none where nothing is asked for."""
        return self.usable // self.wanted if self.wanted else None


def offered(pool: Iterable[Kept]) -> Counter[Offer]:
    return Counter(map(Offer.of, pool))


def supply(blueprint: Blueprint, offers: Counter[Offer]) -> list[Supply]:
    """By counts alone: each line by itself, section by section. Items of a passage that the blueprint cannot use do not count."""
    placed = [(one, count, at) for one, count in offers.items() if (at := section_for(blueprint, one)) is not None]
    inside: Counter[tuple[int, str]] = Counter()
    for one, count, at in placed:
        if one.passage is not None:
            inside[at, one.passage] += count
    passages = sizes_of(blueprint, inside)
    found = []
    for at, section in enumerate(blueprint.sections):
        scored: Counter[tuple[str, str]] = Counter()
        trial = 0
        for one, count, where in placed:
            if where != at or (one.passage is not None and (at, one.passage) not in passages):
                continue
            if one.pilot:
                trial += count
            else:
                scored[one.area, one.level] += count
        found.append(Supply(section.name, "items", section.items, scored.total()))
        for cell in section.cells:
            usable = sum(count for (area, level), count in scored.items() if cell.takes(area, level))
            found.append(Supply(section.name, "cell", cell.least, usable, cell))
        if section.passages.sets_least:
            found.append(Supply(section.name, "passages", section.passages.sets_least, sum(where == at for where, _ in passages)))
        if section.pilot:
            found.append(Supply(section.name, "pilot", section.pilot, trial))
    return found
