"""The figures of a stored administration: which pairs answered alike, who was quick and good, who did better on a set of items.

By candidates' numbers, without a name. What a run scored never changes, so that `scoring.analyses` keeps its answers ready.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from threadpoolctl import threadpool_limits

from testing_platform.accounts.models import Person
from testing_platform.delivery import lines
from testing_platform.delivery.models import Attempt, Seating
from testing_platform.examinations.models import Administration, TestSession
from testing_platform.examinations.rules import Mode
from testing_platform.integrity.rules import Policy, Reason
from testing_platform.itembank.models import FormSlot, ItemVersion
from testing_platform.itembank.rules import State
from testing_platform.scoring import analyses
from testing_platform.scoring.analysis import similarity
from testing_platform.scoring.analysis.pace import PaceRules, Quadrants, log_z
from testing_platform.scoring.analysis.pace import quadrants as of_pace
from testing_platform.scoring.analysis.preknowledge import OfSheet, of_sheet
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import BLANK, Sheet
from testing_platform.scoring.models import RawScore, ScoreRun


@dataclass(frozen=True)
class Taker:
    """One scored test: by whom, where and when, and nothing of how it went."""

    attempt_id: int
    appointment_id: int
    number: str
    place: int
    room: int | None
    device: str | None
    mode: Mode
    started_at: datetime
    ended_at: datetime

    def together(self, other: "Taker") -> timedelta:
        """For how long both were testing at the same time."""
        return max(timedelta(), min(self.ended_at, other.ended_at) - max(self.started_at, other.started_at))


@dataclass(frozen=True)
class Tests:
    """What one run scored, each row with its taker."""

    answered: analyses.Answered
    takers: list[Taker]

    @cached_property
    def sheet(self) -> Sheet:
        return replace(self.answered.sheet, candidates=tuple(one.number for one in self.takers))

    @cached_property
    def row(self) -> dict[int, int]:
        return {one.attempt_id: row for row, one in enumerate(self.takers)}

    @cached_property
    def by_number(self) -> dict[str, Taker]:
        return {one.number: one for one in self.takers}


def read(session: Session, administration: Administration, run: ScoreRun) -> Tests:
    rows = session.execute(
        select(
            Attempt.id,
            Attempt.appointment_id,
            Person.candidate_number,
            Attempt.session_id,
            TestSession.room_id,
            Attempt.device,
            Attempt.mode,
            Attempt.started_at,
            func.coalesce(Attempt.submitted_at, Attempt.deadline).label("ended_at"),
        )
        .join(RawScore, RawScore.attempt_id == Attempt.id)
        .join(Person, Person.id == Attempt.person_id)
        .join(TestSession, TestSession.id == Attempt.session_id)
        # Who is scored has begun.
        .where(RawScore.run_id == run.id, Attempt.started_at.is_not(None))
        .order_by(Attempt.id)
    ).all()
    # Who has two scored tests is told apart by the test: figures must never be another's.
    often = Counter(row.candidate_number for row in rows)
    takers = [
        Taker(
            row.id,
            row.appointment_id,
            row.candidate_number if row.candidate_number and often[row.candidate_number] == 1 else f"{row.candidate_number or ''}#{row.id}",
            row.session_id,
            row.room_id,
            row.device,
            row.mode,
            row.started_at,
            row.ended_at,
        )
        for row in rows
    ]
    return Tests(analyses.answered(session, administration, run), takers)


# --- neighbours ------------------------------------------------------------------------------------------------------------------------------

Pair = tuple[int, int]  # two attempts, the smaller id first


def neighbours(session: Session, administration: Administration, tests: Tests, policy: Policy) -> dict[Pair, set[Reason]]:
    """Pairs that were near each other: in the next seat at the same time, over one line, or at one browser."""
    found: dict[Pair, set[Reason]] = {}
    known = {one.attempt_id: one for one in tests.takers}

    def near(one: int, other: int, why: Reason) -> None:
        found.setdefault((min(one, other), max(one, other)), set()).add(why)

    for one, other in _next_seats(session, administration, tests, policy.seats_apart):
        near(one.attempt_id, other.attempt_id, Reason.SEAT)
    for group in lines.shared(session, administration.id):
        for one_id, other_id in combinations(sorted(group & known.keys()), 2):
            near(one_id, other_id, Reason.LINE)
    devices: dict[str, list[int]] = {}
    for taker in tests.takers:
        # At a facility one workstation serves many, one after the other.
        if taker.device is not None and taker.mode == Mode.REMOTE:
            devices.setdefault(taker.device, []).append(taker.attempt_id)
    for ids in devices.values():
        for one_id, other_id in combinations(ids, 2):
            near(one_id, other_id, Reason.DEVICE)
    return found


def _next_seats(session: Session, administration: Administration, tests: Tests, apart: int) -> Iterable[tuple[Taker, Taker]]:
    by_appointment = {one.appointment_id: one for one in tests.takers}
    rooms: dict[int, dict[int, list[tuple[Taker, datetime, datetime]]]] = {}
    seatings = session.scalars(
        select(Seating).join(TestSession, TestSession.id == Seating.session_id).where(TestSession.administration_id == administration.id)
    )
    for seating in seatings:
        taker = by_appointment.get(seating.appointment_id)
        if taker is not None and taker.room is not None:
            began, ended = max(seating.seated_at, taker.started_at), min(seating.left_at or taker.ended_at, taker.ended_at)
            if began < ended:
                rooms.setdefault(taker.room, {}).setdefault(seating.seat, []).append((taker, began, ended))
    for seats in rooms.values():
        for seat, sat in seats.items():
            for away in range(1, apart + 1):
                for one, began, ended in sat:
                    for other, other_began, other_ended in seats.get(seat + away, []):
                        if one is not other and max(began, other_began) < min(ended, other_ended):
                            yield one, other


# --- answers that are alike --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lead:
    """Two takers, in the order of their ids, with the figures of the smallest family of comparisons in which they were looked at."""

    one: Taker
    other: Taker
    figures: similarity.Pair
    looked: int
    reasons: frozenset[Reason]

    @property
    def together(self) -> timedelta:
        return self.one.together(self.other)


@dataclass(frozen=True)
class Alike:
    """All pairs, of which the top is listed, and all neighbours. `leads` are those that stand out in either, `expected` how many would by chance."""

    pairs: int
    top: list[Lead]
    near: list[Lead]
    leads: list[Lead]
    expected: float


def alike(tests: Tests, near: Mapping[Pair, set[Reason]], policy: Policy) -> Alike:
    """Raises CannotSay."""
    check(tests)
    sheet, known = tests.sheet, {one.attempt_id: one.number for one in tests.takers}

    def lead(pair: similarity.Pair, looked: int) -> Lead:
        one, other = sorted((tests.by_number[pair.a], tests.by_number[pair.b]), key=lambda taker: taker.attempt_id)
        return Lead(one, other, pair, looked, frozenset(near.get((one.attempt_id, other.attempt_id), ())))

    with threadpool_limits(1, "blas"):
        everyone = similarity.similarity(sheet, policy.listed)
        named = [(known[one], known[other]) for one, other in near]
        beside = similarity.similarity(sheet, len(named), named) if named else similarity.Similarity(0, [])
    top, neighbouring = [lead(pair, everyone.pairs) for pair in everyone.top], [lead(pair, beside.pairs) for pair in beside.top]
    # Neighbours are judged among neighbours: a smaller family says more.
    standing = [one for one in (*neighbouring, *(one for one in top if not one.reasons)) if one.figures.adjusted <= policy.level]
    families = 1 + bool(named)
    return Alike(
        everyone.pairs,
        top,
        neighbouring,
        sorted(standing, key=lambda one: (one.figures.adjusted, one.one.attempt_id)),
        families * policy.level,
    )


def check(tests: Tests) -> None:
    """Raises CannotSay where there are no two tests, or nothing of them counts."""
    if len(tests.takers) < 2:
        raise CannotSay(why="one-candidate")
    if not tests.sheet.counted:
        raise CannotSay(why="nothing-counts")


def compared(tests: Tests, one: Taker, other: Taker, near: Mapping[Pair, set[Reason]], found: Alike) -> Lead:
    """The pair as it stands among leads and neighbours; else as one that a person named, which is a family of one."""
    ids = (one.attempt_id, other.attempt_id)
    for lead in (*found.near, *found.top):
        if (lead.one.attempt_id, lead.other.attempt_id) == ids:
            return lead
    with threadpool_limits(1, "blas"):
        (pair,) = similarity.similarity(tests.sheet, 1, [(one.number, other.number)]).top
    return Lead(one, other, pair, 1, frozenset())


@dataclass(frozen=True)
class SideBySide:
    """One item in both tests; `both`: both were asked it. `by_chance`: how likely two people of these totals choose the same."""

    slot: int
    code: str
    key: tuple[str, ...]
    standing: str
    answers: tuple[str, str]
    seconds: tuple[float | None, float | None]
    same: str  # right | wrong | no
    by_chance: float
    both: bool


def side_by_side(tests: Tests, one: Taker, other: Taker) -> list[SideBySide]:
    sheet, rows = tests.sheet, (tests.row[one.attempt_id], tests.row[other.attempt_id])
    levels = similarity.levels_of(sheet, similarity.Rules())
    (chances,) = similarity.chances_of(sheet, levels, np.array(rows[:1]), np.array(rows[1:]))
    given = np.ones(sheet.answers.shape, np.bool_) if sheet.given is None else sheet.given
    found = []
    for place, column in enumerate(tests.answered.columns):
        asked = [bool(given[row, place]) for row in rows]
        if not any(asked):
            continue
        codes = [int(sheet.answers[row, place]) for row in rows]
        times = [float(tests.answered.seconds[row, place]) for row in rows]
        shared = codes[0] == codes[1] != BLANK
        found.append(
            SideBySide(
                column.slot,
                column.code,
                column.entry,
                column.standing,
                (_letter(sheet, codes[0]), _letter(sheet, codes[1])),
                (None if np.isnan(times[0]) else times[0], None if np.isnan(times[1]) else times[1]),
                ("right" if sheet.right[rows[0], place] else "wrong") if shared else "no",
                float(chances[place]),
                all(asked),
            )
        )
    return found


def _letter(sheet: Sheet, code: int) -> str:
    return "" if code == BLANK else sheet.options[code - 1]


# --- pace, and sets of items -----------------------------------------------------------------------------------------------------------------


def quadrants(tests: Tests, policy: Policy, thresholds: analyses.Thresholds) -> Quadrants:
    """Raises CannotSay."""
    check(tests)
    return of_pace(tests.sheet, tests.answered.seconds, PaceRules(policy.fast_share, policy.high_share), thresholds.speed)


@dataclass(frozen=True)
class SetItem:
    """An item of the form, as it may be put into a set: whether it is known outside, and how many candidates had met it before this administration."""

    column: analyses.Column
    compromised: bool
    met: int


def set_items(session: Session, administration: Administration, tests: Tests) -> list[SetItem]:
    columns = tests.answered.columns
    ids = {column.item_id for column in columns}
    known = set(session.scalars(select(ItemVersion.item_id).where(ItemVersion.item_id.in_(ids), ItemVersion.state == State.COMPROMISED)))
    here = select(func.min(Attempt.started_at)).join(TestSession, TestSession.id == Attempt.session_id)
    first = here.where(TestSession.administration_id == administration.id).scalar_subquery()
    rows = session.execute(
        select(ItemVersion.item_id, func.count())
        .join(FormSlot, FormSlot.item_version_id == ItemVersion.id)
        .join(Attempt, Attempt.form_id == FormSlot.form_id)
        .where(ItemVersion.item_id.in_(ids), Attempt.started_at < first)
        .group_by(ItemVersion.item_id)
    )
    met = {item_id: int(count) for item_id, count in rows}
    return [SetItem(one, one.item_id in known, met.get(one.item_id, 0)) for one in columns]


@dataclass(frozen=True)
class OfSet:
    """`listed`: those below the policy's p, of whom chance alone would list `expected`; `found.people` are all."""

    found: OfSheet
    expected: float
    listed: int


def of_set(tests: Tests, slots: Sequence[int], policy: Policy, thresholds: analyses.Thresholds) -> OfSet:
    """Raises CannotSay."""
    check(tests)
    if len(tests.takers) < thresholds.models.calibrate_from:
        raise CannotSay(why="few", least=thresholds.models.calibrate_from, n=len(tests.takers))
    places = [place for place, column in enumerate(tests.answered.columns) if column.slot in set(slots)]
    with threadpool_limits(1, "blas"):
        found = of_sheet(tests.sheet, places, log_z(tests.sheet, tests.answered.seconds))
    return OfSet(found, policy.set_p * len(found.people), sum(one.p <= policy.set_p for one in found.people))


def figures_of(lead: Lead) -> dict[str, Any]:
    """What is kept with a conclusion."""
    pair = lead.figures
    return {
        "identical": pair.identical,
        "identical_wrong": pair.identical_wrong,
        "expected": round(pair.expected, 3),
        "z": None if pair.z is None else round(pair.z, 3),
        "omega": None if pair.omega is None else round(pair.omega, 3),
        "adjusted": pair.adjusted,
        "looked": lead.looked,
        "reasons": sorted(lead.reasons),
    }
