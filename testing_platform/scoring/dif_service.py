"""Items compared between groups of an administration, by the same functions as `scoring dif` on files."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session
from threadpoolctl import threadpool_limits

from testing_platform.examinations.models import Administration
from testing_platform.scoring import impact_rules as rules
from testing_platform.scoring import impact_service, service
from testing_platform.scoring.analysis.dif import Dif, dif
from testing_platform.scoring.analysis.sheets import Sheet
from testing_platform.scoring.impact_rules import By, GroupPolicy
from testing_platform.scoring.models import ScoreRun
from testing_platform.scoring.rules import EVERYONE


@dataclass(frozen=True)
class Answers:
    """The answers of the scored tests as the analyses read them, with the slot of each item."""

    sheet: Sheet
    slots: dict[str, int]


def answers_of(session: Session, administration: Administration, run: ScoreRun, now: datetime) -> Answers:
    """Items that are dropped, or right for everybody, compare nothing and are left out."""
    entries = {slot: entry for slot, entry in service.entries_of(run.key).items() if entry and EVERYONE not in entry}
    codes = {slot: version.item.code for slot, version in service.versions_of(session, administration).items() if slot in entries}
    sheets = service.gather(session, administration, now).sheets
    found = [taker for taker in impact_service.takers(session, administration, run) if taker.attempt_id in sheets]
    options = list(dict.fromkeys(option for entry in entries.values() for option in entry))
    options += sorted({option for taker in found for option in sheets[taker.attempt_id].values()} - set(options))
    number = {option: place for place, option in enumerate(options, 1)}
    answers = [[number.get(sheets[taker.attempt_id].get(slot, ""), 0) for slot in codes] for taker in found]
    sheet = Sheet(
        items=tuple(codes.values()),
        options=tuple(options),
        answers=np.array(answers, np.uint8).reshape(len(found), len(codes)),
        keys=tuple(tuple(number[option] for option in entries[slot]) for slot in codes),
        candidates=tuple(str(taker.attempt_id) for taker in found),
        groups={str(by): tuple(taker.groups[by] for taker in found) for by in By},
    )
    return Answers(sheet, {code: slot for slot, code in codes.items()})


@dataclass(frozen=True)
class Pair:
    """Two groups of one kind that can be compared: the reference, which is the larger, and the focal group."""

    by: By
    reference: str
    focal: str


def pairs(sheet: Sheet) -> list[Pair]:
    """Each group beside the largest of its kind."""
    found = []
    for by in By:
        there = Counter(group for group in sheet.groups[by] if group != rules.UNSAID)
        groups = [group for group in rules.GROUPS[by] if group in there]
        if len(groups) > 1:
            largest = max(groups, key=lambda group: there[group])
            found += [Pair(by, largest, group) for group in groups if group != largest]
    return found


def compare(sheet: Sheet, pair: Pair, purify: bool, policy: GroupPolicy) -> Dif:
    """On one thread: an exam that is under way keeps the other cores."""
    with threadpool_limits(1, "blas"):
        return dif(sheet, pair.by, pair.reference, pair.focal, purify, policy.dif)


@dataclass(frozen=True)
class Line:
    """One comparison at a glance; none is made where either group is marked as small."""

    pair: Pair
    reference: int
    focal: int
    found: Dif | None

    @property
    def classes(self) -> Counter[str]:
        return Counter(item.ets for item in self.found.items if item.ets) if self.found else Counter()


def overview(sheet: Sheet, purify: bool, policy: GroupPolicy) -> list[Line]:
    lines = []
    for pair in pairs(sheet):
        there = Counter(sheet.groups[pair.by])
        reference, focal = there[pair.reference], there[pair.focal]
        found = compare(sheet, pair, purify, policy) if min(reference, focal) >= policy.small else None
        lines.append(Line(pair, reference, focal, found))
    return lines


def chosen_by_group(sheet: Sheet, item: str, by: By) -> dict[str, Counter[str]]:
    """How many of each group chose each option of the item; blank is the empty one."""
    place = sheet.items.index(item)
    found: dict[str, Counter[str]] = {}
    for code, group in zip(sheet.answers[:, place], sheet.groups[by], strict=True):
        if group != rules.UNSAID:
            found.setdefault(group, Counter())["" if code == 0 else sheet.options[code - 1]] += 1
    return {group: found[group] for group in rules.GROUPS[by] if group in found}
