"""What the proctoring record holds of one attempt, counted and in words: beside it a lead is read."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.delivery.models import Attempt, Message, Seating, TimeEntry
from testing_platform.integrity.forensics import Taker
from testing_platform.proctor import queries, room_queries
from testing_platform.proctor.models import EndProposal, Flag, Irregularity, PageEvent

PAGE = ("focus_lost", "fullscreen_exit", "copy", "paste", "camera_lost")


@dataclass(frozen=True)
class Report:
    """An irregularity that stands: about this candidate, or about the whole session. `text` is a person's words and may name people."""

    words: str
    text: str
    at: datetime
    of_all: bool


@dataclass(frozen=True)
class Flagged:
    words: str
    confirmed: int
    dismissed: int
    open: int


@dataclass(frozen=True)
class Record:
    """`page` counts what the test page noticed about itself; `held` is time for which the clock stood still."""

    attempt: Attempt
    seats: list[Seating]
    flags: list[Flagged]
    page: dict[str, int]
    reports: list[Report]
    held: timedelta
    holds: int
    messages: int
    end_proposals: int


def of(session: Session, attempt: Attempt) -> Record:
    seats = select(Seating).where(Seating.appointment_id == attempt.appointment_id, Seating.session_id == attempt.session_id)
    noticed = session.execute(
        select(PageEvent.kind, func.count()).where(PageEvent.attempt_id == attempt.id, PageEvent.kind.in_(PAGE)).group_by(PageEvent.kind)
    )
    counts: dict[str, int] = dict(noticed.all())
    holds = session.scalars(select(TimeEntry).where(TimeEntry.attempt_id == attempt.id, TimeEntry.kind == "hold")).all()
    return Record(
        attempt,
        list(session.scalars(seats.order_by(Seating.id))),
        _flags(session, attempt.id),
        {kind: counts[kind] for kind in PAGE if kind in counts},
        _reports(session, attempt),
        sum((one.amount for one in holds if one.amount is not None), timedelta()),
        len(holds),
        _count(session, Message, attempt.id),
        _count(session, EndProposal, attempt.id),
    )


def _count(session: Session, kind: type[Message] | type[EndProposal], attempt_id: int) -> int:
    return session.scalar(select(func.count()).select_from(kind).where(kind.attempt_id == attempt_id)) or 0


def _flags(session: Session, attempt_id: int) -> list[Flagged]:
    rows = session.execute(select(Flag.signal, Flag.outcome).where(Flag.attempt_id == attempt_id)).all()
    counts = Counter((row.signal, row.outcome) for row in rows)
    return [
        Flagged(queries.flag_words(signal), *(counts[signal, outcome] for outcome in ("confirmed", "dismissed", "open")))
        for signal in sorted({row.signal for row in rows})
    ]


def _reports(session: Session, attempt: Attempt) -> list[Report]:
    about = (Irregularity.appointment_id == attempt.appointment_id) | Irregularity.appointment_id.is_(None)
    found = session.scalars(
        select(Irregularity)
        .where(Irregularity.session_id == attempt.session_id, Irregularity.withdrawn_at.is_(None), about)
        .order_by(Irregularity.began_at, Irregularity.id)
    )
    return [
        Report(
            f"{room_queries.category_words(one.category)}: {room_queries.kind_words(one.category, one.kind)}",
            one.text,
            one.began_at,
            one.appointment_id is None,
        )
        for one in found
    ]


def of_takers(session: Session, takers: list[Taker]) -> list[Record]:
    return [of(session, session.get_one(Attempt, one.attempt_id)) for one in takers]
