import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.digests import canonical
from testing_platform.examinations import rules
from testing_platform.examinations.models import (
    Administration,
    Appointment,
    Bulletin,
    Examination,
    JobClass,
    ProctorAssignment,
    Room,
    TestSession,
    Venue,
)
from testing_platform.itembank import service as itembank
from testing_platform.itembank.models import Form


def publish_bulletin(session: Session, *, code: str, title: str, open_on: date, content: dict[str, Any], now: datetime) -> Bulletin:
    """A new version; an earlier one stays for those who filed under it."""
    rules.TestDay.of(content["test_day"])
    job_class = session.scalars(select(JobClass).where(JobClass.code == code)).first()
    if job_class is None:
        job_class = JobClass(code=code, title=title)
        session.add(job_class)
        session.flush()
    last = session.scalar(select(func.max(Bulletin.number)).where(Bulletin.job_class_id == job_class.id, Bulletin.open_on == open_on))
    bulletin = Bulletin(
        job_class_id=job_class.id,
        open_on=open_on,
        number=(last or 0) + 1,
        content=content,
        digest=hashlib.sha256(canonical(content)).hexdigest(),
        published_at=now,
    )
    session.add(bulletin)
    session.flush()
    audit.record(session, "bulletin.published", f"bulletin:{bulletin.id}", now, digest=bulletin.digest)
    return bulletin


def plan_administration(session: Session, examination: Examination, form: Form, test_day: dict[str, Any], now: datetime) -> Administration:
    """Binds a form, which is locked from then on."""
    rules.TestDay.of(test_day)
    itembank.lock_form(session, form, now)
    last = session.scalar(select(func.max(Administration.number)).where(Administration.examination_id == examination.id))
    administration = Administration(examination_id=examination.id, number=(last or 0) + 1, form_id=form.id, test_day=test_day)
    session.add(administration)
    session.flush()
    audit.record(session, "administration.planned", f"administration:{administration.id}", now, form=form.digest)
    return administration


class FormFixed(errors.Refusal):
    """What the administration gives cannot be changed any more; `why`: check-in has opened, or a key was made."""

    code = "form-fixed"


# What later packages know that fixes the form of an administration. They register here, for this package knows none of them.
Fixes = Callable[[Session, Administration], bool]
_fixes: list[tuple[str, Fixes]] = []


def fixes_form(why: str) -> Callable[[Fixes], Fixes]:
    def register(fixes: Fixes) -> Fixes:
        _fixes.append((why, fixes))
        return fixes

    return register


def form_fixed(session: Session, administration: Administration, now: datetime) -> str:
    """Why the form cannot be changed: check-in, key; else nothing."""
    opens = rules.TestDay.of(administration.test_day).check_in_opens
    places = session.scalars(select(TestSession).where(TestSession.administration_id == administration.id))
    if any(place.window.opens_at - opens <= now for place in places):
        return "check-in"
    return next((why for why, fixes in _fixes if fixes(session, administration)), "")


def give(session: Session, administration: Administration, form: Form, now: datetime, person: Person) -> None:
    """From now on the administration gives this form, which is locked. Raises FormFixed, itembank.NotToBeGiven."""
    if why := form_fixed(session, administration, now):
        raise FormFixed(why=why)
    itembank.lock_form(session, form, now, person.id)
    before, administration.form_id = administration.form_id, form.id
    session.flush()
    session.refresh(administration, ["form"])
    audit.record(session, "administration.form", f"administration:{administration.id}", now, person.id, before=before, after=form.digest)


def open_session(
    session: Session,
    administration: Administration,
    *,
    title: str,
    mode: rules.Mode,
    window: rules.Window,
    zone: str,
    now: datetime,
    room: Room | None = None,
) -> TestSession:
    found = TestSession(
        administration_id=administration.id, title=title, mode=mode, window=window, zone=zone, room_id=None if room is None else room.id
    )
    session.add(found)
    session.flush()
    audit.record(session, "session.opened", f"session:{found.id}", now, mode=mode, room=found.room_id)
    return found


def add_room(session: Session, *, venue: str, address: str, name: str, seats: int, now: datetime) -> Room:
    """A room of a City facility, with as many workstations as seats; the same venue is found again by its name."""
    where = session.scalars(select(Venue).where(Venue.name == venue)).first()
    if where is None:
        where = Venue(name=venue, address=address)
        session.add(where)
        session.flush()
    room = Room(venue_id=where.id, name=name, seats=seats)
    session.add(room)
    session.flush()
    audit.record(session, "room.added", f"room:{room.id}", now, seats=seats)
    return room


def booked(session: Session, session_id: int) -> int:
    found = select(func.count()).select_from(Appointment).where(Appointment.session_id == session_id, Appointment.state == "booked")
    return session.scalar(found) or 0


def book(session: Session, person: Person, place: TestSession, settings: dict[str, Any], now: datetime) -> Appointment:
    """A place in the session. Raises rules.RoomFull when every seat of its room is booked."""
    rules.multiplier(settings)
    if place.room is not None and booked(session, place.id) >= place.room.seats:
        raise rules.RoomFull(seats=place.room.seats)
    appointment = Appointment(
        person_id=person.id,
        administration_id=place.administration_id,
        session_id=place.id,
        settings=settings,
        booked_at=now,
        state="booked",
    )
    session.add(appointment)
    session.flush()
    audit.record(session, "appointment.booked", f"appointment:{appointment.id}", now, person=person.id)
    return appointment


def assign_proctor(session: Session, place: TestSession, person: Person, now: datetime) -> None:
    if session.get(ProctorAssignment, (place.id, person.id)) is None:
        session.add(ProctorAssignment(session_id=place.id, person_id=person.id, assigned_at=now))
        audit.record(session, "proctor.assigned", f"session:{place.id}", now, person=person.id)
