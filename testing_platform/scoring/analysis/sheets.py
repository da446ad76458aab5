"""Answers and keys as CSV files, and counts of who passed."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from testing_platform.scoring.analysis.refusals import FaultyFile

Bytes = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BLANK = 0
MOST_OPTIONS = 255
EITHER = "|"  # `A|C` in a key: both are right


@dataclass(frozen=True)
class Key:
    """Of each item the options that are right, and its content area where the file names one."""

    entries: dict[str, tuple[str, ...]]
    contents: dict[str, str]


@dataclass(frozen=True)
class Sheet:
    """Each candidate's answer to each item: 0 for a blank, else k for `options[k - 1]`."""

    items: tuple[str, ...]
    options: tuple[str, ...]
    answers: Bytes
    keys: tuple[tuple[int, ...], ...]
    candidates: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    # Columns that do not count in totals: items that are dropped, right for everybody, or on trial. A file has none.
    apart: frozenset[int] = frozenset()
    # Of each item the codes of the options that it offers, where that is known; a file knows those alone that somebody chose.
    offered: tuple[tuple[int, ...], ...] = ()
    # Of each candidate the columns that they were given, in the order of their own form; none where all were given all columns in this order.
    # All forms have as many items, and as many that count. What somebody was not given is blank in `answers`.
    order: Whole | None = None

    @property
    def counted(self) -> list[int]:
        """The columns whose right answers are the total."""
        return [item for item in range(len(self.items)) if item not in self.apart]

    @cached_property
    def right(self) -> Bytes:
        """1 where an answer is right, else 0."""
        first = np.array([key[0] for key in self.keys], np.uint8)
        found: npt.NDArray[np.bool_] = self.answers == first
        for item, key in enumerate(self.keys):
            for also in key[1:]:
                found[:, item] |= self.answers[:, item] == also
        return found.view(np.uint8)

    @cached_property
    def given(self) -> npt.NDArray[np.bool_] | None:
        """Who was given which column; none where all were given all."""
        if self.order is None:
            return None
        found = np.zeros(self.answers.shape, np.bool_)
        np.put_along_axis(found, self.order, True, axis=1)
        return found

    @cached_property
    def by_place(self) -> Bytes:
        """Right answers of the items that count, in the order of each candidate's own form: the columns are places, and items where all had one form."""
        if self.order is None:
            return self.right[:, self.counted] if self.apart else self.right
        counts = ~np.isin(self.order, sorted(self.apart))
        found: Bytes = np.take_along_axis(self.right, self.order, axis=1)[counts].reshape(len(self.order), -1)
        return found

    @cached_property
    def in_order(self) -> Bytes:
        """Answers in the order in which they were asked."""
        return self.answers if self.order is None else np.take_along_axis(self.answers, self.order, axis=1)

    def had(self, item: int) -> npt.NDArray[np.bool_] | slice:
        """The rows of those who were given an item."""
        return slice(None) if self.given is None else self.given[:, item]

    @cached_property
    def totals(self) -> Whole:
        return totals(self.right[:, self.counted] if self.apart else self.right)

    def used(self, item: int, chosen: Sequence[int] | Whole) -> list[int]:
        """Codes of the options that the key names, the item offers or, by the counts of its options, somebody chose; in the order of names."""
        known = {*self.keys[item], *(self.offered[item] if self.offered else ())}
        codes = [code for code, count in enumerate(chosen, 1) if count or code in known]
        return sorted(codes, key=lambda code: self.options[code - 1])


def totals(right: Bytes) -> Whole:
    """Items right, for each candidate."""
    narrow = np.uint8 if right.shape[1] < 256 else np.int64  # as wide as it need be: several times as fast
    found: Whole = right.sum(axis=1, dtype=narrow).astype(np.int64)
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, each with its number; cells without the blanks around them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if any(cells):
                    yield reader.line_num, list(map(str.strip, cells))
    except OSError as problem:
        raise FaultyFile(file=str(path), why="unreadable", said=problem.strerror or "") from None
    except UnicodeDecodeError:
        raise FaultyFile(file=str(path), why="not-text") from None
    except csv.Error as problem:
        raise FaultyFile(file=str(path), row=reader.line_num, why="not-csv", said=str(problem)) from None


def table_of(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The heading, and the rows; every row has a cell for each column."""
    rows = _rows(path)
    heading = next(rows, (1, []))[1]
    if not heading:
        raise FaultyFile(file=str(path), why="empty")
    for place, name in enumerate(heading):
        if name in heading[:place]:
            raise FaultyFile(file=str(path), row=1, column=name, why="column-twice")

    def checked() -> Iterator[tuple[int, list[str]]]:
        for number, cells in rows:
            if len(cells) != len(heading):
                raise FaultyFile(file=str(path), row=number, why="row-length", wanted=len(heading), got=len(cells))
            yield number, cells

    return heading, checked()


def places_of(path: Path, heading: Sequence[str], names: Sequence[str]) -> list[int]:
    for name in names:
        if name not in heading:
            raise FaultyFile(file=str(path), row=1, column=name, why="column-missing")
    return [heading.index(name) for name in names]


def read_key(path: Path) -> Key:
    """`item,key[,content]`. Raises FaultyFile."""
    heading, rows = table_of(path)
    item, key = places_of(path, heading, ("item", "key"))
    content = heading.index("content") if "content" in heading else None
    entries: dict[str, tuple[str, ...]] = {}
    contents: dict[str, str] = {}
    for number, cells in rows:
        name = cells[item]
        if not name:
            raise FaultyFile(file=str(path), row=number, column="item", why="blank")
        if name in entries:
            raise FaultyFile(file=str(path), row=number, column="item", why="item-twice", item=name)
        entries[name] = tuple(part.strip() for part in cells[key].split(EITHER))
        if not all(entries[name]):
            raise FaultyFile(file=str(path), row=number, column="key", why="blank")
        if content is not None:
            contents[name] = cells[content]
    if not entries:
        raise FaultyFile(file=str(path), why="no-rows")
    return Key(entries, contents)


class _Codes(dict[str, int]):
    """Options by number, in the order in which they are met. Small and capital letters are one option, spelled as it was met first."""

    def __init__(self) -> None:
        super().__init__({"": BLANK})
        self.spelled: list[str] = []

    def __missing__(self, text: str) -> int:
        folded = text.casefold()
        if folded != text and folded in self:
            self[text] = self[folded]
        else:
            self.spelled.append(text)
            self[text] = self[folded] = len(self.spelled)
        return self[text]


def read_sheet(path: Path, key: Key) -> Sheet:
    """One row a candidate. Columns that the key names are items, `candidate` is the id, others are groups. Raises FaultyFile."""
    heading, rows = table_of(path)
    items = tuple(key.entries)
    places = places_of(path, heading, items)
    named = heading.index("candidate") if "candidate" in heading else None
    others = [place for place, name in enumerate(heading) if place != named and name not in key.entries]
    codes = _Codes()
    keys = tuple(tuple(codes[option] for option in key.entries[item]) for item in items)
    answers, candidates, groups = [], [], []
    seen: set[str] = set()
    for number, cells in rows:
        found = list(map(codes.__getitem__, map(cells.__getitem__, places)))
        if len(codes.spelled) > MOST_OPTIONS:
            raise FaultyFile(file=str(path), row=number, why="too-many-options", most=MOST_OPTIONS)
        answers.append(bytes(found))
        candidate = str(len(answers)) if named is None else cells[named]
        if candidate in seen:
            raise FaultyFile(file=str(path), row=number, column="candidate", why="candidate-twice", candidate=candidate)
        seen.add(candidate)
        candidates.append(candidate)
        groups.append([cells[place] for place in others])
    if not answers:
        raise FaultyFile(file=str(path), why="no-rows")
    return Sheet(
        items=items,
        options=tuple(codes.spelled),
        answers=np.frombuffer(b"".join(answers), np.uint8).reshape(len(answers), len(items)),
        keys=keys,
        candidates=tuple(candidates),
        groups={heading[place]: tuple(row[at] for row in groups) for at, place in enumerate(others)},
    )


@dataclass(frozen=True)
class Count:
    """Of a group, how many took the test (or one administration of it) and how many of them passed."""

    group: str
    n: int
    passed: int
    administration: str = ""


def read_counts(path: Path) -> list[Count]:
    """`group,n,passed[,administration]`. Raises FaultyFile."""
    heading, rows = table_of(path)
    group, *numbers = places_of(path, heading, ("group", "n", "passed"))
    when = heading.index("administration") if "administration" in heading else None
    found: list[Count] = []
    seen: set[tuple[str, str]] = set()
    for number, cells in rows:
        values = []
        for place in numbers:
            if not (cells[place].isascii() and cells[place].isdigit()):
                raise FaultyFile(file=str(path), row=number, column=heading[place], why="not-a-count", value=cells[place])
            values.append(int(cells[place]))
        count = Count(cells[group], values[0], values[1], "" if when is None else cells[when])
        if not count.group:
            raise FaultyFile(file=str(path), row=number, column="group", why="blank")
        if (count.administration, count.group) in seen:
            raise FaultyFile(file=str(path), row=number, column="group", why="group-twice", group=count.group)
        if count.n == 0:
            raise FaultyFile(file=str(path), row=number, column="n", why="nobody")
        if count.passed > count.n:
            raise FaultyFile(file=str(path), row=number, column="passed", why="more-than-all", n=count.n, passed=count.passed)
        seen.add((count.administration, count.group))
        found.append(count)
    if len({count.group for count in found}) < 2:
        raise FaultyFile(file=str(path), why="one-group")
    return found


def read_parameters(path: Path) -> dict[str, tuple[float, float, float]]:
    """`item,a,b[,c]`: slopes above 0, difficulties, and lower asymptotes from 0 to below 1. Raises FaultyFile."""
    heading, rows = table_of(path)
    item, *numbers = places_of(path, heading, ("item", "a", "b"))
    numbers += [heading.index("c")] if "c" in heading else []
    found: dict[str, tuple[float, float, float]] = {}
    for number, cells in rows:
        if cells[item] in found:
            raise FaultyFile(file=str(path), row=number, column="item", why="item-twice", item=cells[item])
        values = []
        for place in numbers:
            try:
                value = float(cells[place])
            except ValueError:
                value = math.nan
            name = heading[place]
            if not math.isfinite(value) or (name == "a" and value <= 0) or (name == "c" and not 0 <= value < 1):
                raise FaultyFile(file=str(path), row=number, column=name, why="not-a-parameter", value=cells[place])
            values.append(value)
        found[cells[item]] = (values[0], values[1], values[2] if len(values) == 3 else 0.0)
    return found


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """`a,b`: the ids of two candidates a row. Raises FaultyFile."""
    heading, rows = table_of(path)
    one, other = places_of(path, heading, ("a", "b"))
    found = []
    for number, cells in rows:
        for place in (one, other):
            if not cells[place]:
                raise FaultyFile(file=str(path), row=number, column=heading[place], why="blank")
        found.append((cells[one], cells[other]))
    if not found:
        raise FaultyFile(file=str(path), why="no-rows")
    return found
