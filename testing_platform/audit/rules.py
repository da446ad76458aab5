"""The chain of hashes: how an entry is sealed, and what a reading of the sealed entries finds.

The chain is plain SHA-256, so that anyone can take it again without us. It shows every change, removal and insertion by someone who does not take all
later hashes anew; for who does, and for newest entries that were cut off, there are anchors: a number and a hash that stand somewhere else.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from testing_platform import errors
from testing_platform.digests import canonical

FIRST = "0" * 64
# An entry that is not what its hash says may be a whole one under another number: so many places up and down are tried.
REACH = 16
# More than this many faults are counted and not named.
MOST = 200


@dataclass(frozen=True)
class Sealed:
    """One sealed entry as it stands in the table."""

    number: int
    previous: str
    digest: str
    at: datetime
    actor_id: int | None
    act: str
    object: str
    facts: dict[str, Any]


def digest(number: int | None, previous: str | None, at: datetime, actor_id: int | None, act: str, object: str, facts: Any) -> str:
    """SHA-256 over the entry's number, its predecessor's digest and everything it says."""
    return hashlib.sha256(canonical([number, previous, at.isoformat(), actor_id, act, object, facts])).hexdigest()


class What(StrEnum):
    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    MOVED = "moved"
    ANCHOR = "anchor"  # the entry of this number is not the one that was written down
    CUT_OFF = "cut-off"  # the trail ends before a number that was written down
    STAMP = "stamp"  # an anchor in the trail that this installation did not write


@dataclass(frozen=True)
class Fault:
    """`number` counts the entries as they stand; what is missing, as they were sealed. A run of them ends at `last`."""

    number: int
    what: str
    last: int | None = None

    @property
    def end(self) -> int:
        return self.last or self.number


@dataclass(frozen=True)
class Anchor:
    """A number and the hash of its entry, written down outside of the trail."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


class FaultyAnchor(errors.Refusal):
    """What was given is no NUMBER:HASH."""

    code = "faulty-anchor"


def read_anchor(text: str) -> Anchor:
    """From `NUMBER:HASH` as copied from a page or from paper: spaces, case and thousands' commas do not matter. Raises FaultyAnchor."""
    found = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", re.sub(r"[\s,]", "", text).lower())
    if found is None or int(found[1]) < 1:
        raise FaultyAnchor
    return Anchor(int(found[1]), found[2])


def stamp(secret: bytes, anchor: Anchor) -> str:
    """Shows that this installation, with its signing key, wrote the anchor down; who has the database alone cannot make one."""
    return hmac.new(secret, f"trail\0{anchor}".encode(), hashlib.sha256).hexdigest()


@dataclass
class Reading:
    """The trail read from its first entry in any number of slices; between two of them it can be written down and taken up again.

    An entry that is whole under a number other than its own was moved by what happened before it: the numbers as sealed tell removed, inserted and
    exchanged entries apart.
    """

    count: int = 0
    # The numbers that stand next, and as they were sealed.
    number: int = 0
    sealed: int = 0
    # (as sealed, as it stands, digest) of the entries last read, so that an insertion is seen for as many entries as are kept here.
    tail: list[tuple[int, int, str]] = field(default_factory=lambda: [(0, 0, FIRST)])
    newest: str = ""
    faults: list[Fault] = field(default_factory=list)
    more: int = 0

    @property
    def head(self) -> Anchor | None:
        """The newest entry read."""
        return Anchor(self.number, self.newest) if self.count else None

    @property
    def total(self) -> int:
        return len(self.faults) + self.more

    def _fault(self, number: int, what: What, last: int | None = None) -> None:
        if len(self.faults) < MOST:
            self.faults.append(Fault(number, what, last if last != number else None))
        else:
            self.more += 1

    def _sealed_as(self, entry: Sealed) -> int | None:
        shift = self.number - self.sealed
        number: int
        for number in (entry.number, entry.number - shift, *range(entry.number - REACH, entry.number + REACH + 1)):
            if number > 0 and entry.digest == digest(
                number, entry.previous, entry.at, entry.actor_id, entry.act, entry.object, entry.facts
            ):
                return number
        return None

    def read(self, entry: Sealed) -> None:
        """The next entry in order of numbers."""
        self.count += 1
        self.newest = entry.digest
        follows = self.number + 1
        sealed = self._sealed_as(entry)
        if sealed is None:
            if entry.number > follows:
                self._missing(self.sealed + 1, self.sealed + entry.number - follows)
                self.sealed += entry.number - follows
            self._fault(entry.number, What.CHANGED)
            self._keep(entry, self.sealed + 1, trusted=False)
        elif sealed <= self.sealed:
            self._came_late(entry, sealed)
        else:
            if sealed > self.sealed + 1:
                self._missing(self.sealed + 1, sealed - 1)
            elif entry.previous != self.tail[-1][2]:
                self._broken_link(entry)
            self._keep(entry, sealed)

    def _keep(self, entry: Sealed, sealed: int, *, trusted: bool = True) -> None:
        self.number, self.sealed = entry.number, sealed
        # The entry after a changed one names the digest that it had: that it names another is the same fault.
        self.tail = [*self.tail, (sealed, entry.number, entry.digest if trusted else "")][-2 * REACH :]

    def _missing(self, first: int, last: int) -> None:
        self._fault(first, What.MISSING, last)

    def _broken_link(self, entry: Sealed) -> None:
        """Both entries are whole, and the later one was not sealed after the earlier."""
        _, number, before = self.tail[-1]
        if before != "":
            self._fault(max(number, 1), What.CHANGED)

    def _came_late(self, entry: Sealed, sealed: int) -> None:
        """Whole, under a number that another entry has already had."""
        if self._found_elsewhere(entry.number, sealed):
            self.number = entry.number
            return
        kept = [one for one in self.tail if one[0] < sealed]
        if kept and kept[-1][2] == entry.previous:
            extra = self.tail[len(kept) :]
            self._fault(extra[0][1], What.INSERTED, extra[-1][1])
            self.tail = kept
            self._keep(entry, sealed)
        else:
            self._fault(entry.number, What.INSERTED)
            self.number = entry.number

    def _found_elsewhere(self, number: int, sealed: int) -> bool:
        """Whether it is one that was believed missing; then both places were exchanged."""
        for place, fault in enumerate(self.faults):
            if fault.what == What.MISSING and fault.number <= sealed <= fault.end:
                before = (
                    [Fault(fault.number, What.MISSING, None if sealed - 1 == fault.number else sealed - 1)] if fault.number < sealed else []
                )
                behind = [Fault(sealed + 1, What.MISSING, None if sealed + 1 == fault.end else fault.end)] if sealed < fault.end else []
                self.faults[place : place + 1] = [*before, Fault(sealed, What.MOVED), *behind]
                self._fault(number, What.MOVED)
                return True
        return False

    def written_down(self) -> dict[str, Any]:
        """As JSON, to be taken up again by `taken_up`."""
        return {
            "count": self.count,
            "number": self.number,
            "sealed": self.sealed,
            "tail": [list(one) for one in self.tail],
            "newest": self.newest,
            "faults": [[fault.number, str(fault.what), fault.last] for fault in self.faults],
            "more": self.more,
        }


def taken_up(kept: dict[str, Any]) -> Reading:
    return Reading(
        kept["count"],
        kept["number"],
        kept["sealed"],
        [(sealed, number, found) for sealed, number, found in kept["tail"]],
        kept["newest"],
        [Fault(number, what, last) for number, what, last in kept["faults"]],
        kept["more"],
    )


def against(anchor: Anchor, head: Anchor | None, found: str | None) -> Fault | None:
    """What an anchor says of the trail; `found` is the digest of the entry that now has its number."""
    end = head.number if head else 0
    if anchor.number > end:
        return Fault(end + 1, What.CUT_OFF, anchor.number if anchor.number > end + 1 else None)
    return None if found == anchor.digest else Fault(anchor.number, What.ANCHOR)
