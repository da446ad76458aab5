"""A pool laid out for a blueprint: who may stand where, and the sums that a form is judged by, as arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from testing_platform import errors
from testing_platform.itembank.assembly.blueprint import Blueprint
from testing_platform.itembank.assembly.checks import most_of
from testing_platform.itembank.assembly.pool import PoolItem, enemies_of


class FaultyAnchor(errors.Refusal):
    """The anchor that the blueprint names cannot stand in its forms; `why` says what is wrong with `items`."""

    code = "anchor-unfit"


# What an item counts for: its section, whether it is on trial, its cells.
Kind = tuple[int, bool, bytes]


@dataclass
class Passage:
    """A passage in one section, with its items as indices."""

    code: str
    section: int
    items: list[int]
    sizes: range


class Kept(Protocol):
    """What a section is chosen by."""

    @property
    def area(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def calculator(self) -> bool: ...
    @property
    def pilot(self) -> bool: ...
    @property
    def passage(self) -> str | None: ...


def section_for(blueprint: Blueprint, item: Kept) -> int | None:
    """The section that can use such an item. A trial item stands by itself: a passage is chosen for its scored items."""
    return None if item.pilot and item.passage is not None else blueprint.section_of(item.area, item.level, item.calculator)


def sizes_of(blueprint: Blueprint, passages: Mapping[tuple[int, str], int]) -> dict[tuple[int, str], range]:
    """With how many of its items each passage of a section can be used; one with fewer than the blueprint wants of it is left out."""
    found = {key: blueprint.sections[key[0]].passages.sizes(count) for key, count in passages.items()}
    return {key: sizes for key, sizes in found.items() if sizes}


def place(blueprint: Blueprint, pool: Sequence[PoolItem]) -> tuple[list[tuple[PoolItem, int]], list[Passage]]:
    """The items that some section takes, each with its section, and the passages that can be used, by indices into these items."""
    usable = [(item, at) for item in pool if (at := section_for(blueprint, item)) is not None]
    passages: dict[tuple[int, str], list[int]] = {}
    for number, (item, at) in enumerate(usable):
        if item.passage is not None:
            passages.setdefault((at, item.passage), []).append(number)
    sizes = sizes_of(blueprint, {key: len(inside) for key, inside in passages.items()})
    dropped = {number for key, inside in passages.items() if key not in sizes for number in inside}
    kept = [number for number in range(len(usable)) if number not in dropped]
    renumbered = {old: new for new, old in enumerate(kept)}
    found = [Passage(key[1], key[0], [renumbered[number] for number in passages[key]], fit) for key, fit in sizes.items()]
    return [usable[number] for number in kept], found


@dataclass
class Ground:
    """Index i is the pool's i-th item that some section takes. Columns of `sums`: see `_columns`."""

    blueprint: Blueprint
    pool: Sequence[PoolItem]
    items: list[PoolItem] = field(init=False)
    section: Any = field(init=False)
    pilot: Any = field(init=False)
    # (items, cells): whether the item counts in the cell, all sections' cells in a row.
    cells: Any = field(init=False)
    least: Any = field(init=False)
    most: Any = field(init=False)
    sums: Any = field(init=False)
    enemies: list[list[int]] = field(init=False)
    single: Any = field(init=False)
    passages: list[Passage] = field(init=False)
    anchor: list[int] = field(init=False)
    kinds: list[Kind] = field(init=False)

    def __post_init__(self) -> None:
        blueprint = self.blueprint
        kept, self.passages = place(blueprint, self.pool)
        self.items = [item for item, _ in kept]
        self.section = np.array([at for _, at in kept], dtype=int)
        self.pilot = np.array([item.pilot for item in self.items], dtype=bool)
        self.single = np.array([item.passage is None for item in self.items], dtype=bool)
        all_cells = [(at, cell) for at, section in enumerate(blueprint.sections) for cell in section.cells]
        self.cells = np.array(
            [
                [not item.pilot and at == where and cell.takes(item.area, item.level) for where, cell in all_cells]
                for item, at in zip(self.items, self.section, strict=True)
            ],
            dtype=np.int16,
        ).reshape(len(self.items), len(all_cells))
        self.least = np.array([cell.least for _, cell in all_cells], dtype=np.int16)
        self.most = np.array([cell.most for _, cell in all_cells], dtype=np.int16)
        self.sums = np.array([self._columns(item, at) for item, at in zip(self.items, self.section, strict=True)], dtype=float).reshape(
            len(self.items), self.width
        )
        index = {item.id: number for number, item in enumerate(self.items)}
        feuds = enemies_of(self.items)
        self.enemies = [sorted(index[other] for other in feuds[item.id]) for item in self.items]
        self.anchor = self._named_anchor()
        self.kinds = [
            (int(at), bool(pilot), cells.tobytes()) for at, pilot, cells in zip(self.section, self.pilot, self.cells, strict=True)
        ]

    @cached_property
    def keys(self) -> int:
        return max((item.key for item in self.items if item.key is not None), default=-1) + 1

    @cached_property
    def width(self) -> int:
        return 5 + len(self.blueprint.sections) + len(self.blueprint.information) + self.keys

    def _columns(self, item: PoolItem, section: int) -> list[float]:
        """p, (p - target)², item_total·sqrt(p(1-p)), p(1-p), used lately; seconds by section; information by point; key by place."""
        blueprint = self.blueprint
        seconds = [item.seconds if at == section else 0.0 for at in range(len(blueprint.sections))]
        if item.pilot:
            return [0.0] * 5 + seconds + [0.0] * (len(blueprint.information) + self.keys)
        variance = item.share * (1 - item.share)
        used = item.forms_ago is not None and item.forms_ago <= blueprint.reuse_forms
        return [
            item.share,
            (item.share - blueprint.mean) ** 2,
            item.item_total * math.sqrt(variance),
            variance,
            float(used),
            *seconds,
            *(item.irt.information(theta) if item.irt else 0.0 for theta, _ in blueprint.information),
            *(float(item.key == place) for place in range(self.keys)),
        ]

    @cached_property
    def key_columns(self) -> slice:
        return slice(self.width - self.keys, self.width)

    @cached_property
    def second_columns(self) -> slice:
        return slice(5, 5 + len(self.blueprint.sections))

    @cached_property
    def information_columns(self) -> slice:
        return slice(5 + len(self.blueprint.sections), self.width - self.keys)

    @cached_property
    def most_at_a_key(self) -> int:
        share = self.blueprint.key_share
        return self.blueprint.items if share is None else most_of(share, self.blueprint.items)

    @cached_property
    def most_reused(self) -> int:
        return most_of(self.blueprint.reuse_share, self.blueprint.items) if self.blueprint.reuse_forms else self.blueprint.items

    @cached_property
    def seconds_allowed(self) -> Any:
        return np.array([section.minutes * 60 for section in self.blueprint.sections])

    def excess(self, totals: Any) -> Any:
        """How far sums of forms (one to a row) are from what is wanted of them; 0 where all is met."""
        blueprint, count = self.blueprint, self.blueprint.items
        average = totals[..., 0] / count
        away = np.abs(average - blueprint.mean)
        found = np.maximum(0, away - blueprint.within) / blueprint.within
        if blueprint.spread is not None:
            spread = np.sqrt(np.maximum(0, totals[..., 1] / count - (average - blueprint.mean) ** 2))
            found = found + np.maximum(0, np.abs(spread - blueprint.spread) - blueprint.spread_within) / blueprint.spread_within
        if blueprint.reliability is not None and count > 1:
            deviation = np.maximum(totals[..., 2], 1e-6)
            reliability = count / (count - 1) * (1 - totals[..., 3] / deviation**2)
            found = found + np.minimum(100, np.maximum(0, blueprint.reliability - reliability) * 10)
        seconds = totals[..., self.second_columns]
        found = found + (np.maximum(0, seconds - self.seconds_allowed) / self.seconds_allowed).sum(-1) * 10
        if blueprint.information:
            wanted = np.array([max(least, 1e-9) for _, least in blueprint.information])
            found = found + (np.maximum(0, wanted - totals[..., self.information_columns]) / wanted).sum(-1) * 10
        if blueprint.key_share is not None:
            found = found + np.maximum(0, totals[..., self.key_columns] - self.most_at_a_key).sum(-1)
        if blueprint.reuse_forms:
            found = found + np.maximum(0, totals[..., 4] - self.most_reused)
        return found

    def cost(self, totals: Any) -> Any:
        """What the search makes small: first all excess, then the distance of the mean from its target."""
        return 100 * self.excess(totals) + np.abs(totals[..., 0] / self.blueprint.items - self.blueprint.mean)

    def _named_anchor(self) -> list[int]:
        """The indices of the anchor that the blueprint names. Raises FaultyAnchor."""
        codes = self.blueprint.anchor_items
        index = {item.code: number for number, item in enumerate(self.items) if not item.pilot}
        if missing := [code for code in codes if code not in index]:
            raise FaultyAnchor(why="not-in-the-pool", items=missing)
        chosen = [index[code] for code in codes]
        if fighting := [self.items[number].code for number in chosen if set(self.enemies[number]) & set(chosen)]:
            raise FaultyAnchor(why="enemies", items=fighting)
        if inside := [self.items[number].code for number in chosen if not self.single[number]]:
            raise FaultyAnchor(why="of-a-passage", items=inside)
        counts = self.cells[chosen].sum(0) if chosen else np.zeros(len(self.most))
        sections = np.bincount(self.section[chosen], minlength=len(self.blueprint.sections)) if chosen else np.zeros(1)
        if (counts > self.most).any() or any(
            have > section.items for have, section in zip(sections, self.blueprint.sections, strict=False)
        ):
            raise FaultyAnchor(why="too-many", items=list(codes))
        return chosen
