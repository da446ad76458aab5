"""The items that may stand in a form, as assembly sees them."""

from collections.abc import Iterable
from dataclasses import dataclass

from testing_platform.itembank.assembly.figures import Irt


@dataclass(frozen=True)
class PoolItem:
    """One item version. `key` is the place of its right option from 0, none where several are right."""

    id: int
    code: str
    area: str
    level: str
    share: float
    seconds: float
    item_total: float
    irt: Irt | None = None
    key: int | None = None
    passage: str | None = None
    calculator: bool = False
    # An unscored item on trial; it fills no cell.
    pilot: bool = False
    # How many forms ago it last stood in one: 1 is the newest form; none is never.
    forms_ago: int | None = None
    # In how many forms it stood.
    exposures: int = 0
    # False where the share comes from the writer's word and not from answers.
    measured: bool = False
    enemies: frozenset[int] = frozenset()


def enemies_of(items: Iterable[PoolItem]) -> dict[int, frozenset[int]]:
    """The enemies of each item, both ways and within these items alone."""
    known = {item.id: item for item in items}
    found: dict[int, set[int]] = {number: set() for number in known}
    for item in known.values():
        for other in item.enemies & known.keys() - {item.id}:
            found[item.id].add(other)
            found[other].add(item.id)
    return {number: frozenset(others) for number, others in found.items()}
