"""The demo's room at a City facility: a session that is open now, with made-up people, a few of whom have a seat already."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person, SignIn
from testing_platform.accounts.rules import Area, Role
from testing_platform.delivery import facility
from testing_platform.delivery import rules as delivery
from testing_platform.delivery.models import Attempt, StartCode
from testing_platform.demo import setup
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration, Appointment, Room, TestSession, Venue
from testing_platform.examinations.rules import Mode
from testing_platform.proctor import room_queries, room_rules
from testing_platform.settings import Settings
from testing_platform.storage import Folder, Vault

IDENTITIES = ("driver_licence", "city_badge", "passport")


def fill_facility(session: Session, settings: Settings, administration: Administration, now: datetime) -> TestSession:
    """Book the room of `facility.toml` beside the session at home, in the same administration, once."""
    found = session.scalars(
        select(TestSession).where(TestSession.administration_id == administration.id, TestSession.room_id.is_not(None))
    ).first()
    if found is not None:
        return found
    plan = setup.read("facility.toml")
    room = session.scalars(select(Room).join(Venue).where(Venue.name == plan["venue"], Room.name == plan["room"])).first()
    if room is None:
        room = examinations.add_room(session, venue=plan["venue"], address=plan["address"], name=plan["room"], seats=plan["seats"], now=now)
    place = examinations.open_session(
        session,
        administration,
        title="At City Hall, open session",
        mode=Mode.FACILITY,
        window=setup.todays_window(now),
        zone=setup.ZONE,
        now=now,
        room=room,
    )
    known = {person.email: person for person in session.scalars(select(Person))}
    booked = []
    for one in plan["candidate"]:
        person = known.get(one["email"]) or accounts.add_person(
            session,
            name=f"{one['given_name']} {one['family_name']}",
            email=one["email"],
            roles={Role.CANDIDATE},
            now=now,
            candidate_number=one["number"],
        )
        person.locale = one["language"]
        booked.append(examinations.book(session, person, place, one.get("accommodation", {}), now))
    for role in (Role.FACILITY_PROCTOR, Role.LEAD_PROCTOR):
        examinations.assign_proctor(session, place, setup.person_with(session, role), now)
    for appointment in booked[: plan["seated"]]:
        _seat(session, settings, place, appointment, now)
    proctor = setup.person_with(session, Role.FACILITY_PROCTOR)
    facility.record_no_show(session, booked[plan["seated"]], plan["no_show"], "", proctor, now)
    return place


def _seat(session: Session, settings: Settings, place: TestSession, appointment: Appointment, now: datetime) -> None:
    vault = Vault(settings.vault_key, Folder(settings.data / "objects"))
    rows = room_queries.seat_plan(place, room_queries.roster(session, place, now))
    number = room_rules.next_seat({seat for seat, row in rows if row is not None}, len(rows))
    assert number is not None
    proctor = setup.person_with(session, Role.FACILITY_PROCTOR)
    facility.seat(session, appointment, number, IDENTITIES[number % 3], "", proctor, vault.new_key, now)


def open_room(session: Session) -> TestSession:
    """The session of the room that stays open longest."""
    closes_at = TestSession.__table__.c.closes_at
    return session.scalars(
        select(TestSession).where(TestSession.room_id.is_not(None)).order_by(closes_at.desc(), TestSession.id.desc()).limit(1)
    ).one()


def seated_visitor(session: Session, settings: Settings, now: datetime) -> Attempt:
    """Somebody of the room who has a seat and has not begun; the next one who is expected gets one, and another is made up when all are through."""
    place = open_room(session)
    rows = room_queries.roster(session, place, now)
    for row in rows:
        if row.standing is room_rules.Standing.SEATED and row.attempt is not None:
            return row.attempt
    expected = next((row.appointment for row in rows if row.standing is room_rules.Standing.EXPECTED), None)
    appointment = expected
    if appointment is None:
        person = setup.add_candidate(session, "room", now, place)
        appointment = session.scalars(select(Appointment).where(Appointment.person_id == person.id)).one()
    _seat(session, settings, place, appointment, now)
    attempt = facility.attempt_of(session, appointment.id)
    assert attempt is not None
    return attempt


def code_on_the_board(session: Session, settings: Settings, now: datetime) -> str:
    """The start code as the room would see it; if no proctor has made one, the demo's proctor comes in and does."""
    place = open_room(session)
    live = session.scalars(facility.live_codes(now).where(StartCode.session_id == place.id).order_by(StartCode.id.desc()).limit(1)).first()
    if live is None:
        proctor = setup.person_with(session, Role.FACILITY_PROCTOR)
        token = accounts.sign_in(session, settings.secret, proctor, Area.PROCTOR, "link", now)
        session.flush()
        sign_in = accounts.find_sign_in(session, settings.secret, token, Area.PROCTOR, now)
        assert isinstance(sign_in, SignIn)
        live = facility.issue_start_code(session, settings.secret, place, sign_in, now)
    return delivery.spaced(facility.start_code(settings.secret, place.id, live.sign_in_id))
