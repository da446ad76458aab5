"""A blueprint, as it stands in a TOML file and in the bank: one document, read into values that cannot be wrong in themselves."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from testing_platform import errors

Place = Literal["start", "end", "spread"]
MOST_FORMS = 20


class FaultyBlueprint(errors.Refusal):
    """A blueprint that cannot be read: `where` names the entry, `why` is a word for the fault."""

    code = "faulty-blueprint"


@dataclass(frozen=True)
class Cell:
    """How many scored items of an area (of one level, where it is given) a form has."""

    area: str
    least: int
    most: int
    level: str | None = None

    def takes(self, area: str, level: str) -> bool:
        return self.area == area and self.level in (None, level)


@dataclass(frozen=True)
class Passages:
    """How passages come into a section: each whole, or with `least` to `most` of its items; how many of them."""

    whole: bool = False
    least: int = 1
    most: int | None = None
    sets_least: int = 0
    sets_most: int | None = None

    def sizes(self, offered: int) -> range:
        """How many of a passage's `offered` items may stand in a form that has the passage."""
        if self.whole:
            return range(offered, offered + 1)
        return range(self.least, min(offered, self.most or offered) + 1)


@dataclass(frozen=True)
class Section:
    """A timed part. `items` counts the scored ones; `calculator` none means that either kind of item may stand in it."""

    name: str
    title: str
    items: int
    minutes: float
    cells: tuple[Cell, ...]
    calculator: bool | None = None
    passages: Passages = Passages()
    pilot: int = 0
    pilot_place: Place = "end"

    def takes(self, area: str, level: str, calculator: bool) -> bool:
        return (self.calculator is None or self.calculator == calculator) and any(cell.takes(area, level) for cell in self.cells)


@dataclass(frozen=True)
class Expected:
    """What an item without statistics is taken to have: the share of right answers by its word, seconds, correlation with the score."""

    shares: Mapping[str, float]
    seconds: float
    item_total: float


@dataclass(frozen=True)
class Blueprint:
    """Shares and difficulties are between 0 and 1; a target that is none is not asked for."""

    name: str
    title: str
    sections: tuple[Section, ...]
    mean: float
    within: float
    expected: Expected
    spread: float | None = None
    spread_within: float = 0.0
    reliability: float | None = None
    # Information wanted at points of ability, where items have IRT values: (theta, least).
    information: tuple[tuple[float, float], ...] = ()
    # The largest share of a form's keys that may stand at one place.
    key_share: float | None = None
    reuse_forms: int = 0
    reuse_share: float = 1.0
    # The most items that two parallel forms may share, the anchor not counted.
    overlap: int = 0
    anchor_items: tuple[str, ...] = ()
    anchor_count: int = 0
    shuffle_items: bool = False
    shuffle_options: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """Scored items of a form."""
        return sum(section.items for section in self.sections)

    @property
    def length(self) -> int:
        """All items of a form, the unscored ones too."""
        return self.items + sum(section.pilot for section in self.sections)

    def section_of(self, area: str, level: str, calculator: bool) -> int | None:
        """The first section that takes such an item."""
        return next((n for n, section in enumerate(self.sections) if section.takes(area, level, calculator)), None)


class _Table:
    """One table of the document. What is read is crossed off, so that a misspelt name is a fault and not a silent default."""

    def __init__(self, where: str, content: Any) -> None:
        if not isinstance(content, Mapping):
            raise FaultyBlueprint(where=where or "the document", why="not-a-table")
        self.where, self.left = where, dict(content)

    def fault(self, name: str, why: str) -> FaultyBlueprint:
        return FaultyBlueprint(where=f"{self.where}.{name}" if self.where else name, why=why)

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        found = self.left.pop(name, default)
        if found is ...:
            raise self.fault(name, "missing")
        if found is not default and (not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool)):
            raise self.fault(name, "wrong-type")
        return found

    def whole(self, name: str, least: int, most: int, default: Any = ...) -> Any:
        found = self.take(name, int, default)
        if found is not default and not least <= found <= most:
            raise self.fault(name, "out-of-range")
        return found

    def real(self, name: str, least: float, most: float, default: Any = ...) -> Any:
        found = self.take(name, (int, float), default)
        if found is default:
            return found
        if not least <= found <= most:
            raise self.fault(name, "out-of-range")
        return float(found)

    def table(self, name: str) -> "_Table":
        """An optional table; an empty one where it is left out."""
        return _Table(f"{self.where}.{name}" if self.where else name, self.left.pop(name, {}))

    def rows(self, name: str) -> Iterator["_Table"]:
        found = self.take(name, list, [])
        for number, row in enumerate(found, 1):
            yield _Table(f"{self.where}.{name}[{number}]" if self.where else f"{name}[{number}]", row)

    def end(self) -> None:
        for name in self.left:
            raise self.fault(name, "unknown")


def read(text: str) -> dict[str, Any]:
    """The document of a TOML text, in its order, as plain values: dates and the like are no part of a blueprint. Raises FaultyBlueprint."""
    try:
        found: dict[str, Any] = json.loads(json.dumps(tomllib.loads(text), default=str))
    except tomllib.TOMLDecodeError as problem:
        raise FaultyBlueprint(where=str(problem), why="not-toml") from None
    except RecursionError:
        raise FaultyBlueprint(where=text[:40], why="too-deep") from None
    except ValueError:
        # A number with more digits than Python reads.
        raise FaultyBlueprint(where=text[:40], why="out-of-range") from None
    return found


def written(document: Mapping[str, Any], where: str = "") -> str:
    """The document as TOML: what stands by itself first, then tables and rows of tables."""
    plain = {name: value for name, value in document.items() if not isinstance(value, Mapping) and not _rows(value)}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in plain.items()]
    for name, value in document.items():
        path = f"{where}.{name}" if where else name
        if isinstance(value, Mapping):
            lines += ["", f"[{path}]", written(value, path)]
        elif _rows(value):
            for row in value:
                lines += ["", f"[[{path}]]", written(row, path)]
    return "\n".join(lines).rstrip("\n") + ("" if where else "\n")


def _rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


MOST_ITEMS = 500
MOST_SECONDS = 3600.0


def of(document: Mapping[str, Any]) -> Blueprint:
    """The blueprint that a document says. Raises FaultyBlueprint at the first entry that cannot be meant."""
    top = _Table("", document)
    name, title = top.take("name", str), top.take("title", str)
    areas = _texts(top.table("areas"))
    sources = {}

    def told(table: _Table) -> None:
        """Where a rule's numbers come from is kept beside them."""
        source = table.take("source", str, "")
        if source:
            sources[table.where] = source
        table.end()

    expected = top.table("expected")
    words = expected.table("shares")
    shares: dict[str, float] = {word: words.real(word, 0.01, 0.99) for word in list(words.left)}
    taken = Expected(shares, expected.real("seconds", 1, MOST_SECONDS, 60.0), expected.real("item_total", 0, 1, 0.3))
    told(expected)
    difficulty = top.table("difficulty")
    mean, within = difficulty.real("mean", 0.01, 0.99), difficulty.real("within", 0.0005, 0.5)
    spread = difficulty.real("spread", 0, 0.5, None)
    spread_within = difficulty.real("spread_within", 0.001, 0.5, 0.05)
    told(difficulty)
    reliability = top.table("reliability")
    least_reliability = reliability.real("least", 0, 0.99, None)
    told(reliability)
    information = top.table("information")
    points = []
    for point in information.rows("at"):
        points.append((point.real("theta", -6, 6), point.real("least", 0, 1000)))
        point.end()
    told(information)
    keys = top.table("keys")
    key_share = keys.real("most_share", 0.05, 1, None)
    told(keys)
    reuse = top.table("reuse")
    reuse_forms, reuse_share = reuse.whole("forms", 0, 100, 0), reuse.real("most_share", 0, 1, 1.0)
    told(reuse)
    overlap = top.table("overlap")
    most_shared = overlap.whole("most", 0, MOST_ITEMS, 0)
    told(overlap)
    anchor = top.table("anchor")
    anchor_items = tuple(anchor.take("items", list, []))
    if not all(isinstance(code, str) for code in anchor_items) or len(set(anchor_items)) < len(anchor_items):
        raise anchor.fault("items", "wrong-type")
    anchor_count = anchor.whole("count", 0, MOST_ITEMS, len(anchor_items))
    if anchor_items and anchor_count != len(anchor_items):
        raise anchor.fault("count", "not-the-items")
    told(anchor)
    shuffle = top.table("shuffle")
    shuffle_items, shuffle_options = shuffle.take("items", bool, False), shuffle.take("options", bool, False)
    told(shuffle)
    sections = tuple(_section(table, told) for table in top.rows("section"))
    if not sections:
        raise top.fault("section", "missing")
    if len({section.name for section in sections}) < len(sections):
        raise top.fault("section", "twice")
    told(top)
    return Blueprint(
        name=name,
        title=title,
        sections=sections,
        mean=mean,
        within=within,
        expected=taken,
        spread=spread,
        spread_within=spread_within,
        reliability=least_reliability,
        information=tuple(points),
        key_share=key_share,
        reuse_forms=reuse_forms,
        reuse_share=reuse_share,
        overlap=most_shared,
        anchor_items=anchor_items,
        anchor_count=anchor_count,
        shuffle_items=shuffle_items,
        shuffle_options=shuffle_options,
        sources=sources,
        areas=areas,
    )


def _texts(table: _Table) -> dict[str, str]:
    return {name: table.take(name, str) for name in list(table.left)}


def _section(table: _Table, told: Any) -> Section:
    cells: list[Cell] = []
    for row in table.rows("cell"):
        cell = Cell(
            area=row.take("area", str),
            least=row.whole("min", 0, MOST_ITEMS, 0),
            most=row.whole("max", 0, MOST_ITEMS, MOST_ITEMS),
            level=row.take("level", str, None),
        )
        if cell.least > cell.most:
            raise row.fault("min", "min-above-max")
        if any((cell.area, cell.level) == (other.area, other.level) for other in cells):
            raise row.fault("area", "twice")
        told(row)
        cells.append(cell)
    if not cells:
        raise table.fault("cell", "missing")
    passages = table.table("passages")
    whole = passages.take("whole", bool, False)
    rule = Passages(
        whole=whole,
        least=passages.whole("least", 1, MOST_ITEMS, 1),
        most=passages.whole("most", 1, MOST_ITEMS, None),
        sets_least=passages.whole("sets_min", 0, MOST_ITEMS, 0),
        sets_most=passages.whole("sets_max", 0, MOST_ITEMS, None),
    )
    if (rule.most is not None and rule.least > rule.most) or (rule.sets_most is not None and rule.sets_least > rule.sets_most):
        raise passages.fault("most", "min-above-max")
    told(passages)
    place = table.take("pilot_place", str, "end")
    if place not in ("start", "end", "spread"):
        raise table.fault("pilot_place", "unknown")
    section = Section(
        name=table.take("name", str),
        title=table.take("title", str, ""),
        items=table.whole("items", 1, MOST_ITEMS),
        minutes=table.real("minutes", 1, 24 * 60),
        cells=tuple(cells),
        calculator=table.take("calculator", bool, None),
        passages=rule,
        pilot=table.whole("pilot", 0, MOST_ITEMS, 0),
        pilot_place=place,
    )
    told(table)
    # A cell of a whole area already counts those of its levels.
    areas = {cell.area: cell for cell in cells if cell.level is None}
    levels = [cell for cell in cells if cell.level is not None]
    fewest = sum(
        max(areas[area].least if area in areas else 0, sum(cell.least for cell in levels if cell.area == area))
        for area in {cell.area for cell in cells}
    )
    if fewest > section.items:
        raise FaultyBlueprint(where=table.where + ".items", why="cells-need-more", least=fewest)
    most = sum(
        areas[area].most if area in areas else sum(cell.most for cell in levels if cell.area == area)
        for area in {cell.area for cell in cells}
    )
    if most < section.items:
        raise FaultyBlueprint(where=table.where + ".items", why="cells-take-fewer", most=most)
    return section
