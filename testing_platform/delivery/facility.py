"""A room of a City facility: seats, people who did not come, the code on the board, and going on at another workstation."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from testing_platform import bus
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person, SignIn
from testing_platform.accounts.rules import Role, keyed_hash, plain_code
from testing_platform.audit import service as audit
from testing_platform.delivery import rules, service
from testing_platform.delivery.models import Attempt, CheckInStep, NoShow, Seating, StartCode, TakeOverCode
from testing_platform.delivery.rules import Event, State, Step, Who
from testing_platform.examinations.models import Appointment, ProctorAssignment, TestSession

# How a browser that was signed in at a workstation is told from one at home: `SignIn.way`.
WORKSTATION = "workstation"


def who(person: Person) -> Who:
    return Who.LEAD if Role.LEAD_PROCTOR in person.roles else Who.PROCTOR


def texts_for(texts: list[dict[str, object]], mode: str) -> list[dict[str, object]]:
    """Those of the bulletin's texts that are meant for this way of testing; one that names none is for every way it was written for."""
    return [text for text in texts if mode in (text.get("modes") or _default(text))]  # type: ignore[operator]


def _default(text: dict[str, object]) -> tuple[str, ...]:
    # A choice about data is asked for the test at home unless it says otherwise; a section of the rules is for everyone.
    return ("remote",) if "choices" in text or "kind" in text else ("remote", "facility")


def seating_of(session: Session, appointment_id: int) -> Seating | None:
    """Where this candidate sits now."""
    return session.scalars(select(Seating).where(Seating.appointment_id == appointment_id, Seating.left_at.is_(None))).first()


def no_show_of(session: Session, appointment_id: int) -> NoShow | None:
    return session.scalars(select(NoShow).where(NoShow.appointment_id == appointment_id, NoShow.reversed_at.is_(None))).first()


def attempt_of(session: Session, appointment_id: int) -> Attempt | None:
    return session.scalars(select(Attempt).where(Attempt.appointment_id == appointment_id)).first()


def _note(
    session: Session,
    kind: str,
    appointment: Appointment,
    person: Person | None,
    now: datetime,
    attempt: Attempt | None = None,
    **facts: object,
) -> None:
    """One act in the room, or of the clock: a row for the other processes, a line in the trail."""
    by_id = None if person is None else person.id
    if attempt is not None:
        attempt.version += 1
    bus.publish(
        session,
        kind,
        now,
        session_id=appointment.session_id,
        attempt_id=None if attempt is None else attempt.id,
        actor_id=by_id,
        appointment=appointment.id,
        **facts,
    )
    audit.record(session, kind, f"appointment:{appointment.id}", now, by_id, **facts)


def seat(
    session: Session,
    appointment: Appointment,
    number: int,
    identity: str,
    note: str,
    person: Person,
    new_key: Callable[[], bytes],
    now: datetime,
) -> Seating:
    """Check in at the desk (T1, T8): a document was looked at, and here is your seat. The clock starts at the workstation."""
    seen_by = rules.check_identity(identity, note)
    if appointment.state != "booked" or no_show_of(session, appointment.id) is not None:
        raise rules.NotNow(state="no_show" if appointment.state == "booked" else appointment.state)
    if seating_of(session, appointment.id) is not None:
        raise rules.NotNow(state="seated")
    attempt = attempt_of(session, appointment.id) or service.check_in(session, appointment, new_key(), now, person.id)
    if State(attempt.state) in rules.OVER or attempt.state == State.REFUSED:
        raise rules.NotNow(state=attempt.state)
    row = _sit(session, appointment, number, seen_by, person, now)
    content = appointment.session.administration.examination.bulletin.content
    if attempt.state == State.CHECKING_IN and not texts_for(content.get("consents", []), "facility"):
        session.add(CheckInStep(attempt_id=attempt.id, step=Step.CONSENT, state="waived", at=now, facts={}))
        attempt.awaiting_since = now
        service.move(session, attempt, Event.STEPS_DONE, Who.CLOCK, now)
        _admit(session, attempt, who(person), now, person.id)
    _note(session, "room.seated", appointment, person, now, attempt, seat=number, identity=seen_by.partition(":")[0])
    session.flush()
    return row


def _admit(session: Session, attempt: Attempt, by: Who, now: datetime, actor_id: int | None = None) -> None:
    service.move(session, attempt, Event.ADMIT, by, now, actor_id)
    attempt.admitted_at = now


def let_in(session: Session, attempt: Attempt, now: datetime) -> None:
    """After the choices at the workstation: the document was looked at when the seat was given, so nobody has to look again."""
    if attempt.state == State.AWAITING and seating_of(session, attempt.appointment_id) is not None:
        _admit(session, attempt, Who.CLOCK, now)


def _sit(session: Session, appointment: Appointment, number: int, identity: str, person: Person, now: datetime) -> Seating:
    """Raises rules.SeatTaken, by whom, when the seat is another's; the index decides between two who ask at once."""
    place = appointment.session
    if place.room is not None:
        rules.check_seat(number, place.room.seats)
    taken = session.scalars(
        select(Seating).where(Seating.session_id == place.id, Seating.seat == number, Seating.left_at.is_(None))
    ).first()
    if taken is not None:
        raise rules.SeatTaken(seat=number, name=session.get_one(Appointment, taken.appointment_id).person.name)
    row = Seating(session_id=place.id, appointment_id=appointment.id, seat=number, identity=identity, seated_by_id=person.id, seated_at=now)
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        raise rules.SeatTaken(seat=number, name="") from None
    return row


def change_seat(session: Session, appointment: Appointment, number: int, person: Person, now: datetime) -> Seating:
    """To another workstation. The test itself moves with a take-over code, or by signing in if it has not begun."""
    here = seating_of(session, appointment.id)
    if here is None:
        raise rules.NotSeated
    if here.seat == number:
        return here
    attempt = attempt_of(session, appointment.id)
    with session.begin_nested():
        here.left_at = now
        session.flush()
        row = _sit(session, appointment, number, here.identity, person, now)
    _note(session, "room.seat_changed", appointment, person, now, attempt, before=here.seat, seat=number)
    return row


def free_seat(session: Session, appointment: Appointment, person: Person, now: datetime) -> None:
    """The test is over and the chair is empty: the seat may be given to somebody else. Raises rules.NotSeated, NotNow."""
    here = seating_of(session, appointment.id)
    attempt = attempt_of(session, appointment.id)
    if here is None or attempt is None:
        raise rules.NotSeated
    if State(attempt.state) not in rules.OVER | {State.REFUSED}:
        raise rules.NotNow(state=attempt.state)
    here.left_at = now
    _note(session, "room.seat_freed", appointment, person, now, attempt, seat=here.seat)
    session.flush()


def record_no_show(session: Session, appointment: Appointment, reason: str, note: str, person: Person | None, now: datetime) -> NoShow:
    """Expected and not testing (T2). Who has begun cannot have stayed away. No person: the clock, at the close of the window."""
    reason = rules.check_no_show(reason)
    attempt = attempt_of(session, appointment.id)
    if appointment.state != "booked" or no_show_of(session, appointment.id) is not None:
        raise rules.NotNow(state="no_show")
    if attempt is not None and attempt.started_at is not None:
        raise rules.NotNow(state=attempt.state)
    here = seating_of(session, appointment.id)
    if here is not None:
        here.left_at = now
    row = NoShow(
        appointment_id=appointment.id,
        reason=reason,
        note=" ".join(note.split())[:500],
        recorded_by_id=person.id if person else None,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    _note(session, "room.no_show", appointment, person, now, attempt, reason=reason)
    return row


def to_close(now: datetime) -> Select[TestSession]:
    """Sessions whose window has closed, for which nobody has yet been told from those who came."""
    closes_at = TestSession.__table__.c.closes_at
    return select(TestSession).where(closes_at <= now, or_(TestSession.closed_at.is_(None), TestSession.closed_at < closes_at))


def close(session: Session, place: TestSession, now: datetime) -> list[NoShow]:
    """Nobody can check in any more: whoever has not is a no-show (T2), at home and in a room. It says nothing of why, and a person may add that.

    A lead proctor takes it back on the same day, as any other.
    """
    came = select(Attempt.appointment_id).where(Attempt.session_id == place.id)
    away = select(NoShow.appointment_id).where(NoShow.reversed_at.is_(None))
    missing = session.scalars(
        select(Appointment)
        .where(Appointment.session_id == place.id, Appointment.state == "booked", Appointment.id.not_in(came), Appointment.id.not_in(away))
        .order_by(Appointment.id)
    )
    found = [record_no_show(session, one, rules.DID_NOT_COME, "", None, now) for one in missing.unique().all()]
    place.closed_at = now
    session.flush()
    return found


def take_back_no_show(session: Session, appointment: Appointment, person: Person, now: datetime) -> NoShow:
    """They came after all (T2r). The row stays. Who may, and until when, the caller has checked."""
    row = no_show_of(session, appointment.id)
    if row is None:
        raise rules.NotNow(state=appointment.state)
    row.reversed_by_id, row.reversed_at = person.id, now
    _note(session, "room.no_show_taken_back", appointment, person, now, attempt_of(session, appointment.id), reason=row.reason)
    session.flush()
    return row


def leave_room(session: Session, appointment: Appointment, out: bool, person: Person, now: datetime) -> None:
    """Out of the room, or back in it: the log of who was where. The clock goes on."""
    attempt = attempt_of(session, appointment.id)
    if seating_of(session, appointment.id) is None or attempt is None or State(attempt.state) in rules.OVER:
        raise rules.NotSeated
    if (out_since(session, attempt.id) is not None) is not out:
        _note(session, "room.left" if out else "room.back", appointment, person, now, attempt)


def out_since(session: Session, attempt_id: int) -> datetime | None:
    last = session.scalars(
        select(bus.Event)
        .where(bus.Event.attempt_id == attempt_id, bus.Event.kind.in_(("room.left", "room.back")))
        .order_by(bus.Event.id.desc())
        .limit(1)
    ).first()
    return last.at if last is not None and last.kind == "room.left" else None


# ---------------------------------------------------------------- the code on the board


def start_code(secret: bytes, session_id: int, sign_in_id: int) -> str:
    """Made anew each time it is shown; nothing that opens the room is stored."""
    return rules.spell(hmac.digest(secret, f"start code\0{session_id}\0{sign_in_id}".encode(), "sha256"), rules.START_LETTERS)


def issue_start_code(session: Session, secret: bytes, place: TestSession, sign_in: SignIn, now: datetime) -> StartCode:
    """The code of this sign-in of this proctor; asked for again it is the same."""
    found = code_of(session, place.id, sign_in.id)
    if found is not None:
        return found
    hashed = keyed_hash(secret, "start-code", start_code(secret, place.id, sign_in.id))
    found = StartCode(session_id=place.id, sign_in_id=sign_in.id, code_hash=hashed, issued_at=now)
    session.add(found)
    session.flush()
    bus.publish(session, "room.code_issued", now, session_id=place.id, actor_id=sign_in.person_id)
    audit.record(session, "room.code_issued", f"session:{place.id}", now, sign_in.person_id)
    return found


def code_of(session: Session, session_id: int, sign_in_id: int) -> StartCode | None:
    return session.scalars(select(StartCode).where(StartCode.session_id == session_id, StartCode.sign_in_id == sign_in_id)).first()


def live_codes(now: datetime) -> Select[StartCode]:
    """Codes whose proctor is signed in still and has the session still."""
    return (
        select(StartCode)
        .join(SignIn, SignIn.id == StartCode.sign_in_id)
        .join(Person, Person.id == SignIn.person_id)
        .join(
            ProctorAssignment,
            (ProctorAssignment.session_id == StartCode.session_id) & (ProctorAssignment.person_id == SignIn.person_id),
        )
        .where(SignIn.ended_at.is_(None), SignIn.expires_at > now, Person.closed_at.is_(None), ProctorAssignment.ended_at.is_(None))
    )


def proctor_is_here(session: Session, session_id: int, now: datetime) -> bool:
    return session.scalars(live_codes(now).where(StartCode.session_id == session_id).limit(1)).first() is not None


@dataclass(frozen=True)
class Found:
    """Who sits where, before anybody is signed in."""

    attempt: Attempt
    seat: int


def find_seated(session: Session, secret: bytes, typed_number: str, typed_code: str, now: datetime) -> Found:
    """The candidate of this number in the session of this code. The code comes first: without it nobody learns which numbers exist.

    Raises rules.WrongStartCode, NotOnRoster, NotSeated.
    """
    hashed = keyed_hash(secret, "start-code", plain_code(typed_code))
    sessions = set(session.scalars(live_codes(now).where(StartCode.code_hash == hashed).with_only_columns(StartCode.session_id)))
    if not sessions:
        raise rules.WrongStartCode
    appointment = _appointment(session, secret, sessions, typed_number, now)
    if appointment is None:
        raise rules.NotOnRoster
    here = seating_of(session, appointment.id)
    attempt = attempt_of(session, appointment.id)
    if here is None or attempt is None:
        raise rules.NotSeated
    return Found(attempt, here.seat)


def _appointment(session: Session, secret: bytes, sessions: set[int], typed: str, now: datetime) -> Appointment | None:
    """By candidate number, typed with or without its dashes, or by admission code."""
    plain = plain_code(typed)
    booked = session.scalars(select(Appointment).where(Appointment.session_id.in_(sessions), Appointment.state == "booked")).unique().all()
    for appointment in booked:
        number = appointment.person.candidate_number
        if number and plain and plain_code(number) == plain:
            return appointment
    try:
        person = accounts.find_by_code(session, secret, typed, now)
    except accounts.UnknownCode:
        return None
    return next((appointment for appointment in booked if appointment.person_id == person.id), None)


def room_is_paused(session: Session, session_id: int) -> bool:
    """Told by the events that the room's pause leaves: `delivery` does not know the proctor's tables."""
    last = session.scalars(
        select(bus.Event.kind)
        .where(bus.Event.attempt_id.is_(None), bus.Event.session_id == session_id, bus.Event.kind.in_(("room.paused", "room.resumed")))
        .order_by(bus.Event.id.desc())
        .limit(1)
    ).first()
    return last == "room.paused"


def check_begin(session: Session, attempt: Attempt, way: str, now: datetime) -> None:
    """What has to be true in the room before a clock starts there (T10). Raises the refusal that says what is not."""
    if way != WORKSTATION:
        raise rules.AtTheFacility
    if seating_of(session, attempt.appointment_id) is None:
        raise rules.NotSeated
    if not proctor_is_here(session, attempt.session_id, now):
        raise rules.NoProctorHere
    if room_is_paused(session, attempt.session_id):
        raise rules.RoomPaused


# ---------------------------------------------------------------- another workstation


def take_over_code(secret: bytes, row: TakeOverCode) -> str:
    return _take_over_letters(secret, row.attempt_id, row.issued_at)


def _take_over_letters(secret: bytes, attempt_id: int, issued_at: datetime) -> str:
    text = f"take over\0{attempt_id}\0{int(issued_at.timestamp() * 1000)}"
    return rules.spell(hmac.digest(secret, text.encode(), "sha256"), rules.TAKE_OVER_LETTERS)


def issue_take_over(session: Session, secret: bytes, attempt: Attempt, person: Person, now: datetime) -> TakeOverCode:
    """A code with which this test goes on at another workstation, once, within ten minutes. An earlier one ends."""
    if State(attempt.state) not in rules.UNDER_WAY:
        raise rules.NotNow(state=attempt.state)
    for older in session.scalars(
        select(TakeOverCode).where(TakeOverCode.attempt_id == attempt.id, TakeOverCode.used_at.is_(None), TakeOverCode.expires_at > now)
    ):
        older.expires_at = now
    # Whole milliseconds: the code is made anew from what is stored.
    issued_at = now - timedelta(microseconds=now.microsecond % 1000)
    row = TakeOverCode(
        attempt_id=attempt.id,
        code_hash=keyed_hash(secret, "take-over", _take_over_letters(secret, attempt.id, issued_at)),
        issued_by_id=person.id,
        issued_at=issued_at,
        expires_at=now + rules.TAKE_OVER_LASTS,
    )
    session.add(row)
    session.flush()
    _note(session, "room.take_over_issued", attempt.appointment, person, now, attempt)
    return row


def open_take_over(session: Session, attempt_id: int, now: datetime) -> TakeOverCode | None:
    return session.scalars(
        select(TakeOverCode)
        .where(TakeOverCode.attempt_id == attempt_id, TakeOverCode.used_at.is_(None), TakeOverCode.expires_at > now)
        .order_by(TakeOverCode.id.desc())
    ).first()


def find_take_over(session: Session, secret: bytes, typed_number: str, typed_code: str, now: datetime) -> TakeOverCode:
    """Raises rules.WrongTakeOverCode."""
    hashed = keyed_hash(secret, "take-over", plain_code(typed_code))
    row = session.scalars(select(TakeOverCode).where(TakeOverCode.code_hash == hashed)).first()
    if row is None or row.used_at is not None or now >= row.expires_at:
        raise rules.WrongTakeOverCode
    attempt = session.get_one(Attempt, row.attempt_id)
    appointment = _appointment(session, secret, {attempt.session_id}, typed_number, now)
    if appointment is None or appointment.id != attempt.appointment_id:
        raise rules.WrongTakeOverCode
    return row


def take_over(session: Session, row: TakeOverCode, device: str, now: datetime) -> Attempt:
    """Go on at this workstation. The older page becomes read-only; answers it still sends are kept aside, and a person looks at them."""
    attempt = session.get_one(Attempt, row.attempt_id)
    if State(attempt.state) not in rules.UNDER_WAY:
        raise rules.NotNow(state=attempt.state)
    row.used_at = now
    last = attempt.contact.newest
    silent = max(0, round((now - last).total_seconds())) if last else 0
    moved = attempt.device != device
    service.take_over(session, attempt, device, now)
    attempt.contact.http_at = now
    attempt.version += 1
    if moved:
        facts = {"epoch": attempt.epoch, "silent_seconds": silent}
        bus.publish(
            session, "room.taken_over", now, session_id=attempt.session_id, attempt_id=attempt.id, actor_id=attempt.person_id, **facts
        )
        audit.record(session, "attempt.device", f"attempt:{attempt.id}", now, attempt.person_id, **facts, code=row.id)
    session.flush()
    return attempt


def codes_issued(session: Session, session_id: int) -> list[tuple[StartCode, SignIn]]:
    rows = session.execute(
        select(StartCode, SignIn).join(SignIn, SignIn.id == StartCode.sign_in_id).where(StartCode.session_id == session_id)
    )
    return [(code, sign_in) for code, sign_in in rows.unique()]


def seatings(session: Session, session_id: int, *, now_only: bool = True) -> list[Seating]:
    chosen = select(Seating).where(Seating.session_id == session_id).order_by(Seating.id)
    return list(session.scalars(chosen.where(Seating.left_at.is_(None)) if now_only else chosen))


def no_shows(session: Session, session_id: int) -> list[NoShow]:
    return list(
        session.scalars(
            select(NoShow).join(Appointment, Appointment.id == NoShow.appointment_id).where(Appointment.session_id == session_id)
        )
    )


def all_attempts(session: Session, session_id: int) -> list[Attempt]:
    return list(session.scalars(select(Attempt).where(Attempt.session_id == session_id).order_by(Attempt.id)).unique())
