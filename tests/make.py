"""Objects for tests: each call fills in what the test does not care about."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import BANK_ROLES, Role
from testing_platform.delivery import facility
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Attempt, Response
from testing_platform.delivery.rules import STEPS, State
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration, Appointment, Examination, TestSession
from testing_platform.examinations.rules import Mode, Window
from testing_platform.integrity import service as leads
from testing_platform.integrity.rules import Conclusion
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank import service as itembank
from testing_platform.itembank.assembly import blueprint as blueprints
from testing_platform.itembank.assembly import loft
from testing_platform.itembank.models import Bank, Form, FormSlot, Item, ItemVersion
from testing_platform.itembank.rules import Content, Kind, Option
from testing_platform.proctor import room_service
from testing_platform.scoring import holds, rulings
from testing_platform.scoring import rules as scoring_rules
from testing_platform.scoring import service as scoring
from testing_platform.scoring.models import PassingScoreDecision

NOON = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
ITEMS = 6
TEST_DAY: dict[str, Any] = {
    "time_limit_minutes": 75,
    "check_in_opens_minutes": 30,
    "contact_patience_seconds": 20,
    "same_device_return_seconds": 120,
    "late_grace_seconds": 5,
    "proctor_grant_minutes": 10,
    "lead_grant_minutes": 60,
    "automatic_hold_cap_minutes": 10,
    "abandoned_after_minutes": 60,
}
CONSENTS = [
    {
        "kind": "camera_live",
        "version": "1",
        "required": True,
        "proceeds": ["allow"],
        "title": "Camera",
        "text": "A proctor sees you.",
        "choices": [{"id": "allow", "label": "Yes"}, {"id": "facility", "label": "No"}],
    },
    {
        "kind": "detectors",
        "version": "1",
        "required": False,
        "proceeds": ["allow", "people_only"],
        "title": "Software",
        "text": "It marks.",
        "choices": [{"id": "allow", "label": "Yes"}, {"id": "people_only", "label": "People only"}],
    },
]
RULES = {"title": "Before you begin", "sections": [{"code": "clock", "heading": "The clock", "points": ["It starts at Begin."]}]}

_count = itertools.count(1)


def person(session: Session, *roles: Role, name: str | None = None, now: datetime = NOON) -> Person:
    n = next(_count)
    number = f"C-{n:05d}" if Role.CANDIDATE in roles else None
    return accounts.add_person(
        session, name=name or f"Test Person {n}", email=f"person-{n}@example.org", roles=set(roles), now=now, candidate_number=number
    )


def in_use(version: ItemVersion, owner: Person, now: datetime = NOON) -> None:
    """As if every signature had been given; how they are is asked in `tests/itembank`."""
    version.approved_by_id, version.approved_at, version.state = owner.id, now, "active"


def several(session: Session, form: Form, slot: int = 1, most: int = 2, now: datetime = NOON) -> ItemVersion:
    """Puts a question into the slot of which a and c are right together."""
    item = Item(bank_id=form.bank_id, code=f"M-{next(_count)}", area="CST")
    session.add(item)
    session.flush()
    content = Content(
        stem="<p>Which two?</p>",
        options=tuple(Option(key, f"Option {key}") for key in "abcd"),
        correct=("c", "a"),
        kind=Kind.MULTIPLE,
        max_choices=most,
    )
    version = itembank.write(session, item, content, None, "medium", now)
    in_use(version, person(session, Role.ANALYST, now=now), now)
    session.flush()
    session.get_one(FormSlot, (form.id, slot)).item_version_id = version.id
    return version


def administration(session: Session, now: datetime = NOON, **day: Any) -> Administration:
    bank = Bank(name=f"Bank {next(_count)}", created_at=now)
    session.add(bank)
    session.flush()
    codes = [f"I-{n}" for n in range(1, ITEMS + 1)]
    owner = person(session, Role.ANALYST, now=now)
    for code in codes:
        version = itembank.keep_item(
            session,
            bank,
            itembank.ItemDraft(
                code=code,
                area="CST",
                stem=f"What does {code} ask?",
                options={key: f"Option {key}" for key in "abcd"},
                correct=("b",),
                rationale="Because.",
                difficulty="medium",
            ),
            {},
            now,
        )
        in_use(version, owner, now)
    form = itembank.compose_form(session, bank, "A", codes, timedelta(minutes=75), now)
    settings = TEST_DAY | day
    bulletin = examinations.publish_bulletin(
        session,
        code=f"{next(_count)}",
        title="Customer Service Specialist",
        open_on=date(2026, 9, 1),
        content={"test_day": settings, "consents": CONSENTS, "rules": RULES},
        now=now,
    )
    examination = Examination(bulletin_id=bulletin.id, title="Customer Service Specialist")
    session.add(examination)
    session.flush()
    return examinations.plan_administration(session, examination, form, settings, now)


def place(session: Session, now: datetime = NOON, mode: Mode = Mode.REMOTE, **day: Any) -> TestSession:
    """A session that opened an hour ago and closes in eight."""
    return examinations.open_session(
        session,
        administration(session, now, **day),
        title="At home",
        mode=mode,
        window=Window(now - timedelta(hours=1), now + timedelta(hours=8)),
        zone="America/Los_Angeles",
        now=now,
    )


def proctor(session: Session, where: TestSession, role: Role = Role.PROCTOR, now: datetime = NOON) -> Person:
    found = person(session, role, now=now)
    examinations.assign_proctor(session, where, found, now)
    return found


def room(session: Session, now: datetime = NOON, seats: int = 24, where: TestSession | None = None, **day: Any) -> TestSession:
    """A session in a room of a City facility that opened an hour ago; `where`: in the administration of that one."""
    n = next(_count)
    return examinations.open_session(
        session,
        where.administration if where else administration(session, now, **day),
        title=f"Room {n}",
        mode=Mode.FACILITY,
        window=Window(now - timedelta(hours=1), now + timedelta(hours=8)),
        zone="America/Los_Angeles",
        now=now,
        room=examinations.add_room(session, venue=f"Annex {n}", address="200 Larkspur Avenue", name=f"Room {n}", seats=seats, now=now),
    )


def booked(session: Session, where: TestSession, now: datetime = NOON, name: str | None = None, **settings: Any) -> Appointment:
    return examinations.book(session, person(session, Role.CANDIDATE, name=name, now=now), where, settings, now)


def seated(
    session: Session, where: TestSession, seat: int, by: Person, now: datetime = NOON, name: str | None = None, **settings: Any
) -> Attempt:
    """A candidate whose document was looked at, in a seat."""
    appointment = booked(session, where, now, name, **settings)
    facility.seat(session, appointment, seat, "passport", "", by, lambda: b"not a key", now)
    found = facility.attempt_of(session, appointment.id)
    assert found is not None
    return found


def attempt(
    session: Session,
    *,
    state: State = State.IN_PROGRESS,
    started: timedelta = timedelta(),
    where: TestSession | None = None,
    mode: Mode = Mode.REMOTE,
    multiplier: str = "1",
    now: datetime = NOON,
    device: str = "this-browser",
    **day: Any,
) -> Attempt:
    """An attempt brought to `state` through the services; `started` ago."""
    began = now - started
    where = where or place(session, began, mode, **day)
    candidate = person(session, Role.CANDIDATE, now=began)
    booked = examinations.book(session, candidate, where, {"time_multiplier": multiplier}, began)
    found = attempts.check_in(session, booked, b"not a key", began)
    if state is State.CHECKING_IN:
        return found
    for step in STEPS[found.mode]:
        attempts.finish_step(session, found, step, began)
    if state is State.AWAITING:
        return found
    attempts.move(session, found, attempts.Event.ADMIT, attempts.Who.PROCTOR, began)
    if state is State.ADMITTED:
        return found
    attempts.begin(session, found, device, began)
    found.contact.http_at = now
    if state is State.PAUSED_PROCTOR:
        attempts.hold(session, found, attempts.Event.PAUSE, attempts.Who.PROCTOR, now, now, cause="proctor")
    if state is State.SUBMITTED:
        attempts.submit(session, found, now)
    session.flush()
    assert found.state == state
    return found


def handed_in(session: Session, where: TestSession, right: int, now: datetime = NOON, **booking: Any) -> Attempt:
    """A submitted attempt with so many of the form's items right, the others wrong."""
    found = attempt(session, where=where, now=now)
    for slot in range(1, ITEMS + 1):
        session.add(
            Response(
                attempt_id=found.id,
                device="browser-1",
                seq=slot,
                epoch=1,
                slot=slot,
                option="b" if slot <= right else "a",
                state="answered",
                elapsed_ms=1000,
                received_at=now,
                standing="counted",
            )
        )
    session.flush()
    attempts.submit(session, found, now)
    appointment = session.get_one(Appointment, found.appointment_id)
    for name, value in booking.items():
        setattr(appointment, name, value)
    session.flush()
    return found


def proposed(session: Session, where: TestSession, cut: int, now: datetime, hold_harmless: bool = False) -> PassingScoreDecision:
    """The first signature under a passing score for those who have handed in, the second still missing. Unless said, nobody is held harmless."""
    analyst = person(session, Role.ANALYST, now=now)
    one = where.administration
    scoring.end_sessions(session, one, analyst, now)
    scoring.lock_key(session, one, analyst, now)
    scoring.run(session, one, analyst, now)
    inputs = scoring_rules.Inputs(vacancies_now=1, vacancies_expected=0, below_reason="A short form.", rates_reason="A made-up one.")
    return scoring.propose(
        session, one, analyst, cut, inputs, "Enough for the vacancies.", now, hold_harmless=hold_harmless, taken_back_reason="It was wrong."
    )


def decided(session: Session, where: TestSession, cut: int, now: datetime, hold_harmless: bool = False) -> PassingScoreDecision:
    """Both signatures: from now on there are results."""
    return scoring.approve(session, proposed(session, where, cut, now, hold_harmless), person(session, Role.APPROVER, now=now), now)


@dataclass
class Everyone:
    """One person of each role and two sessions, so that a test can ask as anyone for another's objects."""

    people: dict[str, Person] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    sessions: dict[str, TestSession] = field(default_factory=dict)
    reports: dict[str, int] = field(default_factory=dict)


def everyone(session: Session, now: datetime) -> Everyone:
    found = Everyone()
    for name in ("here", "there"):
        found.sessions[name] = place(session, now)
        found.attempts[name] = attempt(session, where=found.sessions[name], now=now)
        found.people[f"candidate_{name}"] = session.scalars(select(Person).where(Person.id == found.attempts[name].person_id)).one()
        found.people[f"proctor_{name}"] = proctor(session, found.sessions[name], now=now)
        found.people[f"lead_{name}"] = proctor(session, found.sessions[name], Role.LEAD_PROCTOR, now=now)
        here = found.sessions[f"room_{name}"] = room(session, now)
        by = found.people[f"facility_{name}"] = proctor(session, here, Role.FACILITY_PROCTOR, now)
        examinations.assign_proctor(session, here, found.people[f"lead_{name}"], now)
        found.attempts[f"room_{name}"] = seated(session, here, 1, by, now)
        found.reports[name] = room_service.report(session, here, None, "other", "other", "A bell rang.", now, None, by, now).id
    for role in (Role.ANALYST, Role.APPROVER, Role.SCHEDULER, Role.AUDITOR, Role.OPERATOR, Role.VALIDATION_ANALYST, *BANK_ROLES):
        found.people[str(role)] = person(session, role, now=now)
    form = found.sessions["here"].administration.form
    cell = {"area": "CST", "min": 1, "max": 1}
    document = {
        "name": "Small",
        "title": "A small test",
        "difficulty": {"mean": 0.7, "within": 0.1},
        "section": [{"name": "1", "items": 1, "minutes": 5, "cell": [cell]}],
    }
    blueprint = forms.keep_blueprint(session, session.get_one(Bank, form.bank_id), document, now)
    forms.ask(session, blueprint, 1, 1, now)
    items = form_queries.pool(session, blueprint.bank, blueprints.of(document), now.date())
    forms.keep_pool(session, blueprint, loft.FrozenPool(document, items, 1.0, [], [1.0] * len(items)), 1, now)
    # Experts are asked about an item, by somebody else.
    rulings.ask(session, found.sessions["here"].administration, person(session, Role.ANALYST, now=now), {1: []}, now)
    # One administration is through: two people have signed its passing score.
    found.sessions["released"] = place(session, now)
    found.attempts["released"] = handed_in(session, found.sessions["released"], ITEMS, now)
    found.people["candidate_released"] = found.attempts["released"].person
    run = decided(session, found.sessions["released"], 1, now).run
    holds.place(session, found.attempts["here"], "The room was not alone.", found.people["lead_here"], now)
    # A lead of the session here was referred; on which scores it rests does not matter to who may read it.
    leads.conclude(
        session,
        found.sessions["here"].administration,
        run,
        (found.attempts["here"].id, None),
        Conclusion.REFERRED,
        "A bell rang.",
        {},
        found.people[str(Role.ANALYST)],
        now,
        0,
    )
    return found
