"""Fills a data folder through the real services: bank, form, bulletin, an administration that is open now, people."""

import tomllib
from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person, RoleGrant
from testing_platform.accounts.rules import Role
from testing_platform.delivery.models import Attempt
from testing_platform.demo import bank as demo_bank
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Appointment, Examination, TestSession
from testing_platform.examinations.rules import Mode, Window
from testing_platform.itembank import forms
from testing_platform.itembank import rules as bank_rules
from testing_platform.itembank import service as itembank
from testing_platform.itembank.models import Bank, Form
from testing_platform.settings import Settings

DATA = Path(__file__).parent / "data"
BANK = "Customer Service Specialist"
ZONE = "America/Los_Angeles"


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


def test_day(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """The bulletin's numbers of a test day, each with its source, under the names that carry their unit."""
    found = {}
    for entry in settings:
        name = str(entry["name"])
        if name == "check_in_opens_before":
            name = "check_in_opens"
        unit = str(entry.get("unit", ""))
        if unit in ("minutes", "seconds") and not name.endswith(unit):
            name = f"{name}_{unit}"
        found[name] = {"value": entry["value"], "source": entry["source"]}
    return found


test_day.__test__ = False  # type: ignore[attr-defined]


def bulletin_content() -> dict[str, Any]:
    content = read("bulletin_1229.toml")
    content["test_day"] = test_day(content["setting"])
    content["consents"] = read("consent.toml")["consent"]
    words = read("rules.toml")
    for language in ("en", "es"):
        words[language]["sections"] = read("facility.toml")[language]["section"] + words[language].pop("section")
    content["rules"] = words
    return content


def check_key(item: dict[str, Any]) -> None:
    """Compute an arithmetic item's answer anew. Raises FaultyItem unless its key, and no other option, has that value."""
    check = item.get("check")
    if check is None:
        return
    right = bank_rules.amount(check["expression"], check["round"])
    matching = [key for key, value in check["values"].items() if Decimal(str(value)) == right]
    if matching != [item["key"]]:
        raise itembank.FaultyItem(item=item["code"], why="the key is not what the arithmetic gives", value=str(right))


def fill_bank(session: Session, now: datetime, codes: Collection[str] | None = None) -> Bank:
    """The bank with all its items, or with these alone."""
    fill_staff(session, now)
    areas = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((DATA / "bank").glob("*.toml"))]
    bank = itembank.open_bank(session, BANK, now, [(area["area"], area["title"]) for area in areas])
    itembank.state_job(session, bank, job_statements())
    writer = person_with(session, Role.ITEM_WRITER)
    kept = []
    for area in areas:
        stimuli = {
            one["code"]: itembank.keep_stimulus(
                session, bank, one["code"], one["title"], one.get("html") or bank_rules.paragraphs(one["text"])
            )
            for one in area.get("stimulus", [])
        }
        for item in area["item"]:
            if codes is not None and item["code"] not in codes:
                continue
            check_key(item)
            kept.append(itembank.keep_item(session, bank, draft(item, area["area"]), stimuli, now, writer))
    demo_bank.settle(session, kept, now)
    return bank


def draft(item: dict[str, Any], area: str) -> itembank.ItemDraft:
    return itembank.ItemDraft(
        code=item["code"],
        area=area,
        stem=item["stem"],
        options=item["options"],
        correct=(item["key"],),
        rationale=item["rationale"],
        difficulty=item["difficulty"],
        stimulus=item.get("stimulus"),
        level=item["level"],
        statements=tuple(item["statements"]),
        calculator=item.get("calculator", False),
    )


def job_statements() -> list[tuple[str, bank_rules.Statement, str, str]]:
    """Code, kind, text and source of each duty, knowledge and ability that the class specification and the bulletin name."""
    return [
        (code, bank_rules.Statement(group["kind"]), text, group["source"])
        for group in read("job_1229.toml")["group"]
        for code, text in group["statement"].items()
    ]


def bank_items() -> dict[str, dict[str, Any]]:
    """Every item of the bank's files by its code, with its area."""
    areas = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((DATA / "bank").glob("*.toml"))]
    return {item["code"]: {**item, "area": area["area"]} for area in areas for item in area["item"]}


def fill(session: Session, settings: Settings) -> None:
    """Everything that an open day needs. Again for the same data folder it adds what is missing and makes sure that a session is open."""
    now = clock.now()
    examination = announce(session, now)
    form = live_form(session, now)
    # The last is the one that the bank is held against.
    for name in ("blueprint_example.toml", "blueprint_1229.toml"):
        forms.keep_blueprint(session, session.get_one(Bank, form.bank_id), read(name), now)
    fill_people(session, now)
    if not _is_open(session, now):
        # A demo of yesterday gets a new administration today, as a department would plan another test date.
        _open(session, examination, form, examination.bulletin.content["test_day"], now)
    _plan_ahead(session, examination, form, now)
    from testing_platform.demo import facility

    facility.fill_facility(session, settings, open_session(session).administration, now)


def announce(session: Session, now: datetime, published_at: datetime | None = None, *, anew: bool = False) -> Examination:
    """The newest examination; the first time, or `anew`, under the demo's bulletin. The bulletin's days are counted from `now`."""
    found = session.scalars(select(Examination).order_by(Examination.id.desc())).first()
    if found is not None and not anew:
        return found
    content = bulletin_content()
    if anew and found is None:
        # The administration that is counted is its own.
        del content["policy"]["passing_score"]["past"]
    today = now.astimezone(ZoneInfo(ZONE)).date()
    open_on: date = today + timedelta(days=content["bulletin"]["open_on"]["day"])
    bulletin = examinations.publish_bulletin(
        session, code=content["class"]["code"], title=content["class"]["title"], open_on=open_on, content=content, now=published_at or now
    )
    examination = Examination(bulletin_id=bulletin.id, title=content["class"]["title"])
    session.add(examination)
    session.flush()
    return examination


def live_form(session: Session, now: datetime) -> Form:
    """The form of an open day, of items whose keys were all checked."""
    plan = read("form_a.toml")
    bank = fill_bank(session, now)
    found = session.scalars(select(Form).where(Form.bank_id == bank.id, Form.name == plan["name"]).order_by(Form.id.desc())).first()
    return found or itembank.compose_form(session, bank, plan["name"], plan["items"], timedelta(minutes=plan["minutes"]), now)


def fill_staff(session: Session, now: datetime) -> None:
    _fill_people(session, now, ("staff",))


def fill_people(session: Session, now: datetime) -> None:
    _fill_people(session, now, ("crowd", "visitor", "staff"))


def _fill_people(session: Session, now: datetime, groups: tuple[str, ...]) -> None:
    people = read("people.toml")
    known = set(session.scalars(select(Person.email)))
    for group in groups:
        for one in people[group]:
            if one["email"] in known:
                continue
            staff = group == "staff"
            person = accounts.add_person(
                session,
                name=f"{one['given_name']} {one['family_name']}",
                email=one["email"],
                roles={Role(one["role"])} if staff else {Role.CANDIDATE},
                now=now,
                candidate_number=None if staff else one["number"],
            )
            if not staff:
                person.locale = one.get("language", "en")


def todays_window(now: datetime) -> Window:
    """Open since the last quarter of an hour, as a department would set it: in every zone of the world the same minutes."""
    opens_at = now.replace(minute=now.minute - now.minute % 15, second=0, microsecond=0)
    return Window(opens_at, opens_at + timedelta(hours=14))


def _open(session: Session, examination: Examination, form: Form, day: dict[str, Any], now: datetime) -> TestSession:
    administration = examinations.plan_administration(session, examination, form, day, now)
    place = examinations.open_session(
        session, administration, title="At home, open session", mode=Mode.REMOTE, window=todays_window(now), zone=ZONE, now=now
    )
    people = read("people.toml")
    by_email = {person.email: person for person in session.scalars(select(Person))}
    for group in ("crowd", "visitor"):
        for one in people[group]:
            settings = one.get("accommodation", one.get("settings", {}))
            examinations.book(session, by_email[one["email"]], place, settings, now)
    for person in by_email.values():
        if person.roles & {Role.PROCTOR, Role.LEAD_PROCTOR}:
            examinations.assign_proctor(session, place, person, now)
    return place


AHEAD = timedelta(days=21)


def _plan_ahead(session: Session, examination: Examination, form: Form, now: datetime) -> None:
    """A test date on which nothing is fixed yet: what it gives can still be chosen."""
    if session.scalars(select(TestSession).where(TestSession.__table__.c.opens_at > now + AHEAD / 3)).first() is not None:
        return
    window = todays_window(now)
    administration = examinations.plan_administration(session, examination, form, examination.bulletin.content["test_day"], now)
    later = Window(window.opens_at + AHEAD, window.closes_at + AHEAD)
    examinations.open_session(session, administration, title="At home, next test date", mode=Mode.REMOTE, window=later, zone=ZONE, now=now)


def _remote_sessions() -> Select[Any]:
    """The one that stays open longest first: a past day, one ahead and a day at a facility are never it."""
    opens_at, closes_at = TestSession.__table__.c.opens_at, TestSession.__table__.c.closes_at
    begun = select(TestSession).where(TestSession.mode == Mode.REMOTE, opens_at <= clock.now())
    return begun.order_by(closes_at.desc(), TestSession.id.desc()).limit(1)


def _is_open(session: Session, now: datetime) -> bool:
    newest = session.scalars(_remote_sessions()).first()
    return newest is not None and now < newest.window.closes_at - timedelta(hours=2)


def open_session(session: Session) -> TestSession:
    """The session at home that is open now."""
    return session.scalars(_remote_sessions()).one()


def person_with(session: Session, role: Role, number: int = 0) -> Person:
    """The made-up member of staff who comes `number`th with this role."""
    holders = select(RoleGrant.person_id).where(RoleGrant.role == role, RoleGrant.ended_at.is_(None))
    people = session.scalars(select(Person).where(Person.id.in_(holders)).order_by(Person.id)).all()
    return people[min(number, len(people) - 1)]


def still_to_test(session: Session, group: str) -> list[Person]:
    """Those of the group (crowd, visitor) with a place in the open session who have not handed in."""
    place = open_session(session)
    emails = {one["email"] for one in read("people.toml")[group]}
    rows = (
        session.execute(
            select(Person, Attempt.submitted_at, Attempt.state)
            .join(Appointment, Appointment.person_id == Person.id)
            .outerjoin(Attempt, Attempt.appointment_id == Appointment.id)
            .where(Appointment.session_id == place.id)
            .order_by(Person.id)
        )
        .unique()
        .all()
    )
    return [
        person
        for person, submitted_at, state in rows
        if (person.email in emails or person.email.startswith(f"{group}-")) and submitted_at is None and state != "refused"
    ]


def free_visitor(session: Session, now: datetime) -> Person:
    """The visitor whose test is still open, or the next who has not begun; another is made up when all are through."""
    return next(iter(still_to_test(session, "visitor")), None) or add_candidate(session, "visitor", now)


NAMES = ("Birch", "Quartz", "Cedar", "Onyx", "Maple", "Jasper", "Willow", "Flint", "Hazel", "Garnet", "Rowan", "Slate")


def add_candidate(session: Session, group: str, now: datetime, place: TestSession | None = None) -> Person:
    """One more made-up candidate with a place in the open session, or in this one."""
    count = session.scalar(select(func.count()).select_from(Person)) or 0
    name = f"Demo {NAMES[count % len(NAMES)]} {count}"
    person = accounts.add_person(
        session, name=name, email=f"{group}-{count}@example.org", roles={Role.CANDIDATE}, now=now, candidate_number=f"C-1229-{count + 1000}"
    )
    examinations.book(session, person, place or open_session(session), {}, now)
    return person


def crowd_codes(session: Session, settings: Settings, count: int) -> list[str]:
    """A fresh admission code for each of `count` candidates of the crowd who can still take the test."""
    now = clock.now()
    people = still_to_test(session, "crowd")
    while len(people) < count:
        people.append(add_candidate(session, "crowd", now))
    return [accounts.issue_admission_code(session, settings.secret, p, now, now + timedelta(hours=16)) for p in people[:count]]
