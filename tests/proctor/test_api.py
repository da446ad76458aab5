"""A proctor's acts over HTTP: shapes, statuses and sentences."""

import uuid

import pytest

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.app import create_app
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import State
from tests import make


@pytest.fixture(scope="module")
def settings(module_settings):
    return module_settings


@pytest.fixture(scope="module")
def db(module_db):
    """One for the module: each test has a room of its own in it."""
    return module_db


@pytest.fixture(scope="module")
def app(settings, db):
    return create_app(settings, db)


@pytest.fixture
def room(db, visit):
    """An attempt under way, and a proctor and a lead who watch it."""
    with db.write() as session:
        now = clock.now()
        where = make.place(session, now)
        attempt = make.attempt(session, where=where, now=now)
        people = {role: make.proctor(session, where, role, now) for role in (Role.PROCTOR, Role.LEAD_PROCTOR)}
    found = {role: visit(person, Area.PROCTOR) for role, person in people.items()}
    return attempt, found[Role.PROCTOR], found[Role.LEAD_PROCTOR]


def act(visitor, attempt, **said):
    said = {"key": str(uuid.uuid4()), "version": attempt.version} | said
    return visitor.post(f"/api/proctor/attempts/{attempt.id}/acts", json=said)


def stored(db, attempt):
    with db.read() as session:
        return session.get_one(Attempt, attempt.id)


def test_an_act_is_answered_with_the_row_as_it_is_now(db, room):
    attempt, proctor, _ = room
    reply = act(proctor, attempt, act="pause", reason={"category": "illness", "text": "Rest a little."})
    assert reply.status_code == 200
    row = reply.json["row"]
    assert (row["id"], row["state"], row["version"]) == (attempt.id, "paused_proctor", attempt.version + 1)
    assert stored(db, attempt).state == State.PAUSED_PROCTOR


def test_a_version_that_moved_is_409_with_the_row_to_look_at(db, room):
    attempt, proctor, lead = room
    assert act(lead, attempt, act="pause", reason={"category": "illness"}).status_code == 200
    reply = act(proctor, attempt, act="pause", reason={"category": "illness"})
    assert (reply.status_code, reply.json["code"]) == (409, "version-moved")
    assert (reply.json["row"]["state"], reply.json["row"]["version"]) == ("paused_proctor", attempt.version + 1)


def test_a_repeat_is_answered_as_the_first_was_though_the_version_moved(db, room):
    attempt, proctor, _ = room
    said = {"act": "give_time", "minutes": 5, "reason": {"category": "technical"}, "key": str(uuid.uuid4())}
    replies = [act(proctor, attempt, **said) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert stored(db, attempt).given.total_seconds() == 300


def test_more_time_than_may_be_given_is_422_with_the_limit_in_words(db, room):
    attempt, proctor, lead = room
    reply = act(proctor, attempt, act="give_time", minutes=11, reason={"category": "technical"})
    assert (reply.status_code, reply.json["code"]) == (422, "over-the-limit")
    assert reply.json["facts"] == {"limit_minutes": 10, "given_minutes": 0}
    assert "You may give up to 10 minutes in all" in reply.json["sentence"]
    assert act(lead, attempt, act="give_time", minutes=11, reason={"category": "technical"}).status_code == 200


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"act": "pause"}, 422, "reason-missing"),
        ({"act": "pause", "reason": {"category": "because"}}, 422, "reason-missing"),
        ({"act": "pause", "reason": "illness"}, 422, "reason-missing"),
        ({"act": "pause", "reason": {"category": ["illness"]}}, 422, "reason-missing"),
        ({"act": "message", "text": "  "}, 422, "empty-message"),
        ({"act": "message", "text": "x" * 501}, 422, "empty-message"),
        ({"act": "admit"}, 409, "not-now"),
        ({"act": "resume"}, 409, "not-now"),
        ({"act": "confirm_end"}, 403, "forbidden"),
        ({"act": "give_time", "minutes": 0, "reason": {"category": "technical"}}, 422, "over-the-limit"),
        ({"act": "give_time", "minutes": "5", "reason": {"category": "technical"}}, 400, "bad-request"),
        ({"act": "give_time", "minutes": True, "reason": {"category": "technical"}}, 400, "bad-request"),
        ({"act": "give_time", "minutes": 1.5, "reason": {"category": "technical"}}, 400, "bad-request"),
        ({"act": "give_time", "minutes": 10**13, "reason": {"category": "technical"}}, 422, "over-the-limit"),
        ({"act": "shout"}, 400, "bad-request"),
        ({"act": ["pause"]}, 400, "bad-request"),
        ({"act": {"pause": 1}}, 400, "bad-request"),
        ({}, 400, "bad-request"),
        ({"act": "message", "text": "Hello", "key": "not a uuid"}, 400, "bad-request"),
        ({"act": "message", "text": "Hello", "key": None}, 400, "bad-request"),
        ({"act": "pause", "version": "3", "reason": {"category": "illness"}}, 400, "bad-request"),
        ({"act": "pause", "version": None, "reason": {"category": "illness"}}, 400, "bad-request"),
    ],
    ids=lambda said: str(said)[:60],
)
def test_what_cannot_be_done_is_refused_with_a_code_and_a_sentence(room, said, status, code):
    attempt, proctor, _ = room
    reply = act(proctor, attempt, **said)
    assert (reply.status_code, reply.json["code"]) == (status, code)
    assert len(reply.json["sentence"]) > 20


@pytest.mark.parametrize("body", ["", "[]", "null", '"act"', "{", "[" * 5000])
def test_what_is_no_object_is_a_bad_request(room, body):
    attempt, proctor, _ = room
    reply = proctor.post(f"/api/proctor/attempts/{attempt.id}/acts", data=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json["code"]) == (400, "bad-request")


def test_a_refused_act_leaves_nothing_behind(db, room):
    attempt, proctor, _ = room
    key = str(uuid.uuid4())
    assert act(proctor, attempt, act="pause", key=key).status_code == 422
    assert act(proctor, attempt, act="pause", key=key, reason={"category": "illness"}).status_code == 200


def test_ending_takes_two_people_over_http_too(db, room):
    attempt, proctor, lead = room
    row = act(lead, attempt, act="propose_end", reason={"category": "illness"}).json["row"]
    assert row["end_proposed_by"]
    own = act(lead, attempt, act="confirm_end", version=row["version"])
    assert (own.status_code, own.json["code"]) == (403, "same-person")
    plain = act(proctor, attempt, act="confirm_end", version=row["version"])
    assert (plain.status_code, plain.json["code"]) == (403, "forbidden")
    assert stored(db, attempt).state == State.IN_PROGRESS


def test_the_rows_over_http_are_those_of_the_socket(room):
    attempt, proctor, _ = room
    rows = proctor.get(f"/api/proctor/sessions/{attempt.session_id}/rows").json["rows"]
    assert [row["id"] for row in rows] == [attempt.id]
    focus = proctor.get(f"/api/proctor/attempts/{attempt.id}").json
    assert (focus["row"]["id"], focus["photo"], focus["messages"]) == (attempt.id, None, [])


def test_a_picture_that_is_not_there_is_not_found(room):
    attempt, proctor, _ = room
    for path in ("photo.jpg", "evidence/1.jpg"):
        assert proctor.get(f"/proctor/attempts/{attempt.id}/{path}").status_code == 404
