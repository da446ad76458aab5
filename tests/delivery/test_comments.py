"""A word about a question: kept once beside the version that was shown, without touching an answer, and read by those who look into keys."""

import re
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.delivery import comments, service, tokens
from testing_platform.delivery.comments import QuestionComment
from testing_platform.delivery.models import Response
from testing_platform.delivery.rules import State
from testing_platform.itembank.models import FormSlot
from testing_platform.scoring import rulings
from tests import make

HERE = SimpleNamespace


@pytest.fixture
def taking(app, db):
    """An attempt that is under way, and a call that writes about a question of it."""
    now = clock.now()
    with db.write() as session:
        attempt = make.attempt(session, now=now)

    def write(slot=3, text="Both b and c are right.", key=None, epoch=1, token=None):
        token = token or tokens.make(app.settings.secret, attempt.id, epoch, now + timedelta(hours=2))
        said = {"slot": slot, "text": text, "key": key or str(uuid.uuid4())}
        return app.test_client().post(f"/api/attempts/{attempt.id}/comments", json=said, headers={"Authorization": f"Attempt {token}"})

    return HERE(attempt=attempt, write=write)


def kept(db):
    with db.read() as session:
        return [(one.version_id, one.text) for one in session.scalars(select(QuestionComment).order_by(QuestionComment.id))]


def test_a_comment_is_kept_once_beside_the_version_that_was_shown(db, taking):
    key = str(uuid.uuid4())
    assert taking.write(key=key).status_code == taking.write(key=key).status_code == 201
    with db.read() as session:
        version = session.get_one(FormSlot, (taking.attempt.form_id, 3)).item_version_id
        assert session.scalar(select(func.count()).select_from(Response)) == 0
    assert kept(db) == [(version, "Both b and c are right.")]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"text": "  "}, 422),
        ({"text": "x" * 501}, 422),
        ({"slot": 7}, 400),
        ({"slot": "3"}, 400),
        ({"slot": True}, 400),
        ({"key": "short"}, 400),
        ({"key": "x' OR 1=1 --"}, 400),
        ({"token": "nobody's"}, 401),
    ],
)
def test_what_is_no_comment_is_refused(db, taking, said, status):
    assert taking.write(**said).status_code == status
    assert kept(db) == []


def test_nobody_writes_before_the_questions_are_shown_while_they_are_covered_or_after_the_test(app, db):
    now = clock.now()
    for state in (State.ADMITTED, State.PAUSED_PROCTOR, State.SUBMITTED):
        with db.write() as session:
            attempt = make.attempt(session, state=state, now=now)
        token = tokens.make(app.settings.secret, attempt.id, 1, now + timedelta(hours=2))
        said = {"slot": 1, "text": "x", "key": str(uuid.uuid4())}
        reply = app.test_client().post(f"/api/attempts/{attempt.id}/comments", json=said, headers={"Authorization": f"Attempt {token}"})
        assert (state, reply.status_code, reply.json["code"]) == (state, 409, "not-now")


def test_a_comment_after_the_time_is_too_late_and_one_of_a_device_that_was_left_is_not_taken(db, taking):
    with db.write() as session:
        attempt = session.get_one(type(taking.attempt), taking.attempt.id)
        service.take_over(session, attempt, "another-browser", clock.now())
    assert taking.write().json["status"] == "moved"
    with db.write() as session:
        late = make.attempt(session, started=timedelta(hours=3), now=clock.now())
        service.time_is_up(session, late, clock.now())
        with pytest.raises(comments.rules.NotNow):
            comments.write(session, late, 1, "x", "12345678", clock.now())


def test_there_is_room_for_a_word_on_every_question_and_an_end(db, taking, monkeypatch):
    monkeypatch.setattr(comments, "MOST", 2)
    assert [taking.write().status_code for _ in range(3)] == [201, 201, 409]


def test_those_who_look_into_keys_read_it_without_a_name(db, visit, taking):
    taking.write(text="Both b & c are <right>.")
    with db.write() as session:
        one = session.get_one(type(taking.attempt), taking.attempt.id).session.administration
        make.handed_in(session, taking.attempt.session, 2, clock.now())
        analyst, reviewer = make.person(session, Role.ANALYST), make.person(session, Role.ITEM_REVIEWER)
        (asked,) = rulings.ask(session, one, analyst, {3: []}, clock.now())
    number, name = taking.attempt.person.candidate_number, taking.attempt.person.name
    base = f"/analyst/administrations/{one.id}"
    for person, address in (
        (analyst, f"{base}/key/items/3"),
        (analyst, f"{base}/key/panel"),
        (reviewer, f"/analyst/key-review/{asked.id}"),
    ):
        page = visit(person, Area.ANALYST).get(address).get_data(as_text=True)
        assert "Both b &amp; c are &lt;right&gt;." in page, address
        assert number not in page
        assert name not in page
    assert "No candidate wrote about this item" in visit(analyst, Area.ANALYST).get(f"{base}/key/items/4").get_data(as_text=True)


def test_the_review_has_a_place_for_it_that_names_each_question_by_its_place(app, db, visit, taking):
    with db.write() as session:
        session.get_one(type(taking.attempt), taking.attempt.id).device = None
    visitor = visit(taking.attempt.person, Area.CANDIDATE)
    visitor.post(f"/candidate/attempts/{taking.attempt.id}/take-over")
    with db.write() as session:
        attempt = session.get_one(type(taking.attempt), taking.attempt.id)
        if attempt.state != State.IN_PROGRESS:
            service.go_on(session, attempt, service.Event.RESUME, service.Who.PROCTOR, clock.now())
    page = visitor.get(f"/candidate/attempts/{taking.attempt.id}/test").get_data(as_text=True)
    assert re.findall(r'<option value="(\d)">(\d)</option>', page) == [(str(n), str(n)) for n in range(1, 7)]
    assert f"/api/attempts/{taking.attempt.id}/comments" in page
