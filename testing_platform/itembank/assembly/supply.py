"""How far a pool reaches: what each line of a blueprint wants of one form, beside what there is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from testing_platform.itembank.assembly.blueprint import Blueprint, Cell
from testing_platform.itembank.assembly.ground import place
from testing_platform.itembank.assembly.pool import PoolItem


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


def supply(blueprint: Blueprint, pool: Sequence[PoolItem]) -> list[Supply]:
    """By counts alone: each line by itself, section by section. Items of a passage that the blueprint cannot use do not count."""
    items, passages = place(blueprint, pool)
    found = []
    for at, section in enumerate(blueprint.sections):
        here = [item for item, where in items if where == at]
        scored = Counter((item.area, item.level) for item in here if not item.pilot)
        found.append(Supply(section.name, "items", section.items, scored.total()))
        for cell in section.cells:
            usable = sum(count for (area, level), count in scored.items() if cell.takes(area, level))
            found.append(Supply(section.name, "cell", cell.least, usable, cell))
        if section.passages.sets_least:
            sets = sum(passage.section == at for passage in passages)
            found.append(Supply(section.name, "passages", section.passages.sets_least, sets))
        if section.pilot:
            found.append(Supply(section.name, "pilot", section.pilot, len(here) - scored.total()))
    return found
