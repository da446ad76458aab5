"""Minimum competence as judges see it, item by item: Angoff 1971, modified by a second round after the judges have talked.

A judge says of each item how many of a hundred minimally competent candidates have it right. The sum over the items that count is that judge's line;
the mean of the judges' lines is the panel's, and its standard error their deviation over the root of their number.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.digests import canonical
from testing_platform.examinations.models import Administration
from testing_platform.scoring import rules
from testing_platform.scoring.chooser_models import JudgedRatings

ROUNDS = ("first", "second")
COLUMNS = ("judge", "slot", *ROUNDS)
MOST_JUDGES, NAME = 30, 60

# By judge, round and slot, in percent.
Ratings = Mapping[str, Mapping[str, Mapping[int, int]]]


class FaultyRatings(errors.Refusal):
    """`why`, and where it is known `row` (the heading is 1), `slot` and `value`."""

    code = "faulty-ratings"


@dataclass(frozen=True)
class Judge:
    """One judge's line after each round; a judge who did not rate an item again stays with the first rating."""

    name: str
    first: Fraction
    second: Fraction
    rated: int  # items that count and have a rating
    changed: int  # items rated otherwise in the second round


@dataclass(frozen=True)
class ItemRatings:
    """What the judges say of one item: the mean of each round and how far they lie apart, in percent."""

    slot: int
    first: Fraction
    second: Fraction
    variance: Fraction | None  # after the second round, divided by n - 1


@dataclass(frozen=True)
class Panel:
    judges: list[Judge]
    items: list[ItemRatings]
    first: Fraction
    mean: Fraction
    variance: Fraction | None  # of the judges' lines, divided by n - 1; none of a single judge

    @property
    def cut(self) -> int:
        """The lowest raw score that reaches the panel's line."""
        return rules.ceiling(self.mean)

    @property
    def sd(self) -> Decimal | None:
        return None if self.variance is None else rules.root(self.variance, 2)

    @property
    def se(self) -> Decimal | None:
        return None if self.variance is None else rules.root(self.variance / len(self.judges), 2)


def mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def variance(values: Sequence[Fraction]) -> Fraction | None:
    if len(values) < 2:
        return None
    middle = mean(values)
    return sum(((value - middle) ** 2 for value in values), Fraction(0)) / (len(values) - 1)


def panel(ratings: Ratings, entries: rules.Entries, most: int | None = None) -> Panel | None:
    """None before a judge has rated every item that counts. An item that everyone has right is right for the minimally competent too.

    `most` is the greatest raw score: where each candidate was given a part of the items, the line is that of so many of them.
    """
    counting = [slot for slot, entry in entries.items() if entry]
    free = sum(1 for slot in counting if rules.EVERYONE in entries[slot])
    asked = [slot for slot in counting if rules.EVERYONE not in entries[slot]]
    part = Fraction(1) if most is None else Fraction(most, max(1, len(counting)))
    judges, said = [], []
    for name, rounds in ratings.items():
        first = {slot: value for slot, value in rounds["first"].items() if slot in asked}
        if len(first) < len(asked):
            continue
        second = first | {slot: value for slot, value in rounds["second"].items() if slot in asked}
        said.append((first, second))
        lines = [(free + Fraction(sum(one.values()), 100)) * part for one in (first, second)]
        judges.append(Judge(name, lines[0], lines[1], len(first), sum(first[slot] != second[slot] for slot in asked)))
    if not judges:
        return None
    items = []
    for slot in asked:
        before, after = ([Fraction(pair[which][slot]) for pair in said] for which in (0, 1))
        items.append(ItemRatings(slot, mean(before), mean(after), variance(after)))
    lines = [judge.second for judge in judges]
    return Panel(judges, items, mean([judge.first for judge in judges]), mean(lines), variance(lines))


def rating(text: str, **where: Any) -> int | None:
    """A whole percent; none where nothing is said. Raises FaultyRatings."""
    text = text.strip().removesuffix("%").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100):
        raise FaultyRatings(why="not-a-percent", value=text[:20], **where)
    return int(text)


def read(text: str, slots: Sequence[int]) -> dict[str, dict[str, dict[int, int]]]:
    """A table with the columns judge, slot, first, second; the last may be empty or left out. Raises FaultyRatings."""
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=False))
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not {"judge", "slot", "first"} <= set(head) <= set(COLUMNS) or len(set(head)) < len(head):
        raise FaultyRatings(why="columns", value=", ".join(COLUMNS))
    found: dict[str, dict[str, dict[int, int]]] = {}
    for number, cells in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        row = dict(zip(head, cells, strict=False))
        name, slot = row.get("judge", "").strip()[:NAME], row.get("slot", "").strip()
        if not name:
            raise FaultyRatings(why="no-judge", row=number)
        if not slot.isdecimal() or int(slot) not in slots:
            raise FaultyRatings(why="no-such-slot", row=number, value=slot[:20])
        rounds = found.setdefault(name, {one: {} for one in ROUNDS})
        if int(slot) in rounds["first"]:
            raise FaultyRatings(why="twice", row=number, value=f"{name}, {slot}")
        for one in ROUNDS:
            value = rating(row.get(one, ""), row=number)
            if value is not None:
                rounds[one][int(slot)] = value
        if int(slot) not in rounds["first"]:
            raise FaultyRatings(why="not-a-percent", row=number, value="")
    if not found:
        raise FaultyRatings(why="nothing")
    return found


def newest(session: Session, administration: Administration) -> JudgedRatings | None:
    chosen = select(JudgedRatings).where(JudgedRatings.administration_id == administration.id)
    return session.scalars(chosen.order_by(JudgedRatings.number.desc()).limit(1)).first()


def ratings_of(kept: JudgedRatings | None) -> dict[str, dict[str, dict[int, int]]]:
    if kept is None:
        return {}
    return {
        name: {one: {int(slot): value for slot, value in rounds[one].items()} for one in ROUNDS} for name, rounds in kept.ratings.items()
    }


def keep(session: Session, administration: Administration, person: Person, ratings: Ratings, now: datetime) -> JudgedRatings:
    """These judges' ratings beside those of the others, as a new set. Raises FaultyRatings."""
    whole = ratings_of(newest(session, administration)) | dict(ratings)
    if len(whole) > MOST_JUDGES:
        raise FaultyRatings(why="too-many-judges", value=str(MOST_JUDGES))
    said = {
        name: {one: {str(slot): value for slot, value in sorted(rounds[one].items())} for one in ROUNDS} for name, rounds in whole.items()
    }
    last = session.scalar(select(func.max(JudgedRatings.number)).where(JudgedRatings.administration_id == administration.id))
    made = JudgedRatings(
        administration_id=administration.id,
        number=(last or 0) + 1,
        ratings=said,
        digest=hashlib.sha256(canonical(said)).hexdigest(),
        made_by_id=person.id,
        made_at=now,
    )
    session.add(made)
    session.flush()
    audit.record(
        session,
        "judged-ratings.kept",
        f"administration:{administration.id}",
        now,
        person.id,
        number=made.number,
        judges=len(said),
        digest=made.digest,
    )
    return made
