"""What the console reads: rows, the ledger and the timeline in words."""

import ast
import uuid
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import Babel

from testing_platform import bus, clock
from testing_platform.accounts.rules import Role
from testing_platform.delivery import rules as delivery
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Consent, Outage, Response
from testing_platform.delivery.rules import State
from testing_platform.proctor import queries, rules, service
from testing_platform.proctor.link import PAGE_EVENTS
from testing_platform.proctor.models import EvidenceStill, Look, PageEvent
from testing_platform.proctor.rules import Act as Doing
from testing_platform.proctor.service import Asked
from tests import make
from tests.make import NOON

PACKAGES = Path(queries.__file__).parent.parent
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ZONE = ZoneInfo("America/Los_Angeles")


@pytest.fixture(scope="module")
def settings(module_settings):
    return module_settings


@pytest.fixture(scope="module")
def db(module_db):
    """One for the module: every test here throws its transaction away."""
    return module_db


@pytest.fixture(scope="module", autouse=True)
def words():
    """Sentences without a request around them, as `live` makes them."""
    app = Flask("words")
    Babel(app)
    with app.app_context():
        yield


def row_of(session, attempt, now=NOON):
    session.flush()
    return queries.rows(session, attempt.session_id, now, {attempt.id})[0]


def respond(session, attempt, seq, slot, state="answered", option="a", standing="counted", at=NOON):
    session.add(
        Response(
            attempt_id=attempt.id,
            device="browser-1",
            seq=seq,
            epoch=1,
            slot=slot,
            option=option,
            state=state,
            elapsed_ms=0,
            received_at=at,
            standing=standing,
        )
    )


def act(session, attempt, person, doing, now=NOON, **more):
    service.do(session, attempt, person, Asked(doing, attempt.version, str(uuid.uuid4()), **more), now)


# ------------------------------------------------------------ rows


def test_a_row_has_what_the_protocol_says(session):
    attempt = make.attempt(session, multiplier="1.5")
    attempt.appointment.settings = {"time_multiplier": "1.5", "breaks": True, "diagnosis": "none of our business"}
    respond(session, attempt, 1, 1, at=NOON + MINUTE)
    row = row_of(session, attempt, NOON + 10 * MINUTE)
    assert row == {
        "id": attempt.id, "name": attempt.person.name, "number": attempt.person.candidate_number, "state": "in_progress", "status": "running",
        "version": attempt.version, "started_at": clock.to_ms(NOON), "deadline": clock.to_ms(NOON + 112.5 * MINUTE), "minutes_left": 102,
        "held_since": None, "link": "offline", "contact_at": clock.to_ms(NOON), "last_save_at": clock.to_ms(NOON + MINUTE),
        "waiting_since": None, "answered": 1, "items": make.ITEMS, "unread": 0, "multiplier": 1.5,
        "settings": ["time × 1.5", "breaks allowed"], "detectors": True, "open_flags": 0, "active_flags": [], "end_proposed_by": None, "end_proposed_by_id": None,
        "admitted_at": None, "submitted_at": None,
    }  # fmt: skip


def test_rows_are_those_of_one_session_in_one_order(session):
    where = make.place(session)
    here = [make.attempt(session, where=where, state=state) for state in (State.AWAITING, State.IN_PROGRESS, State.SUBMITTED)]
    make.attempt(session)
    assert [row["id"] for row in queries.rows(session, where.id, NOON)] == [attempt.id for attempt in here]
    assert queries.summary(session, where.id) == {"waiting": 1, "in_progress": 1, "submitted": 1}
    assert queries.rows(session, 10**6, NOON) == []


def test_waiting_is_counted_while_it_lasts(session):
    waiting = make.attempt(session, state=State.AWAITING)
    assert row_of(session, waiting)["waiting_since"] == clock.to_ms(NOON)
    attempts.move(session, waiting, attempts.Event.ADMIT, attempts.Who.PROCTOR, NOON)
    assert row_of(session, waiting)["waiting_since"] is None


def test_a_held_clock_shows_the_deadline_as_if_it_went_on_now(session):
    paused = make.attempt(session, state=State.PAUSED_PROCTOR)
    row = row_of(session, paused, NOON + 5 * MINUTE)
    assert (row["deadline"], row["held_since"], row["minutes_left"]) == (clock.to_ms(NOON + 80 * MINUTE), clock.to_ms(NOON), 75)


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ([], 0),
        ([(1, "answered", "counted"), (2, "answered", "held")], 2),
        ([(1, "answered", "counted"), (1, "answered", "counted")], 1),
        ([(1, "answered", "counted"), (1, "cleared", "counted")], 0),
        ([(1, "cleared", "counted"), (1, "answered", "counted")], 1),
        ([(1, "answered", "counted"), (1, "flagged", "counted")], 1),
        ([(1, "struck", "counted")], 0),
        ([(1, "answered", "late"), (2, "answered", "aside")], 0),
        ([(1, "answered", "counted"), (1, "cleared", "late")], 1),
    ],
)
def test_how_many_questions_have_an_answer(session, said, answered):
    attempt = make.attempt(session)
    for seq, (slot, state, standing) in enumerate(said, 1):
        respond(session, attempt, seq, slot, state, standing=standing)
        session.flush()
    assert row_of(session, attempt)["answered"] == answered


@pytest.mark.parametrize(
    ("told", "unread"),
    [
        ([], 0),
        (["candidate"], 1),
        (["candidate", "candidate"], 2),
        (["candidate", "proctor"], 0),
        (["candidate", "proctor", "candidate"], 1),
        (["candidate", "look"], 0),
        (["candidate", "look", "candidate"], 1),
        (["proctor"], 0),
    ],
)
def test_messages_are_unread_until_a_proctor_answers_or_looks(session, told, unread):
    attempt = make.attempt(session)
    for n, one in enumerate(told):
        if one == "look":
            session.merge(Look(attempt_id=attempt.id, person_id=attempt.person_id, at=NOON + n * SECOND))
        else:
            attempts.write_message(session, attempt, one, attempt.person_id, "Hello", NOON + n * SECOND)
    assert row_of(session, attempt)["unread"] == unread


@pytest.mark.parametrize(
    ("choices", "detectors"),
    [([], True), (["allow"], True), (["people_only"], False), (["allow", "people_only"], False), (["people_only", "allow"], True)],
)
def test_the_newest_choice_says_whether_software_looks_too(session, choices, detectors):
    attempt = make.attempt(session)
    for choice in choices:
        session.add(Consent(attempt_id=attempt.id, kind="detectors", choice=choice, text_version="1", locale="en", at=NOON))
        session.flush()
    assert row_of(session, attempt)["detectors"] is detectors


def test_who_proposed_to_end_stands_in_the_row_while_it_is_open(session):
    attempt = make.attempt(session)
    person = make.person(session, Role.PROCTOR)
    act(session, attempt, person, Doing.PROPOSE_END, category="illness")
    row = row_of(session, attempt)
    assert (row["end_proposed_by"], row["end_proposed_by_id"]) == (person.name, person.id)
    act(session, attempt, person, Doing.WITHDRAW_END)
    assert row_of(session, attempt)["end_proposed_by"] is None


@pytest.mark.parametrize(
    ("http", "live", "link"),
    [(0, None, "online"), (-60, 0, "online"), (0, -60, "online"), (-17, None, "degraded"), (-60, -20, "offline"), (None, None, "none")],
)
def test_contact_is_the_newest_of_both_ways(session, http, live, link):
    attempt = make.attempt(session)
    attempt.contact.http_at = None if http is None else NOON + http * SECOND
    attempt.contact.live_at = None if live is None else NOON + live * SECOND
    assert row_of(session, attempt)["link"] == link


# ------------------------------------------------------------ the ledger


def ledger(session, attempt, now):
    session.flush()
    return queries.ledger(session, attempt, ZONE, now)


def test_before_begin_the_ledger_says_what_is_allowed(session):
    assert ledger(session, make.attempt(session, state=State.ADMITTED), NOON) == [
        "The form allows 75 minutes.", "The clock starts when the candidate presses Begin.",
    ]  # fmt: skip
    assert ledger(session, make.attempt(session, state=State.ADMITTED, multiplier="1.5"), NOON)[0] == (
        "The form allows 75 minutes; with the approved factor 1.5 this candidate has 112 minutes 30 seconds."
    )


def test_every_part_of_the_clock_is_a_sentence_with_its_time_in_the_zone_of_the_session(session):
    attempt = make.attempt(session)
    person = make.person(session, Role.PROCTOR, name="Jordan Slate")
    act(session, attempt, person, Doing.GIVE_TIME, NOON + MINUTE, minutes=1, category="our_fault")
    act(session, attempt, person, Doing.PAUSE, NOON + 2 * MINUTE, category="illness", text="The flu.")
    act(session, attempt, person, Doing.RESUME, NOON + 4 * MINUTE)
    attempts.lose_contact(session, attempt, NOON + 5 * MINUTE)
    attempts.regain_contact(session, attempt, None, 10 * SECOND, NOON + 5 * MINUTE)
    act(session, attempt, person, Doing.PAUSE, NOON + 6 * MINUTE, category="technical")
    assert ledger(session, attempt, NOON + 7 * MINUTE) == [
        "The form allows 75 minutes.",
        "Begun at 12:00:00 PM.",
        "12:01:00 PM: Jordan Slate gave 1 minute (a fault of ours).",
        "12:02:00 PM to 12:04:00 PM: a proctor paused the test; 2 minutes given back.",
        "12:04:20 PM to 12:05:00 PM: the candidate’s line was lost and the questions were covered; 40 seconds given back.",
        "12:06:00 PM: the clock stands still since then: a proctor paused the test.",
        "Ends at 1:19:40 PM.",
    ]


def test_time_lost_to_our_own_fault_is_named_as_such_and_another_device_too(session):
    attempt = make.attempt(session)
    session.add(Outage(service="web", began_at=NOON + SECOND, ended_at=NOON + 5 * MINUTE))
    attempts.lose_contact(session, attempt, NOON + 5 * MINUTE)
    attempts.regain_contact(session, attempt, None, 10 * SECOND, NOON + 5 * MINUTE)
    attempts.take_over(session, attempt, "another-browser", NOON + 6 * MINUTE)
    lines = ledger(session, attempt, NOON + 7 * MINUTE)
    assert lines[2] == "12:00:20 PM to 12:05:00 PM: our own server was away; 4 minutes 40 seconds given back."
    assert lines[3] == "12:06:00 PM: the clock stands still since then: the test moved to another device."


def test_a_test_that_was_handed_in_says_when(session):
    attempt = make.attempt(session)
    attempts.submit(session, attempt, NOON + 30 * MINUTE)
    assert ledger(session, attempt, NOON + 40 * MINUTE)[-1] == "Handed in at 12:30:00 PM."


# ------------------------------------------------------------ the timeline


def published() -> set[str]:
    """Every kind of happening that the code of an attempt writes down, read from the code itself."""
    found = set()
    for path in [*PACKAGES.glob("delivery/*.py"), *PACKAGES.glob("proctor/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            for given in [*node.args, *(keyword.value for keyword in node.keywords)]:
                if name in ("publish", "_note") and isinstance(given, ast.Constant) and str(given.value).startswith("attempt."):
                    found.add(given.value)
                if name in ("move", "hold", "go_on") and isinstance(given, ast.Attribute) and getattr(given.value, "id", "") == "Event":
                    found.add(f"attempt.{delivery.Event[given.attr]}")
    return found


def test_the_kinds_that_are_read_from_the_code_are_all_of_them():
    assert published() >= {
        "attempt.check_in", "attempt.step", "attempt.steps_done", "attempt.return_to_step", "attempt.admit", "attempt.begin", "attempt.pause",
        "attempt.lose_contact", "attempt.regain_contact", "attempt.long_gap", "attempt.device_changed", "attempt.resume",
        "attempt.time_given", "attempt.message", "attempt.end_proposed", "attempt.end_withdrawn", "attempt.end", "attempt.submit",
        "attempt.time_is_up", "attempt.abandon",
    }  # fmt: skip


@pytest.mark.parametrize("happening", sorted(published()))
def test_every_kind_of_happening_is_a_sentence_and_never_a_code(session, happening):
    bus.publish(session, happening, NOON, session_id=1, attempt_id=77, actor_id=None)
    session.flush()
    (line,) = queries.timeline(session, 77)
    assert line["kind"] == happening
    assert line["words"][0].isupper()
    assert line["words"].endswith(".")
    assert not {".", "_"} & set(line["words"][:-1])


@pytest.mark.parametrize("noticed", sorted(PAGE_EVENTS))
def test_whatever_a_page_notices_is_a_sentence_and_blames_nobody(session, noticed):
    attempt = make.attempt(session)
    session.add(
        PageEvent(attempt_id=attempt.id, device="browser-1", number=1, kind=noticed, page_at=NOON + MINUTE, received_at=NOON, facts={})
    )
    session.flush()
    words = queries.timeline(session, attempt.id)[-1]["words"]
    assert words.endswith(".")
    assert "_" not in words
    assert not any(word in words.lower() for word in ("violation", "cheat", "suspicious"))


@pytest.mark.parametrize(("state", "words"), [("hidden", "The page was hidden."), ("visible", "The page was shown again.")])
def test_hidden_and_shown_are_told_apart(session, state, words):
    assert queries._event_words("page.visibility", {"state": state}, "") == words


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in rules.REASONS.items() for code in codes])
def test_every_reason_has_words(kind, code):
    words = queries.reason_words(kind, code)
    assert "_" not in words
    assert (words == "another reason") is (code == "other")
    assert {"code": code, "label": words} in queries.reasons()[kind]


def test_the_timeline_runs_from_check_in_on_and_names_who_did_what(session):
    attempt = make.attempt(session, state=State.AWAITING)
    person = make.person(session, Role.PROCTOR, name="Jordan Slate")
    act(session, attempt, person, Doing.ADMIT, NOON + MINUTE)
    attempts.begin(session, attempt, "this-browser", NOON + 2 * MINUTE)
    act(session, attempt, person, Doing.PAUSE, NOON + 3 * MINUTE, category="look_at_room")
    attempts.write_message(session, attempt, "candidate", attempt.person_id, "My words are not shown here", NOON + 4 * MINUTE)
    session.add(
        PageEvent(attempt_id=attempt.id, device="b", number=1, kind="focus_lost", page_at=NOON + 2.5 * MINUTE, received_at=NOON, facts={})
    )
    session.flush()
    lines = queries.timeline(session, attempt.id)
    assert [line["words"] for line in lines] == [
        "Check-in began.", "Check-in step done: choices about data.", "Check-in step done: computer check.", "Check-in step done: photo.",
        "Waiting for a proctor.", "Jordan Slate let the candidate in.", "The test began.", "The test page was left.",
        "Jordan Slate paused the test: something to look at together.", "A message from the candidate.",
    ]  # fmt: skip
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


def test_of_a_very_long_timeline_the_newest_part_is_shown(session):
    for n in range(310):
        bus.publish(session, "attempt.resume", NOON + n * SECOND, attempt_id=78)
    session.flush()
    lines = queries.timeline(session, 78)
    assert (len(lines), lines[-1]["at"]) == (300, clock.to_ms(NOON + 309 * SECOND))


def test_the_focus_view_has_what_the_protocol_says(session):
    attempt = make.attempt(session)
    for seq in range(1, 15):
        session.add(
            EvidenceStill(
                attempt_id=attempt.id,
                stream=0,
                epoch=1,
                seq=seq,
                captured_at=NOON + seq * SECOND,
                received_at=NOON,
                sha256="00",
                size=1,
                object_name="x",
            )
        )
    session.flush()
    found = queries.focus(session, attempt, ZONE, NOON)
    assert set(found) == {"row", "timeline", "flags", "ledger", "messages", "photo", "evidence", "steps"}
    assert found["photo"] is None
    assert [still["at"] for still in found["evidence"]] == [clock.to_ms(NOON + seq * SECOND) for seq in range(3, 15)]
    assert {step["step"]: step["state"] for step in found["steps"]} == {"consent": "done", "system": "done", "photo": "done"}
