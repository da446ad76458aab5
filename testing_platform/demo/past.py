"""The demo's administration of weeks ago: everyone has handed in and nothing is scored yet.

Who the candidates are and what they do follows from a seed alone (`candidates`, `sitting`). Then each act is done through the service that real
candidates and proctors reach it by, in the order of the instants, in one transaction: the trail reads as if it had been written on that day.
"""

import math
import random
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.db import Database, Statement, stamp
from testing_platform.delivery import comments, facility, lines
from testing_platform.delivery import service as attempts
from testing_platform.delivery.answers import Answers, Batch, EventIn
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import Clock, Step
from testing_platform.demo import bank as demo_bank
from testing_platform.demo import setup
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration, Appointment, Examination, ProctorAssignment, TestSession
from testing_platform.examinations.rules import Mode, Window, multiplier
from testing_platform.itembank import service as itembank
from testing_platform.itembank.models import Bank, Form
from testing_platform.proctor import service as proctoring
from testing_platform.proctor.rules import Act
from testing_platform.scoring import groups_file, impact_service
from testing_platform.settings import Settings
from testing_platform.storage import Folder, Vault

PLAN = setup.read("past.toml")
# A page that is there is heard of each 10 s by its live link.
_HEARD = Statement("UPDATE contacts SET live_at = :at WHERE attempt_id = :attempt")
SECOND = timedelta(seconds=1)


# ------------------------------------------------------------ who they are


@dataclass(frozen=True)
class Candidate:
    number: int
    name: str
    email: str
    phone: str
    external_id: str
    language: str
    basis: str
    settings: dict[str, Any]
    session: int
    shows: bool

    @property
    def chance(self) -> random.Random:
        return random.Random(f"{PLAN['seed']} {self.number}")


def candidates() -> list[Candidate]:
    """The same people at each call, in the order of their numbers."""
    chance = random.Random(f"{PLAN['seed']} people")
    count = PLAN["candidates"] + PLAN["no_shows"]
    names = chance.sample([(given, family) for given in PLAN["names"]["given"] for family in PLAN["names"]["family"]], count)
    away = set(chance.sample(range(count), PLAN["no_shows"]))
    return [
        Candidate(
            number=PLAN["first_number"] + n,
            name=f"{given} {family}",
            email=f"{given}.{family}@example.org".lower(),
            phone=f"555-01{chance.randrange(100):02}",
            external_id=f"A-{48200 + 7 * n}",
            language="es" if chance.random() < 0.12 else "en",
            basis="PROMOTIONAL" if chance.random() < 0.18 else "OPEN",
            settings=_accommodation(chance.randrange(1000)),
            session=n % len(PLAN["session"]),
            shows=n not in away,
        )
        for n, (given, family) in enumerate(names)
    ]


def _accommodation(draw: int) -> dict[str, Any]:
    for one in PLAN["accommodation"]:
        draw -= one["per_thousand"]
        if draw < 0:
            return dict(one["settings"])
    return {}


# ------------------------------------------------------------ what they do


@dataclass(frozen=True)
class Item:
    """An item as it is to those who answer it: `best` is what the able choose, whatever its key says."""

    slot: int
    best: str
    lures: dict[str, float]
    difficulty: float
    slope: float
    seconds: float


def answerable(found: Iterable[dict[str, Any]]) -> list[Item]:
    """The bank's items in the order of a form, with made-up parameters from each item's own seed."""
    rule, items, passage = PLAN["answering"], [], None
    for slot, item in enumerate(found, 1):
        chance = random.Random(f"{PLAN['seed']} {item['code']}")
        new_passage = item.get("stimulus") not in (None, passage)
        passage = item.get("stimulus")
        items.append(
            Item(
                slot=slot,
                best=item["key"],
                lures={key: chance.uniform(0.5, 1.5) for key in item["options"] if key != item["key"]},
                difficulty=rule["difficulty"][item["difficulty"]] + chance.uniform(-1, 1) * rule["difficulty_spread"],
                slope=chance.uniform(*rule["slope"]),
                seconds=PLAN["pace"]["seconds"] + (PLAN["pace"]["passage_seconds"] if new_passage else 0),
            )
        )
    return items


@dataclass
class Sitting:
    """One candidate's test, counted from Begin: what is sent when, and when it was handed in (none: the time ran out)."""

    sent: list[tuple[timedelta, EventIn]] = field(default_factory=list)
    handed_in: timedelta | None = None

    def chosen(self, slot: int) -> str | None:
        return next((event.option for _, event in reversed(self.sent) if event.slot == slot and event.state == "answered"), None)


def taken_over(source: Sitting) -> dict[int, str | None]:
    """What the planted copier takes over from the other of the household, by slot."""
    chance = random.Random(f"{PLAN['seed']} copied")
    slots = sorted({event.slot for _, event in source.sent})
    return {slot: source.chosen(slot) for slot in slots if chance.random() < PLAN["copied"]["share"]}


def sitting(
    items: list[Item], chance: random.Random, time_allowed: timedelta, copied: Mapping[int, str | None] = MappingProxyType({})
) -> Sitting:
    """Answer the items from first to last, look again at what was flagged or passed over, hand in. `copied`: what is another's answer."""
    rule = PLAN["answering"]
    ability = chance.gauss(0, rule["ability"])
    pace = math.exp(chance.gauss(0, PLAN["pace"]["between"]))
    found = Sitting()
    now = 0.0
    again: list[tuple[Item, str | None, str | None]] = []

    def say(slot: int, state: str, since: float, option: str | None = None) -> None:
        at = timedelta(milliseconds=int(now * 1000))
        # What a browser could not send before the end was never received.
        if at < time_allowed - SECOND:
            event = EventIn(seq=len(found.sent) + 1, slot=slot, state=state, option=option, elapsed_ms=int((now - since) * 1000))
            found.sent.append((at, event))

    for item in items:
        option, began = _option(item, ability, chance), now
        option = copied.get(item.slot, option)
        now += item.seconds * pace * math.exp(chance.gauss(0, PLAN["pace"]["within"]))
        if option is None or chance.random() < rule["skip_at_first"]:
            if chance.random() < 0.6:
                say(item.slot, "flagged", began)
            again.append((item, None, option))
            continue
        others = [key for key in item.lures if key != option] + ([item.best] if option != item.best else [])
        if chance.random() < rule["strike"]:
            say(item.slot, "struck", began, others[0])
        first: str | None = chance.choice(others) if chance.random() < rule["change"] else option
        say(item.slot, "answered", began, first)
        if first != option and chance.random() < 0.5:
            began, now = now, now + chance.uniform(4, 25)
            say(item.slot, "answered", began, option)
            first = option
        if first != option or chance.random() < rule["flag"]:
            say(item.slot, "flagged", now)
            again.append((item, first, option))
    for item, before, option in again:
        began = now
        now += pace * chance.uniform(8, 45)
        if option is not None and option != before:
            say(item.slot, "answered", began, option)
        if before is not None and chance.random() < 0.7:
            say(item.slot, "unflagged", now)
    now += chance.uniform(15, 120)
    at = timedelta(seconds=int(now))
    found.handed_in = at if at < time_allowed - SECOND else None
    return found


def _option(item: Item, ability: float, chance: random.Random) -> str | None:
    """What this candidate thinks is right; none: leaves it blank."""
    rule = PLAN["answering"]
    known = rule["floor"] + (1 - rule["floor"]) / (1 + math.exp(-item.slope * (ability - item.difficulty)))
    if chance.random() < known:
        return item.best
    if chance.random() < rule["omit"]:
        return None
    return chance.choices(list(item.lures), list(item.lures.values()))[0]


def said_of_themselves(who: Candidate, knew_planted: bool) -> tuple[str, str, str]:
    """Sex, ethnicity and age 40 or over as on the application form; blank where nothing was said. `knew_planted`: what draws men to the planted item."""
    rule, chance = PLAN["groups"], random.Random(f"{PLAN['seed']} form {who.number}")
    kind = chance.random()
    man = chance.random() < rule["men"]["right" if knew_planted else "wrong"]
    sex = "" if kind < rule["unsaid"]["sex"] else "X" if kind < rule["unsaid"]["sex"] + rule["another_sex"] else "M" if man else "F"
    weights = rule["ethnicity"]
    ethnicity = "" if chance.random() < rule["unsaid"]["ethnicity"] else chance.choices(list(weights), list(weights.values()))[0]
    age_40 = "" if chance.random() < rule["unsaid"]["age_40"] else "yes" if chance.random() < rule["age_40"] else "no"
    return sex, ethnicity, age_40


# ------------------------------------------------------------ through the services


@dataclass
class Day:
    """What all acts of the administration need."""

    session: Session
    answers: Answers
    vault: Vault
    places: list[TestSession]
    proctors: list[Person]
    consents: list[dict[str, Any]]
    items: list[Item]
    time_limit: timedelta
    late_grace: timedelta
    secret: bytes
    # What each has done so far, by the candidate's number.
    tests: dict[int, Sitting] = field(default_factory=dict)


@dataclass
class Taker:
    """One candidate on their way through the services. `acts` names each act with its instant."""

    day: Day
    who: Candidate
    filed_at: datetime
    person: Person | None = None
    appointment: Appointment | None = None
    attempt: Attempt | None = None
    test: Sitting | None = None

    def acts(self) -> Iterator[tuple[datetime, Callable[[datetime], None]]]:
        chance, place = self.who.chance, self.day.places[self.who.session]
        yield self.filed_at, self._file
        yield place.window.opens_at - timedelta(days=12, seconds=chance.uniform(0, 86400)), self._book
        if not self.who.shows:
            return
        at = place.window.opens_at + timedelta(minutes=chance.uniform(-25, 100))
        yield at, self._check_in
        at += timedelta(seconds=chance.uniform(40, 200))
        yield at, self._consent
        at += timedelta(seconds=chance.uniform(20, 90))
        yield at, self._check_system
        at = max(at, place.window.opens_at - timedelta(minutes=10)) + timedelta(seconds=chance.uniform(20, 420))
        yield at, self._admit
        began = max(at, place.window.opens_at) + timedelta(seconds=chance.uniform(20, 200))
        yield began, self._begin
        allowed = Clock(self.day.time_limit, multiplier(self.who.settings)).time_allowed
        source, copier = PLAN["copied"]["households"][0]
        copied = taken_over(self.day.tests[source]) if self.who.number == copier else {}
        test = self.test = self.day.tests[self.who.number] = sitting(self.day.items, chance, allowed, copied)
        for first in range(0, len(test.sent), PLAN["batch"]):
            batch = test.sent[first : first + PLAN["batch"]]
            yield began + batch[-1][0], self._say([event for _, event in batch])
        if test.handed_in is None:
            yield began + allowed + self.day.late_grace + SECOND, self._time_is_up
        else:
            for number, wrote in enumerate(one for one in PLAN["comment"] if one["candidate"] == self.who.number):
                yield began + test.handed_in - SECOND, partial(self._comment, number, wrote)
            yield began + test.handed_in, self._hand_in

    def _file(self, now: datetime) -> None:
        self.person = accounts.add_person(
            self.day.session,
            name=self.who.name,
            email=self.who.email,
            roles={Role.CANDIDATE},
            now=now,
            candidate_number=f"C-1229-{self.who.number}",
        )
        self.person.phone, self.person.external_id, self.person.locale = self.who.phone, self.who.external_id, self.who.language

    def _book(self, now: datetime) -> None:
        assert self.person is not None
        place = self.day.places[self.who.session]
        self.appointment = examinations.book(self.day.session, self.person, place, self.who.settings, now)
        self.appointment.basis = self.who.basis

    def _check_in(self, now: datetime) -> None:
        assert self.appointment is not None
        self.attempt = attempts.check_in(self.day.session, self.appointment, self.day.vault.new_key(), now)

    def _consent(self, now: datetime) -> None:
        # There is no picture of somebody made up: each chose that no photo is kept.
        choices = {text["kind"]: "live_only" if text["kind"] == "face_photo" else "allow" for text in self.day.consents}
        attempts.keep_consents(self.day.session, self._sure, self.day.consents, choices, self.who.language, now)

    def _check_system(self, now: datetime) -> None:
        attempts.finish_step(self.day.session, self._sure, Step.SYSTEM, now)

    def _admit(self, now: datetime) -> None:
        proctor = self.day.proctors[self.who.number % len(self.day.proctors)]
        key = str(uuid.uuid5(uuid.NAMESPACE_OID, f"past {self._sure.id}"))
        proctoring.do(self.day.session, self._sure, proctor, proctoring.Asked(Act.ADMIT, self._sure.version, key), now)

    def _begin(self, now: datetime) -> None:
        attempts.begin(self.day.session, self._sure, f"past-{self.who.number}", now)
        household = next((one for one in PLAN["copied"]["households"] if self.who.number in one), [self.who.number])
        # The documentation's network: a made-up household has one of its own.
        line = lines.line_of(self.day.secret, self._sure.session.administration_id, f"2001:db8:{household[0]:x}::1")
        lines.note(self.day.session, self._sure, line, now)

    def _say(self, events: list[EventIn]) -> Callable[[datetime], None]:
        def send(now: datetime) -> None:
            self.day.session.flush()
            connection, attempt = self.day.session.connection(), self._sure.id
            _HEARD.run(connection, {"attempt": attempt, "at": stamp(connection, now - 2 * SECOND)})
            batch = Batch(device=f"past-{self.who.number}", epoch=1, events=events)
            status, reply = self.day.answers.receive(connection, attempt, batch, now)
            assert (status, reply["acked"], reply["late"]) == (200, events[-1].seq, [])

        return send

    def _comment(self, number: int, wrote: dict[str, Any], now: datetime) -> None:
        slot = setup.read("form_a.toml")["items"].index(wrote["item"]) + 1
        comments.write(self.day.session, self._sure, slot, wrote["text"], f"past-comment-{number}", now)

    def _hand_in(self, now: datetime) -> None:
        assert attempts.submit(self.day.session, self._sure, now)
        self._receipt_sent(now)

    def _time_is_up(self, now: datetime) -> None:
        assert attempts.time_is_up(self.day.session, self._sure, now)
        self._receipt_sent(now)

    def _receipt_sent(self, now: datetime) -> None:
        # Hundreds of receipts of weeks ago would hide the mail of today.
        self._sure.receipt_mailed_at = now + SECOND

    @property
    def _sure(self) -> Attempt:
        assert self.attempt is not None
        return self.attempt


PLANNED = timedelta(days=47)  # before the first session opened


def is_filled(session: Session) -> bool:
    return session.scalars(select(Form.id).where(Form.name == PLAN["form"]).limit(1)).first() is not None


def fill(db: Database, settings: Settings, progress: Callable[[int, int], None] = lambda done, of: None) -> None:
    """Once for a data folder, before anything serves it: the whole is one transaction, so one that is cut short leaves nothing."""
    with db.read() as reading:
        if is_filled(reading):
            return
    now = clock.now()
    from testing_platform.demo import earlier, makeup

    with db.write() as session:
        earlier.fill(session, db, settings, now, lambda done, of: progress(done, 6 * of))
        day, administration = _announce(session, db, settings, now)
        later = makeup.plan(session, db, settings, administration, day.places[0].window.opens_at - PLANNED, now)
        takers, acts = acts_of(day, administration, candidates(), PLAN["seed"])
        closed = max(place.window.closes_at for place in day.places)
        acts.append((closed + timedelta(days=1), len(acts), partial(_take_in_groups, session, administration, takers)))
        happen([*acts, *later], lambda done, of: progress(of + 5 * done, 6 * of))


# When, in which order of those at one time, what.
Happening = tuple[datetime, int, Callable[[datetime], object]]


def acts_of(day: Day, administration: Administration, people: Iterable[Candidate], seed: int) -> tuple[list[Taker], list[Happening]]:
    """All that everybody does, from the application on."""
    session, closed = day.session, max(place.window.closes_at for place in day.places)
    filed = day.places[0].window.opens_at - timedelta(days=45)
    chance = random.Random(f"{seed} filing")
    takers = [Taker(day, who, filed + timedelta(days=chance.uniform(0, 8))) for who in people]
    acts: list[Happening] = [(at, n, act) for n, taker in enumerate(takers) for at, act in taker.acts()]
    acts += [(place.window.closes_at, len(takers), partial(facility.close, session, place)) for place in day.places]
    acts.append((closed + timedelta(hours=4), len(takers), partial(_send_home, session, administration)))
    return takers, acts


def happen(acts: list[Happening], progress: Callable[[int, int], None]) -> None:
    """In the order of the instants."""
    acts = sorted(acts, key=lambda one: one[:2])
    for done, (at, _, act) in enumerate(acts):
        act(at)
        if done % 250 == 0:
            progress(done, len(acts))
    progress(len(acts), len(acts))


def _send_home(session: Session, administration: Administration, now: datetime) -> None:
    for row in session.scalars(select(ProctorAssignment).join(TestSession).where(TestSession.administration_id == administration.id)):
        row.ended_at = now


def _take_in_groups(session: Session, administration: Administration, takers: list[Taker], now: datetime) -> None:
    """What candidates said of themselves comes from the applicant system the day after, as a file would bring it."""
    item = setup.bank_items()[PLAN["groups"]["planted"]]
    slot = setup.read("form_a.toml")["items"].index(item["code"]) + 1
    lines = []
    for taker in takers:
        knew = taker.test is not None and taker.test.chosen(slot) == item["key"]
        lines.append(",".join([f"C-1229-{taker.who.number}", *said_of_themselves(taker.who, knew)]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "groups.csv"
        path.write_text("\n".join(["candidate,sex,ethnicity,age_40", *lines]) + "\n", encoding="utf-8")
        said, digest = groups_file.read(path)
    impact_service.keep_demographics(session, administration, said, digest, None, now)


def _announce(session: Session, db: Database, settings: Settings, now: datetime) -> tuple[Day, Administration]:
    """The examination, the form with its slip, the day and its staff."""
    on = now.astimezone(ZoneInfo(setup.ZONE)).date() - timedelta(days=PLAN["days_ago"])
    sessions = [(plan["title"], window_on(on, plan)) for plan in PLAN["session"]]
    opened = sessions[0][1].opens_at
    examination = setup.announce(session, now, opened - timedelta(days=50), anew=True)
    setup.fill_people(session, opened - timedelta(days=50))
    form = _miskeyed_form(session, opened - timedelta(days=48))
    return plan_day(session, db, settings, examination, form, sessions, opened - PLANNED)


def window_on(on: date, plan: Mapping[str, Any]) -> Window:
    opens_at, closes_at = (
        datetime.combine(on, time.fromisoformat(plan[edge]), ZoneInfo(setup.ZONE)).astimezone(UTC) for edge in ("opens", "closes")
    )
    return Window(opens_at, closes_at)


def plan_day(
    session: Session,
    db: Database,
    settings: Settings,
    examination: Examination,
    form: Form,
    sessions: Iterable[tuple[str, Window]],
    planned_at: datetime,
) -> tuple[Day, Administration]:
    """The administration with its sessions and who watches them."""
    content = examination.bulletin.content
    administration = examinations.plan_administration(session, examination, form, content["test_day"], planned_at)
    places = [
        examinations.open_session(session, administration, title=title, mode=Mode.REMOTE, window=window, zone=setup.ZONE, now=planned_at)
        for title, window in sessions
    ]
    proctors = [setup.person_with(session, Role.PROCTOR, n) for n in range(2)] + [setup.person_with(session, Role.LEAD_PROCTOR)]
    for place in places:
        for person in proctors:
            examinations.assign_proctor(session, place, person, planned_at)
    bank = setup.bank_items()
    day = Day(
        session=session,
        answers=Answers(db, settings),
        vault=Vault(settings.vault_key, Folder(settings.data / "objects")),
        places=places,
        proctors=proctors,
        consents=[{**text, **text["en"]} for text in content["consents"]],
        items=answerable(bank[row.version.item.code] for row in form.slots),
        time_limit=form.time_limit,
        late_grace=attempts.TestDay.of(content["test_day"]).late_grace,
        secret=settings.secret,
    )
    return day, administration


def _miskeyed_form(session: Session, now: datetime) -> Form:
    """A form with the slip in it; afterwards the bank's newest version of that item is right again."""
    plan = setup.read("form_a.toml")
    bank = setup.fill_bank(session, now)
    item = setup.bank_items()[PLAN["miskeyed"]["item"]]
    _keep_with_key(session, bank, item, PLAN["miskeyed"]["key"], now)
    form = itembank.compose_form(session, bank, PLAN["form"], plan["items"], timedelta(minutes=plan["minutes"]), now)
    # In use from here on: the version that is replaced below stays in it.
    itembank.lock_form(session, form, now)
    _keep_with_key(session, bank, item, item["key"], now)
    return form


def _keep_with_key(session: Session, bank: Bank, item: dict[str, Any], key: str, now: datetime) -> None:
    version = itembank.keep_item(session, bank, setup.draft({**item, "key": key}, item["area"]), {}, now)
    demo_bank.activate(session, [version], now)
