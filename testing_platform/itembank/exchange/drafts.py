"""What lies between a file of any maker and the bank: an item as it was read, or why it was not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from testing_platform.errors import Said

Kind = Literal["single", "multiple", "truefalse"]

# A weight with more figures than this is a mistake or a trap.
LONGEST_NUMBER = 24


def number(text: str | None) -> Decimal | None:
    """A plain finite number, or nothing. A comma may stand for the decimal point, as some makers write."""
    written = (text or "").strip().replace(",", ".")
    if not written or len(written) > LONGEST_NUMBER or "_" in written:
        return None
    try:
        found = Decimal(written)
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found.adjusted()) < LONGEST_NUMBER else None


@dataclass(frozen=True)
class Choice:
    """One option; `html` is safe, `weight` is its share where the file gives one."""

    identifier: str
    html: str
    fixed: bool = False
    weight: Decimal | None = None
    rationale: str = ""


@dataclass(frozen=True)
class Mapping:
    """Partial credit: what each option adds, kept between the bounds."""

    entries: dict[str, Decimal]
    lower: Decimal | None = None
    upper: Decimal | None = None
    default: Decimal = Decimal(0)

    def score(self, chosen: Iterable[str]) -> Decimal:
        total = sum((self.entries.get(identifier, self.default) for identifier in set(chosen)), Decimal(0))
        if self.lower is not None:
            total = max(total, self.lower)
        return total if self.upper is None else min(total, self.upper)


@dataclass(frozen=True)
class Asset:
    """A picture; `name` is its content hash with an ending, and is what `src` says in the html."""

    name: str
    media_type: str
    data: bytes
    alt: str = ""


@dataclass(frozen=True)
class StimulusDraft:
    """A passage; `identifier` is the file that holds it, so that two items of one package share it."""

    identifier: str
    title: str
    html: str
    language: str = ""
    assets: tuple[Asset, ...] = ()


@dataclass(frozen=True)
class Draft:
    """An item as it was read. `correct` are the options that earn full credit: of a single answer each by itself, of a multiple one together.

    Without a mapping a right answer counts one and any other nothing.
    """

    source: str
    identifier: str
    format: str
    kind: Kind
    title: str
    stem: str
    choices: tuple[Choice, ...]
    correct: tuple[str, ...]
    mapping: Mapping | None = None
    shuffle: bool = False
    # 0 is no limit.
    max_choices: int = 1
    language: str = ""
    stimulus: StimulusDraft | None = None
    assets: tuple[Asset, ...] = ()
    # The accessibility catalogue's XML, kept as it came for the way out. Never shown.
    catalog: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    rationale: str = ""
    # What was left behind, for the person who imports.
    notes: tuple[Said, ...] = ()
    # The item's place in a source that holds several, from 0.
    position: int = 0

    def __post_init__(self) -> None:
        known = [choice.identifier for choice in self.choices]
        assert len(set(known)) == len(known) >= 2, "choices are told apart"
        assert self.correct, "there is a key"
        assert set(self.correct) <= set(known), "the key names choices"


@dataclass(frozen=True)
class Skip:
    """A question that was found and is left out, with the reason."""

    source: str
    identifier: str
    format: str
    reason: Said


class Unfit(Exception):
    """Raised while an item is read: it is left out, and the reason says why."""

    def __init__(self, reason: Said) -> None:
        super().__init__(reason)
        self.reason = reason


class NoItems(Unfit):
    """A file of another sort: said where it was handed in by itself, passed over beside others."""


def outcome(found: Draft | Skip) -> dict[str, Any]:
    """One row of the report that `items import --json` prints."""
    row: dict[str, Any] = {"source": found.source, "identifier": found.identifier, "format": found.format}
    if isinstance(found, Skip):
        return row | {
            "outcome": "skipped",
            "reason": found.reason,
            "kind": None,
            "options": None,
            "key": None,
            "mapping": None,
            "shuffle": None,
            "notes": [],
        }
    return row | {
        "outcome": "imported",
        "reason": None,
        "kind": found.kind,
        "options": len(found.choices),
        "key": list(found.correct),
        "mapping": {name: float(value) for name, value in found.mapping.entries.items()} if found.mapping else None,
        "shuffle": found.shuffle,
        "notes": list(found.notes),
    }


def report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    imported = sum(row["outcome"] == "imported" for row in rows)
    return {"found": len(rows), "imported": imported, "skipped": len(rows) - imported, "items": rows}
