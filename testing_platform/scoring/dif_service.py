"""Items compared between groups of an administration, by the same functions as `scoring dif` on files."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session
from threadpoolctl import threadpool_limits

from testing_platform.examinations.models import Administration
from testing_platform.scoring import analyses, impact_service
from testing_platform.scoring import impact_rules as rules
from testing_platform.scoring.analysis.dif import Dif, dif
from testing_platform.scoring.analysis.sheets import Sheet, Whole
from testing_platform.scoring.impact_rules import By, GroupPolicy
from testing_platform.scoring.models import ScoreRun


@dataclass(frozen=True)
class Answers:
    """The answers of the scored tests as the analyses read them, with the slot of each item."""

    sheet: Sheet
    slots: dict[str, int]


def answers_of(session: Session, administration: Administration, run: ScoreRun) -> Answers:
    """Items that do not count, or are right for everybody, compare nothing and are left out. Raises service.StoredDiffers."""
    answered = analyses.answered(session, administration, run)
    found, counted = answered.sheet, answered.sheet.counted
    takers = impact_service.takers(session, administration, run)
    sheet = Sheet(
        items=tuple(found.items[place] for place in counted),
        options=found.options,
        answers=found.answers[:, counted],
        keys=tuple(found.keys[place] for place in counted),
        candidates=tuple(str(taker.attempt_id) for taker in takers),
        groups={str(by): tuple(taker.groups[by] for taker in takers) for by in By},
        order=None if found.order is None else _of_counted(found.order, counted, len(found.items)),
    )
    return Answers(sheet, {answered.columns[place].code: answered.columns[place].slot for place in counted})


def _of_counted(order: Whole, counted: list[int], items: int) -> Whole:
    """Each candidate's own form with nothing but the items that count, which are numbered anew."""
    numbers = np.full(items, -1)
    numbers[counted] = np.arange(len(counted))
    found: Whole = numbers[order]
    return found[found >= 0].reshape(len(order), -1)


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
    had = np.ones(len(sheet.answers), np.bool_) if sheet.given is None else sheet.given[:, place]
    for code, group, given in zip(sheet.answers[:, place], sheet.groups[by], had, strict=True):
        if given and group != rules.UNSAID:
            found.setdefault(group, Counter())["" if code == 0 else sheet.options[code - 1]] += 1
    return {group: found[group] for group in rules.GROUPS[by] if group in found}
