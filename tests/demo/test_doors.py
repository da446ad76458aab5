"""The doors: whom each lets in, and what it says is waiting there."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts.rules import ROLES_OF_AREA, Role
from testing_platform.app import create_app
from testing_platform.bus import open_database
from testing_platform.db import Base
from testing_platform.delivery.models import Attempt, Beat
from testing_platform.delivery.rules import State
from testing_platform.demo import past, queries, setup, views
from testing_platform.demo.run import _by_role
from testing_platform.examinations.rules import Window
from testing_platform.proctor.models import EndProposal
from testing_platform.scoring.models import Key, PassingScoreDecision, QualifyingResult, ScoreRun
from testing_platform.settings import Settings
from tests import make

# Where a door leads past the first page of its part: into the one session, or the one bank.
LEADS_TO = {"proctor": r"/proctor/sessions/\d+", "room": r"/proctor/rooms/\d+"} | dict.fromkeys(
    ("writer", "reviewer", "fairness"), r"/analyst/bank/\d+"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The demo's people and open sessions, made once: each test gets a copy of the folder."""
    settings = Settings(data=tmp_path_factory.mktemp("doors") / "data", public_url="http://localhost", log_level="warning", demo=True)
    opened = open_database(settings)
    Base.metadata.create_all(opened.engine)
    with opened.write() as session:
        setup.fill(session, settings)
    opened.close()
    return settings


@pytest.fixture
def settings(filled, tmp_path):
    shutil.copytree(filled.data, tmp_path / "data", ignore=shutil.ignore_patterns("*.sock"))
    return replace(filled, data=tmp_path / "data")


@pytest.fixture
def db(settings):
    opened = open_database(settings)
    yield opened
    opened.close()


@pytest.fixture
def pages(db, settings):
    return create_app(settings, db).test_client()


def token(pages):
    return re.search(r'name="csrf-token" content="([^"]+)"', pages.get("/demo/").text)[1]


def now_behind(db, pages, door):
    with pages.application.test_request_context(), db.read() as session:
        return queries.behind_doors(session, clock.now())[door]


def test_there_is_a_door_for_every_role_and_each_leads_to_its_own_part(db, settings):
    assert {role for _, role in views.DOORS.values()} | {Role.CANDIDATE} == set(Role) | {None}
    for door, (area, role) in views.DOORS.items():
        assert (role or Role.CANDIDATE) in ROLES_OF_AREA[area]
        pages = create_app(settings, db).test_client()
        reply = pages.post(f"/demo/doors/{door}", data={"csrf_token": token(pages)}, headers={"Origin": "http://localhost"})
        assert reply.status_code == 303
        assert reply.location.startswith(f"/{area}/in/")
        page = pages.get(reply.location, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=True)
        assert page.status_code == 200, door
        # A proctor of one session comes straight into it; the lead, who has two, chooses.
        assert re.fullmatch(LEADS_TO.get(door, f"/{area}/"), page.request.path)


def test_the_door_of_the_workstation_leads_to_a_seat_and_the_code_on_the_board(db, pages):
    assert now_behind(db, pages, "room").text == "5 of 14 expected are seated."
    assert now_behind(db, pages, "workstation").text == "Aisha Aspen has seat 1 and has not begun."
    page = pages.post("/demo/doors/workstation", data={"csrf_token": token(pages)}, headers={"Origin": "http://localhost"})
    assert page.status_code == 200
    assert "Aisha Aspen" in page.text


def test_when_the_room_has_closed_its_doors_are_gone(db, pages):
    with db.write() as session:
        hall = queries.room(session, clock.now())
        hall.window = Window(hall.window.opens_at, clock.now() - timedelta(seconds=1))
    page = pages.get("/demo/").text
    assert "/demo/doors/room" not in page
    assert "/demo/doors/workstation" not in page
    assert "/demo/doors/lead" in page


def test_the_hours_of_the_open_day_are_those_a_department_would_set(db):
    with db.read() as session:
        windows = [setup.open_session(session).window, queries.room(session, clock.now()).window]
    for window in windows:
        assert (window.opens_at.minute % 15, window.opens_at.second, window.opens_at.microsecond) == (0, 0, 0)
        assert (window.closes_at - window.opens_at, clock.now() in window) == (timedelta(hours=14), True)


def test_a_door_says_who_one_is_behind_it(pages):
    page = pages.get("/demo/").text
    for name in (
        "Marisol Spruce",
        "Adaeze Redwood",
        "Noor Hornbeam",
        "Vikram Opal",
        "Saoirse Malachite",
        "Tadeo Topaz",
        "Celeste Pyrite",
    ):
        assert f"Come in as {name}" in page
    assert pages.post("/demo/doors/mayor", data={"csrf_token": token(pages)}, headers={"Origin": "http://localhost"}).status_code == 404


def test_the_terminal_names_everyone_who_can_come_in():
    found = _by_role()
    assert set(found) == {role.replace("_", " ") for role in Role}
    assert found["analyst"] == "Noor Hornbeam, Lucien Sycamore"


@pytest.mark.parametrize(
    ("waiting", "testing", "said", "waits"),
    [
        (0, 0, "0 candidates take the test.", False),
        (0, 1, "1 candidate takes the test.", False),
        (1, 0, "1 candidate waits to be let in. 0 take the test.", True),
        (2, 1, "2 candidates wait to be let in. 1 takes the test.", True),
    ],
)
def test_the_proctor_s_door_counts_those_in_the_open_session(db, pages, waiting, testing, said, waits):
    with db.write() as session:
        place = setup.open_session(session)
        for state in [State.AWAITING] * waiting + [State.IN_PROGRESS] * testing:
            make.attempt(session, state=state, where=place, now=clock.now())
    assert now_behind(db, pages, "proctor") == queries.Now(said, waits)


def test_the_lead_s_door_counts_proposals_that_nobody_has_decided(db, pages):
    assert now_behind(db, pages, "lead") == queries.Now("Nothing waits for a second person.")
    with db.write() as session:
        place = setup.open_session(session)
        attempt = make.attempt(session, state=State.IN_PROGRESS, where=place, now=clock.now())
        proctor = setup.person_with(session, Role.PROCTOR)
        session.add(
            EndProposal(attempt_id=attempt.id, proposed_by_id=proctor.id, category="illness", reason="", at=clock.now(), outcome="open")
        )
    assert now_behind(db, pages, "lead") == queries.Now("1 proposal to end a test waits for you.", True)


def test_the_operator_s_door_says_when_a_process_is_silent(db, pages):
    now = clock.now()
    with db.write() as session:
        session.add(Beat(service="web", at=now))
        session.add(Beat(service="worker", at=now - timedelta(minutes=1)))
    assert now_behind(db, pages, "operator") == queries.Now("1 part of the server is silent.", True)


@pytest.fixture
def over(db):
    """An administration as `past` leaves it, with two who handed in."""
    with db.write() as session:
        place = make.place(session, now=clock.now())
        place.administration.form.name = past.PLAN["form"]
        for _ in range(2):
            make.attempt(session, state=State.SUBMITTED, where=place, now=clock.now())
        return place.administration_id


def _handed_in(session):
    return session.scalars(select(Attempt).where(Attempt.state == State.SUBMITTED).order_by(Attempt.id))


def rows(session, administration_id, upto):
    """What scoring has stored when `upto` is done."""
    now, analyst, approver = clock.now(), setup.person_with(session, Role.ANALYST), setup.person_with(session, Role.APPROVER)
    steps = ["key", "scores", "proposed", "approved"]
    done = steps[: steps.index(upto) + 1] if upto else []
    key = Key(administration_id=administration_id, number=1, entries={}, changes=[], digest="d", made_at=now)
    session.add(key)
    if "key" in done:
        key.locked_at, key.locked_by_id = now, analyst.id
    session.flush()
    if "scores" in done:
        run = ScoreRun(administration_id=administration_id, key_id=key.id, maximum=6, inputs_digest="d", excluded=[], made_at=now)
        session.add(run)
        session.flush()
    if "proposed" in done:
        decision = PassingScoreDecision(
            administration_id=administration_id,
            number=1,
            run_id=run.id,
            cut=4,
            inputs={},
            table=[],
            rationale="because",
            outcome="proposed",
            proposed_by_id=analyst.id,
            proposed_at=now,
        )
        session.add(decision)
        session.flush()
    if "approved" in done:
        decision.outcome, decision.approved_by_id, decision.approved_at = "approved", approver.id, now
        for attempt, outcome in zip(_handed_in(session), ("PASS", "FAIL"), strict=True):
            session.add(
                QualifyingResult(
                    decision_id=decision.id, attempt_id=attempt.id, person_id=attempt.person_id, outcome=outcome, released_at=now
                )
            )


@pytest.mark.parametrize(
    ("done", "analyst", "approver", "scheduler"),
    [
        (None, ("2 tests are in. Look at the key and lock it.", True), ("Nothing to sign", False), ("Nobody to invite", False)),
        ("key", ("the key is locked. Score the answers.", True), ("Nothing to sign", False), ("Nobody to invite", False)),
        ("scores", ("Propose a passing score.", True), ("Nothing to sign", False), ("Nobody to invite", False)),
        ("proposed", ("waits for the second signature.", False), ("waits for your signature.", True), ("Nobody to invite", False)),
        ("approved", ("the results are out.", False), ("Nothing else waits", False), ("1 person is to be invited.", True)),
    ],
)
def test_the_doors_after_the_test_follow_the_steps_of_scoring(db, pages, over, done, analyst, approver, scheduler):
    with db.write() as session:
        rows(session, over, done)
    for door, (said, waits) in {"analyst": analyst, "approver": approver, "scheduler": scheduler}.items():
        found = now_behind(db, pages, door)
        assert said in found.text, door
        assert found.waits == waits, door


def test_before_the_second_signature_the_doors_give_no_count_of_who_passed(db, pages, over):
    with db.write() as session:
        rows(session, over, "proposed")
    page = pages.get("/demo/").text
    assert "to be invited" not in page
    assert not re.search(r"\d+ (people )?(passed|failed)", page)
