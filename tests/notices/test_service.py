"""Mail against a real SMTP server, from the outbox to the mailbox."""

import email
import re
import socket
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select

from testing_platform import clock, worker
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.service import read
from testing_platform.delivery.models import Attempt, Response
from testing_platform.delivery.rules import State
from testing_platform.notices import service
from testing_platform.notices.models import Notice
from tests import make
from tests.make import NOON

SECOND = timedelta(seconds=1)
SENDER = "testing@larkspur.example.gov"
ICS = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Mailbox:
    """A mail server that says to each address, and to each letter, what the test told it to."""

    port: int
    to_address: dict[str, str] = field(default_factory=dict)
    to_letters: list[str] = field(default_factory=list)
    to_goodbye: str = "221 Bye"
    offered: list[Any] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.to_address.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=policy.default)
        self.offered.append(letter)
        reply = self.to_letters.pop(0) if self.to_letters else "250 OK"
        if reply.startswith("250"):
            self.kept.append(letter)
        return reply

    async def handle_QUIT(self, server, session, envelope):
        return self.to_goodbye

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@pytest.fixture
def mailbox():
    found = Mailbox(free_port())
    server = Controller(found, hostname="127.0.0.1", port=found.port)
    server.start()
    yield found
    server.stop()


def notice(session, to="rowan@example.org", subject="Your place", **more):
    person = make.person(session, Role.CANDIDATE)
    person.email = to
    found = service.write(session, person, "booked/1", subject, "Hello,\n\nyour place is kept. — ✓\n", NOON, **more)
    session.flush()
    return found


def test_a_letter_arrives_with_its_text_and_its_calendar(session, mailbox):
    found = notice(session, calendar=ICS, html="<p>Hello</p>")
    assert service.deliver([found], mailbox.url, SENDER) == {found.id: None}
    (letter,) = mailbox.kept
    assert (letter["From"], letter["To"], letter["Subject"], letter["Auto-Submitted"]) == (
        SENDER,
        "rowan@example.org",
        "Your place",
        "auto-generated",
    )
    assert letter.get_body(("plain",)).get_content().splitlines() == ["Hello,", "", "your place is kept. — ✓"]
    assert letter.get_body(("html",)).get_content().strip() == "<p>Hello</p>"
    (attached,) = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
    assert (attached.get_filename(), attached.get_param("method"), attached.get_payload(decode=True)) == (
        "test.ics",
        "PUBLISH",
        ICS.encode(),
    )


def test_a_subject_keeps_its_letters(session, mailbox):
    service.deliver([notice(session, subject="Su examen fue entregado: año 2026 — «ñ»")], mailbox.url, SENDER)
    assert mailbox.kept[0]["Subject"] == "Su examen fue entregado: año 2026 — «ñ»"


@pytest.mark.parametrize(
    ("reply", "for_good"),
    [("550 no such person", True), ("553 not here", True), ("450 busy", False), ("451 try later", False), ("421 closing", False)],
)
def test_what_a_refused_recipient_means(session, mailbox, reply, for_good):
    found = notice(session)
    mailbox.to_address["rowan@example.org"] = reply
    trouble = service.deliver([found], mailbox.url, SENDER)[found.id]
    assert trouble is not None
    assert trouble[1] is for_good
    # The server's words may hold an address: only the kind of trouble is kept.
    assert "rowan" not in trouble[0]


def test_a_refused_letter_does_not_hold_up_the_others(session, mailbox):
    first, second, third = (notice(session, to=f"person-{n}@example.net") for n in (1, 2, 3))
    mailbox.to_address[second.to] = "550 no such person"
    results = service.deliver([first, second, third], mailbox.url, SENDER)
    assert (results[first.id], results[third.id]) == (None, None)
    assert results[second.id] == ("recipient refused", True)


@pytest.mark.parametrize("bad", [{"to": "two\nlines@example.org"}, {"subject": "two\nlines"}], ids=str)
def test_a_letter_that_cannot_be_written_fails_alone(session, mailbox, bad):
    first, broken, third = notice(session, to="a@example.net"), notice(session, **bad), notice(session, to="b@example.net")
    results = service.deliver([first, broken, third], mailbox.url, SENDER)
    assert (results[first.id], results[third.id]) == (None, None)
    assert results[broken.id] is not None
    assert [letter["To"] for letter in mailbox.kept] == ["a@example.net", "b@example.net"]


def test_a_letter_that_was_taken_is_sent_however_the_server_says_goodbye(session, mailbox):
    found = notice(session)
    mailbox.to_goodbye = "421 closing"
    assert service.deliver([found], mailbox.url, SENDER) == {found.id: None}


def test_a_server_that_is_away_is_trouble_that_passes(session):
    found = notice(session)
    assert service.deliver([found], f"smtp://127.0.0.1:{free_port()}", SENDER) == {found.id: ("ConnectionRefusedError", False)}


def test_the_wait_doubles_from_half_a_minute_to_eight_hours_and_then_a_person_is_needed(session):
    found = notice(session)
    waits = []
    for _ in range(service.GIVE_UP_AFTER):
        assert found.state == "queued"
        service.failed(found, "recipient refused", NOON, for_good=False)
        waits.append((found.next_try_at - NOON) / SECOND)
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 28800, 28800]
    assert (found.state, found.tries) == ("failed", 12)


@pytest.mark.parametrize(
    ("state", "seconds", "is_due"), [("queued", -1, False), ("queued", 0, True), ("sent", 0, False), ("failed", 0, False)]
)
def test_due(session, state, seconds, is_due):
    found = notice(session)
    found.state = state
    session.flush()
    assert (service.due(session, NOON + seconds * SECOND) == [found]) is is_due


# ------------------------------------------------------------ the worker


@dataclass
class Post:
    """The worker with its outbox, at a time that the test moves on."""

    app: Any
    at: Any

    def rounds(self, seconds: float = 0) -> Notice:
        self.at[0] += timedelta(seconds=seconds)
        worker.once(self.app)
        with self.app.db.read() as session:
            return session.scalars(select(Notice)).one()


@pytest.fixture
def post(app, db, settings, monkeypatch):
    at = [NOON]
    monkeypatch.setattr(clock, "now", lambda: at[0])

    def with_server(smtp_url):
        monkeypatch.setattr(app, "settings", replace(settings, smtp_url=smtp_url))
        return Post(app, at)

    return with_server


def hand_in(db, locale="en", options="bbbb", name="Rowan Birch"):
    """A test of six questions handed in with these answers; the key is b throughout."""
    with db.write() as session:
        attempt = make.attempt(session)
        attempt.person.name, attempt.person.locale = name, locale
        for slot, option in enumerate(options, 1):
            session.add(
                Response(
                    attempt_id=attempt.id,
                    device="browser-1",
                    seq=slot,
                    epoch=1,
                    slot=slot,
                    option=option,
                    state="answered",
                    elapsed_ms=1000,
                    received_at=NOON,
                    standing="counted",
                )
            )
        session.flush()
        make.attempts.submit(session, attempt, NOON)
    return attempt


def test_a_test_that_was_handed_in_leads_to_one_letter_in_the_mailbox(db, post, mailbox):
    attempt = hand_in(db)
    office = post(mailbox.url)
    found = office.rounds()
    assert (found.state, found.tries, found.sent_at, found.trouble) == ("sent", 1, NOON, None)
    office.rounds(60)
    (letter,) = mailbox.kept
    assert letter["To"] == attempt.person.email
    assert attempt.receipt_code in letter["Subject"]
    with db.read() as session:
        assert session.get_one(Attempt, attempt.id).receipt_mailed_at == NOON
        # The same round sealed the trail.
        assert session.scalars(select(AuditEntry).where(AuditEntry.number.is_(None))).all() == []
        assert read(session).faults == []


def test_a_test_that_the_clock_closed_leads_to_a_letter_too(db, post, mailbox):
    with db.write() as session:
        attempt = make.attempt(session, started=timedelta(minutes=80))
        assert attempt.state == State.IN_PROGRESS
    assert post(mailbox.url).rounds().state == "sent"
    with db.read() as session:
        assert session.get_one(Attempt, attempt.id).state == State.SUBMITTED


def test_a_letter_is_tried_again_after_growing_waits_under_one_message_id(db, post, mailbox):
    hand_in(db)
    mailbox.to_letters = ["451 try later", "451 try later"]
    office = post(mailbox.url)
    assert (office.rounds().state, len(mailbox.offered)) == ("queued", 1)
    assert (office.rounds(29).tries, office.rounds(1).tries) == (1, 2)
    assert (office.rounds(59).tries, len(mailbox.offered)) == (2, 2)
    assert office.rounds(1).state == "sent"
    assert len(mailbox.offered) == 3
    assert len({letter["Message-ID"] for letter in mailbox.offered}) == 1
    assert len({letter["Date"] for letter in mailbox.offered}) == 1
    assert mailbox.kept[0]["Message-ID"].endswith("@larkspur.example.gov>")


def test_a_server_that_is_away_keeps_the_letter_until_it_is_back(db, post, mailbox):
    hand_in(db)
    away = post(f"smtp://127.0.0.1:{free_port()}")
    found = away.rounds()
    assert (found.state, found.tries, found.trouble) == ("queued", 1, "ConnectionRefusedError")
    assert post(mailbox.url).rounds(30).state == "sent"
    assert len(mailbox.kept) == 1


def test_an_address_that_does_not_exist_is_not_tried_again(db, post, mailbox):
    attempt = hand_in(db)
    mailbox.to_address[attempt.person.email] = "550 no such person"
    office = post(mailbox.url)
    assert (office.rounds().state, office.rounds(3600).tries) == ("failed", 1)
    assert mailbox.offered == []


def test_without_a_mail_server_letters_stay_in_the_outbox(db, post):
    hand_in(db)
    found = post("").rounds()
    assert (found.state, found.tries) == ("queued", 0)


@pytest.mark.parametrize(("locale", "day"), [("en", "November 21, 2026"), ("es", "21 de noviembre de 2026")])
def test_a_receipt_holds_its_code_and_counts_in_the_language_of_the_candidate(db, post, mailbox, locale, day):
    attempt = hand_in(db, locale)
    post(mailbox.url).rounds()
    text = mailbox.kept[0].get_body(("plain",)).get_content()
    assert attempt.receipt_code in text
    assert "Rowan Birch" in text
    # Noon at the City, not in UTC.
    assert re.search(f"{day}, 12:00", text)
    assert "Customer Service Specialist" in text
    assert any("4" in line and str(make.ITEMS) in line for line in text.splitlines())
    assert "555-0100" in text


@pytest.mark.parametrize("locale", ["en", "es"])
def test_a_receipt_reads_the_same_whether_the_answers_are_right_or_wrong(db, post, mailbox, locale):
    letters = []
    for options in ("bbbb", "aacd"):
        attempt = hand_in(db, locale, options)
        worker.once(post(mailbox.url).app)
        letter = mailbox.kept[-1]
        text = letter["Subject"] + letter.get_body(("plain",)).get_content()
        # What differs between any two letters: the receipt, and here the class of each made-up test.
        letters.append(re.sub(r"(class code|código de clase) \d+", r"\1", text.replace(attempt.receipt_code, "CODE")))
    assert letters[0] == letters[1]
    assert not re.search(r"Option|ask\?|CST", letters[0])


def test_a_mail_is_written_down_only_if_its_cause_is(db):
    def fails():
        with db.write() as session:
            notice(session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    with db.read() as session:
        assert session.scalars(select(Notice)).all() == []
        assert session.scalars(select(Person)).all() == []
