"""What the proctor of a City facility's room does. The caller owns the transaction."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.delivery import facility
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Attempt, NoShow
from testing_platform.delivery.rules import Event, State, Who
from testing_platform.examinations.models import Appointment, TestSession
from testing_platform.proctor import room_rules
from testing_platform.proctor.models import Irregularity, RoomPause
from testing_platform.proctor.service import who

# What a hold of the whole room is called in the ledger, so that it is told from one person's own.
ROOM = "room"


def running_pause(session: Session, session_id: int) -> RoomPause | None:
    return session.scalars(select(RoomPause).where(RoomPause.session_id == session_id, RoomPause.ended_at.is_(None))).first()


def pause_room(session: Session, place: TestSession, category: str, reason: str, person: Person, now: datetime) -> RoomPause:
    """Stop every clock that runs in the room, at one instant (T12, all at once). Raises RoomPausedAlready."""
    category = room_rules.check_pause(category)
    if running_pause(session, place.id) is not None:
        raise room_rules.RoomPausedAlready
    reason = " ".join(reason.split())[:500]
    row = RoomPause(session_id=place.id, category=category, reason=reason, attempts=[], began_by_id=person.id, began_at=now)
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        raise room_rules.RoomPausedAlready from None
    # Told first: who begins from here on reads that the room stands still.
    bus.publish(session, "room.paused", now, session_id=place.id, actor_id=person.id, category=category)
    stopped = []
    for attempt in session.scalars(
        select(Attempt).where(Attempt.session_id == place.id, Attempt.state == State.IN_PROGRESS).order_by(Attempt.id)
    ).unique():
        # Time that is up stays up: a pause gives nobody minutes that were over.
        if attempts.time_is_up(session, attempt, now) or (attempt.deadline is not None and now >= attempt.deadline):
            continue
        attempts.hold(
            session, attempt, Event.PAUSE, who(person), now, now, cause=ROOM, reason=reason, category=category, actor_id=person.id
        )
        stopped.append(attempt.id)
    row.attempts = stopped
    audit.record(session, "room.paused", f"session:{place.id}", now, person.id, category=category, attempts=stopped)
    session.flush()
    return row


def resume_room(session: Session, place: TestSession, person: Person, now: datetime) -> RoomPause:
    """Let those go on whom this pause stopped and nothing else holds. Raises RoomNotPaused."""
    row = running_pause(session, place.id)
    if row is None:
        raise room_rules.RoomNotPaused
    resumed = []
    for attempt in session.scalars(select(Attempt).where(Attempt.id.in_(row.attempts)).order_by(Attempt.id)).unique():
        entry = attempts.running_hold(session, attempt)
        if attempt.state != State.PAUSED_PROCTOR or entry is None or entry.cause != ROOM:
            continue
        attempts.go_on(session, attempt, Event.RESUME, who(person), now, person.id, room=True)
        resumed.append(attempt.id)
    row.ended_by_id, row.ended_at = person.id, now
    bus.publish(session, "room.resumed", now, session_id=place.id, actor_id=person.id)
    audit.record(session, "room.resumed", f"session:{place.id}", now, person.id, attempts=resumed)
    session.flush()
    return row


def tell_room(session: Session, place: TestSession, text: str, person: Person, now: datetime) -> int:
    """One message to every page of a test that is under way, kept with each; says how many. Raises NobodyTesting, EmptyMessage."""
    under_way = session.scalars(
        select(Attempt).where(Attempt.session_id == place.id, Attempt.state.in_(delivery.UNDER_WAY)).order_by(Attempt.id)
    ).unique()
    told = [attempts.write_message(session, attempt, "proctor", person.id, text, now).attempt_id for attempt in under_way]
    if not told:
        raise room_rules.NobodyTesting
    audit.record(session, "room.told", f"session:{place.id}", now, person.id, attempts=told)
    return len(told)


def free_seats(session: Session, place: TestSession, person: Person, now: datetime) -> int:
    """The seats of all whose test is over, in one press; says how many."""
    sitting = {row.appointment_id for row in facility.seatings(session, place.id)}
    attempts_of = facility.all_attempts(session, place.id)
    over = [one for one in attempts_of if one.appointment_id in sitting and State(one.state) in delivery.OVER | {State.REFUSED}]
    for attempt in over:
        facility.free_seat(session, attempt.appointment, person, now)
    return len(over)


def take_back_no_show(session: Session, appointment: Appointment, person: Person, now: datetime) -> NoShow:
    """They came after all, and a lead proctor says so on the same day. Raises errors.Forbidden, TooLateToTakeBack."""
    if who(person) is not Who.LEAD:
        raise errors.Forbidden(why="a lead proctor takes a no-show back")
    row = facility.no_show_of(session, appointment.id)
    if row is not None:
        room_rules.check_take_back(row.recorded_at, now, ZoneInfo(appointment.session.zone))
    return facility.take_back_no_show(session, appointment, person, now)


def report(
    session: Session,
    place: TestSession,
    appointment: Appointment | None,
    category: str,
    kind: str,
    text: str,
    began_at: datetime | None,
    ended_at: datetime | None,
    person: Person,
    now: datetime,
) -> Irregularity:
    """Write down a deviation, of one candidate or of the whole room (T27). Raises room_rules.IncompleteReport."""
    text = room_rules.check_report(category, kind, text, began_at, ended_at, now)
    assert began_at is not None
    row = Irregularity(
        session_id=place.id,
        appointment_id=None if appointment is None else appointment.id,
        category=category,
        kind=kind,
        text=text,
        began_at=began_at,
        ended_at=ended_at,
        filed_by_id=person.id,
        filed_at=now,
    )
    session.add(row)
    session.flush()
    bus.publish(session, "room.irregularity", now, session_id=place.id, actor_id=person.id, category=category, what=kind, number=row.id)
    audit.record(session, "irregularity.filed", f"irregularity:{row.id}", now, person.id, category=category, what=kind, place=place.id)
    return row


def withdraw(session: Session, row: Irregularity, reason: str, person: Person, now: datetime) -> None:
    """It was written down in error. Who wrote it, or a lead proctor, says why; the row stays."""
    if person.id != row.filed_by_id and who(person) is not Who.LEAD:
        raise errors.Forbidden(why="the one who wrote it, or a lead proctor, withdraws a report")
    if row.withdrawn_at is not None:
        return
    reason = " ".join(reason.split())[:500]
    if not reason:
        raise room_rules.IncompleteReport(field="reason")
    row.withdrawn_by_id, row.withdrawn_at, row.withdrawn_reason = person.id, now, reason
    bus.publish(session, "room.irregularity_withdrawn", now, session_id=row.session_id, actor_id=person.id, number=row.id)
    audit.record(session, "irregularity.withdrawn", f"irregularity:{row.id}", now, person.id)
    session.flush()
