"""Two at the same attempt in the same moment, each in a transaction of its own: neither undoes what the other did."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from testing_platform import clock
from testing_platform.delivery import rules, service
from testing_platform.delivery.answers import Answers, Batch, EventIn
from testing_platform.delivery.models import Attempt, Response, TimeEntry
from testing_platform.delivery.rules import Event, State, Who
from tests import make

pytestmark = pytest.mark.both
HOUR = timedelta(hours=1)
on_postgres = pytest.mark.parametrize("kind", ["postgres"])


@pytest.fixture
def attempt_id(db):
    with db.write() as session:
        return make.attempt(session, now=clock.now()).id


@pytest.fixture(params=["first", "known"])
def answers(db, settings, attempt_id, request):
    """A process that hears of this attempt for the first time, or one that knows its form already."""
    found = Answers(db, settings)
    if request.param == "known":
        assert save(found, attempt_id, Batch("browser-0", 1, []))[0] == 200
    return found


@pytest.fixture
def beside():
    """`beside(work)`: run it in another thread."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def waits(future):
    """Whether this is held up by what is under way."""
    with pytest.raises(TimeoutError):
        future.result(0.4)
    return True


def answer(seq, option="a"):
    return Batch("browser-1", 1, [EventIn(seq, 1, "answered", option)])


def save(answers, attempt_id, batch):
    return answers.save(attempt_id, batch, clock.now())


def close(db, attempt_id, by):
    with db.write() as session:
        attempt = session.get_one(Attempt, attempt_id)
        if by == "candidate":
            service.submit(session, attempt, clock.now())
        else:
            service.end(session, attempt, 1, clock.now(), "ill")


def pause(session, attempt_id, now):
    service.hold(session, session.get_one(Attempt, attempt_id), Event.PAUSE, Who.PROCTOR, now, now, cause="proctor")


@on_postgres
@pytest.mark.parametrize("by", ["candidate", "two people"])
def test_handing_in_waits_for_an_answer_under_way_and_its_digest_covers_it(db, answers, attempt_id, beside, by):
    with db.engine.connect() as connection, connection.begin() as transaction:
        status, reply = answers.receive(connection, attempt_id, answer(1, "c"), clock.now())
        handing_in = beside(close, db, attempt_id, by)
        assert waits(handing_in)
        transaction.commit()
    handing_in.result(5)
    assert (status, reply["status"], reply["late"]) == (200, "running", [])
    with db.read() as session:
        assert session.get_one(Attempt, attempt_id).digest == rules.answers_digest(attempt_id, {1: "c"})


@on_postgres
def test_an_answer_waits_for_handing_in_under_way_and_is_late(db, answers, attempt_id, beside):
    with db.write() as session:
        service.submit(session, session.get_one(Attempt, attempt_id), clock.now())
        session.flush()
        saving = beside(save, answers, attempt_id, answer(1))
        assert waits(saving)
    status, reply = saving.result(5)
    assert (status, reply["status"], reply["late"]) == (200, "submitted", [1])
    with db.read() as session:
        assert session.scalars(select(Response.standing)).all() == ["late"]
        assert session.get_one(Attempt, attempt_id).digest == rules.answers_digest(attempt_id, {})


@on_postgres
def test_an_answer_waits_neither_for_a_contact_nor_for_an_act_on_another_attempt(db, answers, attempt_id, beside):
    with db.write() as session:
        session.execute(text("UPDATE contacts SET live_at = now()"))
        pause(session, make.attempt(session, now=clock.now()).id, clock.now())
        assert beside(save, answers, attempt_id, answer(1)).result(2)[1]["acked"] == 1


@on_postgres
def test_the_saves_of_a_round_are_one_commit_and_one_that_must_wait_holds_up_nobody(db, settings, beside):
    now = clock.now()
    with db.write() as session:
        ids = [make.attempt(session, now=now).id for _ in range(4)]
    answers = Answers(db, settings)
    for one in ids:
        save(answers, one, Batch("browser-0", 1, []))
    asked = [(one, answer(1), now) for one in ids] + [
        (ids[0], answer(1), now),
        (ids[1], Batch("browser-1", 1, [EventIn(2, 2, "flagged")]), now),
    ]
    with db.write() as session:
        pause(session, ids[2], now)
        session.flush()
        replies = beside(answers._save_all, asked).result(2)
    assert [reply and reply[2:] for reply in replies] == [(1, 1), (2, 2), None, (1, 1), (1, 1), (2, 2)]
    with db.read() as session:
        kept = session.execute(
            select(Response.attempt_id, Response.seq, text("xmin::text")).order_by(Response.attempt_id, Response.seq)
        ).all()
    assert [row[:2] for row in kept] == [(ids[0], 1), (ids[1], 1), (ids[1], 2), (ids[3], 1)]
    assert len({row[2] for row in kept}) == 1


@on_postgres
def test_a_round_that_waits_for_the_same_events_of_a_stuck_process_is_done_one_by_one(db, settings, beside):
    now = clock.now()
    with db.write() as session:
        ids = [make.attempt(session, now=now).id for _ in range(2)]
    answers = Answers(db, settings)
    for one in ids:
        save(answers, one, Batch("browser-0", 1, []))
    with db.engine.connect() as connection, connection.begin() as transaction:
        answers.receive(connection, ids[0], answer(1), now)
        assert answers._save_all([(one, answer(1), now) for one in ids]) == [None, None]
        waiting, other = (beside(save, answers, one, answer(1)) for one in ids)
        assert other.result(3)[1]["acked"] == 1
        assert not waiting.done()
        transaction.commit()
    assert waiting.result(5)[1]["acked"] == 1


def ends_at_once(db, attempt_id):
    """The deadline and its grace are just over, and nobody has come by."""
    with db.write() as session:
        attempt = session.get_one(Attempt, attempt_id)
        now = clock.now()
        attempt.clock = rules.Clock(attempt.time_limit, attempt.multiplier, now - timedelta(seconds=6) - attempt.clock.time_allowed)
        attempt.contact.http_at = now


@pytest.mark.parametrize("who", ["worker", "page"])
def test_a_pause_and_the_end_of_time_at_once_are_not_both_made(db, answers, attempt_id, beside, who):
    ends_at_once(db, attempt_id)

    def sweep():
        with db.write() as session:
            service.hand_in_all_due(session, clock.now())

    with db.write() as session:
        pause(session, attempt_id, clock.now())
        other = beside(sweep) if who == "worker" else beside(save, answers, attempt_id, answer(1))
        assert waits(other)
    other.result(5)
    with db.read() as session:
        attempt = session.get_one(Attempt, attempt_id)
        assert (attempt.state, attempt.submitted_at) == (State.PAUSED_PROCTOR, None)


def test_the_page_and_the_worker_close_an_attempt_whose_time_is_up_once(db, answers, attempt_id, beside):
    save(answers, attempt_id, answer(1, "d"))
    ends_at_once(db, attempt_id)

    def sweep():
        with db.write() as session:
            return len(service.hand_in_all_due(session, clock.now()))

    both = [beside(sweep), beside(save, answers, attempt_id, answer(2, "b")), beside(sweep)]
    for one in both:
        one.result(10)
    with db.read() as session:
        attempt = session.get_one(Attempt, attempt_id)
        assert (attempt.state, attempt.digest) == (State.SUBMITTED, rules.answers_digest(attempt_id, {1: "d"}))
        assert len(session.execute(text("SELECT id FROM events WHERE kind = 'attempt.time_is_up'")).all()) == 1


def test_grants_at_once_all_count(db, attempt_id, beside):
    with db.read() as session:
        before = session.get_one(Attempt, attempt_id).deadline

    def give(proctor):
        with db.write() as session:
            service.give_time(session, session.get_one(Attempt, attempt_id), 2, "technical", "", proctor, HOUR, clock.now())

    for one in [beside(give, 1) for _ in range(8)]:
        one.result(10)
    with db.read() as session:
        attempt = session.get_one(Attempt, attempt_id)
        assert (attempt.deadline - before, attempt.given) == (timedelta(minutes=16), timedelta(minutes=16))
        assert len(session.scalars(select(TimeEntry)).all()) == 8


def test_the_limit_of_time_given_holds_for_grants_at_once(db, attempt_id, beside):
    def give():
        with db.write() as session:
            service.give_time(session, session.get_one(Attempt, attempt_id), 6, "technical", "", 1, timedelta(minutes=10), clock.now())

    every = [beside(give) for _ in range(4)]
    assert [type(one.exception(10)) for one in every].count(rules.OverTheLimit) == 3


def test_the_same_answers_sent_twice_at_once_in_different_orders_are_kept_once_and_both_acknowledged(db, answers, attempt_id, beside):
    for first in range(1, 41, 2):
        events = [EventIn(first, 1, "answered", "a"), EventIn(first + 1, 2, "answered", "b")]
        every = [beside(save, answers, attempt_id, Batch("browser-1", 1, order)) for order in (events, events[::-1])]
        assert [(status, reply["acked"], reply["gaps"]) for status, reply in (one.result(10) for one in every)] == [
            (200, first + 1, [])
        ] * 2
    with db.read() as session:
        assert session.scalars(select(Response.seq).order_by(Response.seq)).all() == list(range(1, 41))
