"""The contract of the answer path (docs/protocol.md, §1), on either database through the product's own writer."""

import atexit
import contextlib
import json
import shutil
import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from testing_platform import clock
from testing_platform.bus import open_database
from testing_platform.db import Base, Database
from testing_platform.delivery import rules, service, tokens
from testing_platform.delivery.answers import Answers, Batch, EventIn
from testing_platform.delivery.models import Attempt, Response
from testing_platform.delivery.rules import State
from testing_platform.itembank.models import Form
from testing_platform.settings import Settings
from tests import make

pytestmark = pytest.mark.both
SECOND = timedelta(seconds=1)


@cache
def begun():
    """A database in which one candidate has just begun; copied for each example."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    db = Database(f"sqlite:///{folder / 'begun.sqlite'}")
    Base.metadata.create_all(db.engine)
    with db.write() as session:
        assert make.attempt(session, now=make.NOON).id == 1
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder / "begun.sqlite"


class PowerCut(Exception):
    """The process dies before its commit."""


class Answering(RuleBasedStateMachine):
    """Sends, losses, duplicates, reorders, crashes, holds, grants, take-over: what was acknowledged is there once and the answers are right."""

    def __init__(self, postgres):
        super().__init__()
        self.postgres = postgres
        self.opened = contextlib.ExitStack()

    @initialize()
    def start(self):
        folder = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        if self.postgres:
            self.settings = Settings(data=folder, log_level="error", database=self.opened.enter_context(self.postgres.fresh()))
            self.db = open_database(self.settings)
            with self.db.write() as session:
                assert make.attempt(session, now=make.NOON).id == 1
        else:
            self.settings = Settings(data=folder, log_level="error")
            shutil.copy(begun(), self.settings.data / "testing-platform.sqlite")
            self.db = open_database(self.settings)
        self.now = make.NOON
        self.attempt_id = 1
        self.answers = Answers(self.db, self.settings)
        self.epoch = 1
        self.device = "device-1"
        self.journals = {"device-1": []}  # device → events ever made, in order
        self.epochs = {"device-1": 1}
        self.acked = {}  # (device, seq) → event
        self.standing = {}  # (device, seq) → whether it counts, by the model
        self.deadline = self.now + timedelta(minutes=75)
        self.held_since = None
        self.over = False

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()
        self.opened.close()

    # ---------------------------------------------------------------- the candidate

    @rule(
        slot=st.integers(1, make.ITEMS),
        state=st.sampled_from(["answered", "answered", "cleared", "flagged", "unflagged", "struck"]),
        option=st.sampled_from("abcd"),
    )
    def say(self, slot, state, option):
        journal = self.journals[self.device]
        journal.append(EventIn(len(journal) + 1, slot, state, option if state in ("answered", "struck") else None, 100))

    def deliver(self, device, events, *, reply_arrives=True, crash=False):
        batch = Batch(device, self.epochs[device], events)

        def dies(connection):
            self.answers.receive(connection, self.attempt_id, batch, self.now)
            raise PowerCut

        if crash:
            with pytest.raises(PowerCut):
                self.db.group(dies)
            return
        status, reply = self.answers.save(self.attempt_id, batch, self.now)
        for event in events:
            # The first arrival decides how an event stands.
            self.standing.setdefault((device, event.seq), self.counts_now(device))
        stale = self.epochs[device] < self.epoch
        assert status == (409 if stale else 200), reply
        if stale:
            assert reply["status"] == "moved"
        elif reply_arrives:
            stored = {seq for (dev, seq) in self.standing if dev == device}
            for event in journal_upto(self.journals[device], reply["acked"]):
                assert event.seq in stored
                self.acked[device, event.seq] = event
            missing = {n for first, last in reply["gaps"] for n in range(first, last + 1)}
            assert missing == set(range(1, max(stored, default=0) + 1)) - stored
            assert set(reply["late"]) <= {event.seq for event in events}
            for event in events:
                assert (event.seq in reply["late"]) == (not self.standing[device, event.seq])

    def counts_now(self, device):
        if self.epochs[device] < self.epoch:
            return False
        if self.held_since is not None:
            return True
        return not self.over and self.now <= self.deadline + 5 * SECOND

    @precondition(lambda self: any(self.journals.values()))
    @rule(data=st.data(), reply_arrives=st.booleans(), crash=st.booleans())
    def send(self, data, reply_arrives, crash):
        device = data.draw(st.sampled_from(sorted(d for d, j in self.journals.items() if j)))
        # Any part of the journal, in any order, again and again.
        events = data.draw(st.lists(st.sampled_from(self.journals[device]), min_size=1, max_size=8, unique_by=lambda e: e.seq))
        self.deliver(device, events, reply_arrives=reply_arrives, crash=crash)

    @rule()
    def process_dies_and_starts_again(self):
        self.db.close()
        self.db = open_database(self.settings)
        self.answers = Answers(self.db, self.settings)

    # ---------------------------------------------------------------- time and people

    @rule(seconds=st.integers(0, 4))
    def time_passes(self, seconds):
        self.now += seconds * SECOND

    @rule()
    def time_jumps_near_the_end(self):
        if self.held_since is None and not self.over and self.now < self.deadline - 10 * SECOND:
            with self.db.write() as session:
                attempt = session.get(Attempt, self.attempt_id)
                self.now = self.deadline - 4 * SECOND
                attempt.contact.http_at = self.now

    @rule()
    def pause(self):
        if self.held_since is None and not self.over and self.now < self.deadline:
            with self.db.write() as session:
                service.hold(
                    session,
                    session.get(Attempt, self.attempt_id),
                    rules.Event.PAUSE,
                    rules.Who.PROCTOR,
                    self.now,
                    self.now,
                    cause="proctor",
                )
            self.held_since = self.now

    @rule()
    def resume(self):
        if self.held_since is not None:
            with self.db.write() as session:
                attempt = session.get(Attempt, self.attempt_id)
                service.go_on(session, attempt, rules.Event.RESUME, rules.Who.PROCTOR, self.now)
                attempt.contact.http_at = self.now
            self.deadline += self.now - self.held_since
            self.held_since = None

    @rule(minutes=st.integers(1, 5))
    def give_time(self, minutes):
        if not self.over:
            with self.db.write() as session:
                try:
                    service.give_time(
                        session, session.get(Attempt, self.attempt_id), minutes, "technical", "", 1, timedelta(hours=1), self.now
                    )
                except rules.OverTheLimit:
                    return
            self.deadline += timedelta(minutes=minutes)

    @rule()
    def take_over(self):
        if not self.over and self.epoch < 4 and self.now < self.deadline:
            name = f"device-{self.epoch + 1}"
            with self.db.write() as session:
                service.take_over(session, session.get(Attempt, self.attempt_id), name, self.now)
            self.epoch += 1
            self.device, self.journals[name], self.epochs[name] = name, [], self.epoch
            self.held_since = self.held_since or self.now

    @rule()
    def sweep(self):
        with self.db.write() as session:
            closed = service.hand_in_all_due(session, self.now)
        if closed:
            assert self.now >= self.deadline + 5 * SECOND
            self.over = True

    # ---------------------------------------------------------------- what must hold

    @invariant()
    def acknowledged_events_are_stored_once_and_unchanged(self):
        if not hasattr(self, "db"):
            return
        with self.db.read() as session:
            rows = session.scalars(select(Response)).all()
        stored = {(row.device, row.seq): row for row in rows}
        assert len(stored) == len(rows)
        for (device, seq), event in self.acked.items():
            row = stored[device, seq]
            assert (row.slot, row.state, row.option) == (event.slot, event.state, event.option)

    @invariant()
    def the_answers_are_those_the_candidate_gave(self):
        if not hasattr(self, "db"):
            return
        expected = {}
        for device in sorted(self.journals, key=lambda d: self.epochs[d]):
            for event in self.journals[device]:
                if self.standing.get((device, event.seq)) and event.state in ("answered", "cleared"):
                    expected[event.slot] = event.option
        with self.db.read() as session:
            found = service.chosen(session, self.attempt_id)
        assert found == {slot: option for slot, option in expected.items() if option}

    @invariant()
    def the_clock_is_the_sum_of_its_parts(self):
        if not hasattr(self, "db"):
            return
        with self.db.read() as session:
            attempt = session.get(Attempt, self.attempt_id)
            assert attempt.deadline == self.deadline
            assert attempt.answers_until == self.deadline + 5 * SECOND


def journal_upto(journal, acked):
    return [event for event in journal if event.seq <= acked]


def test_whatever_happens_in_whatever_order_what_was_acknowledged_is_there_once(kind, request):
    postgres = request.getfixturevalue("postgres") if kind == "postgres" else None
    few = settings(max_examples=10 if postgres else 40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: Answering(postgres), settings=few)


# -------------------------------------------------------------------- over HTTP


@pytest.fixture
def running(app, db):
    """A candidate in the middle of the test: (attempt id, its token, a function that posts a body)."""
    now = clock.now()
    with db.write() as session:
        attempt = make.attempt(session, now=now)
        attempt_id = attempt.id
    token = tokens.make(app.settings.secret, attempt_id, 1, now + timedelta(hours=2))
    client = app.test_client()

    def post(body, token=token, attempt_id=attempt_id):
        data = body if isinstance(body, bytes) else json.dumps(body)
        return client.post(f"/api/attempts/{attempt_id}/responses", data=data, headers={"Authorization": f"Attempt {token}"})

    return attempt_id, token, post


def batch(*events, device="browser-1", epoch=1):
    return {"device": device, "epoch": epoch, "events": list(events)}


def answered(seq, slot=1, option="a"):
    return {"seq": seq, "slot": slot, "option": option, "state": "answered", "elapsed_ms": 900}


def test_a_repeat_changes_nothing_and_is_acknowledged_again(running, db):
    attempt_id, _, post = running
    first = post(batch(answered(1), answered(2, 2, "c")))
    again = post(batch(answered(1), answered(2, 2, "c")))
    assert first.status_code == again.status_code == 200
    assert first.json["acked"] == again.json["acked"] == 2
    assert first.json["status"] == "running"
    with db.read() as session:
        assert len(session.scalars(select(Response)).all()) == 2


def test_gaps_are_named_and_close_when_they_are_filled(running):
    _, _, post = running
    assert post(batch(answered(1), answered(4), answered(6))).json["gaps"] == [[2, 3], [5, 5]]
    assert post(batch(answered(2), answered(3))).json["acked"] == 4
    filled = post(batch(answered(5)))
    assert (filled.json["acked"], filled.json["gaps"]) == (6, [])


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (answered(2, slot=99), "unknown-slot"),
        (answered(2, option="x"), "unknown-option"),
        ({**answered(2), "option": None}, "unknown-option"),
        ({**answered(2), "state": "guessed"}, "unknown-state"),
        (answered(0), "bad-number"),
    ],
)
def test_an_event_that_the_form_does_not_have_is_refused_alone(running, db, event, why):
    attempt_id, _, post = running
    reply = post(batch(answered(1, option="d"), event))
    assert reply.status_code == 422
    assert reply.json["refused"] == [{"seq": event["seq"], "why": why}]
    with db.read() as session:
        assert service.chosen(session, attempt_id) == {1: "d"}


@pytest.mark.parametrize(
    ("option", "status"),
    [("a c", 200), ("d", 200), ("c a", 422), ("a a", 422), ("a b c", 422), ("a x", 422), ("a  c", 422), ("", 422), (" ", 422)],
)
def test_several_answers_are_one_value_in_one_order_and_no_more_than_may_be_chosen(running, db, option, status):
    attempt_id, _, post = running
    with db.write() as session:
        make.several(session, session.get_one(Form, session.get_one(Attempt, attempt_id).form_id), most=2)
    assert post(batch(answered(1, option=option))).status_code == status
    with db.read() as session:
        assert service.chosen(session, attempt_id) == ({1: option} if status == 200 else {})


def test_several_options_are_crossed_out_one_by_one(running, db):
    attempt_id, _, post = running
    with db.write() as session:
        make.several(session, session.get_one(Form, session.get_one(Attempt, attempt_id).form_id))
    crossed = {**answered(1, option="a c"), "state": "struck"}
    assert post(batch(crossed)).json["refused"] == [{"seq": 1, "why": "unknown-option"}]
    assert post(batch({**crossed, "option": "b"})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        json.dumps({"device": "browser-1", "epoch": 1}).encode(),
        json.dumps(batch(answered("one"))).encode(),
        json.dumps(batch(device="x")).encode(),
        json.dumps(batch(*[answered(n) for n in range(1, 102)])).encode(),
        b"x" * 70_000,
    ],
    ids=["empty", "cut", "list", "bytes", "no-events", "word", "device", "101", "70kB"],
)
def test_what_is_not_of_the_shape_is_refused_with_nothing_stored(running, db, body):
    _, _, post = running
    assert post(body).status_code == 400
    with db.read() as session:
        assert session.scalars(select(Response)).all() == []


def test_tokens(running, app, db):
    attempt_id, token, post = running
    later = clock.now() + timedelta(hours=1)
    with db.write() as session:
        other = make.attempt(session, now=clock.now()).id
    for wrong in (
        "",
        token[:-2],
        token + "x",
        tokens.make(b"another secret", attempt_id, 1, later),
        tokens.make(app.settings.secret, other, 1, later),
        tokens.make(app.settings.secret, attempt_id, 1, clock.now() - SECOND),
    ):
        reply = post(batch(answered(1)), token=wrong)
        assert (reply.status_code, reply.json["code"]) == (401, "bad-token")
    # A token of this attempt for another epoch than the body names.
    assert post(batch(answered(1), epoch=2)).status_code == 401
    with db.read() as session:
        assert session.scalars(select(Response)).all() == []


def test_an_older_device_is_told_that_the_test_moved_and_its_events_are_kept_aside(running, db):
    attempt_id, _, post = running
    post(batch(answered(1, option="a")))
    with db.write() as session:
        service.take_over(session, session.get(Attempt, attempt_id), "another-browser", clock.now())
    reply = post(batch(answered(2, option="b")))
    assert (reply.status_code, reply.json["status"]) == (409, "moved")
    with db.read() as session:
        assert service.chosen(session, attempt_id) == {1: "a"}
        assert session.scalars(select(Response.standing).order_by(Response.seq)).all() == ["counted", "aside"]


def test_an_answer_after_time_is_kept_as_late_and_not_counted(running, db):
    attempt_id, _, post = running
    post(batch(answered(1, option="a")))
    with db.write() as session:
        attempt = session.get(Attempt, attempt_id)
        moved = clock.now() - timedelta(seconds=5, milliseconds=1) - attempt.clock.time_allowed
        attempt.clock = rules.Clock(attempt.time_limit, attempt.multiplier, moved)
    reply = post(batch(answered(1), answered(2, option="b")))
    assert reply.json["late"] == [2]
    assert reply.json["acked"] == 2
    assert reply.json["status"] == "submitted"
    with db.read() as session:
        attempt = session.get(Attempt, attempt_id)
        assert service.chosen(session, attempt_id) == {1: "a"}
        # Recorded as the deadline, not as the time when someone came by.
        assert attempt.submitted_at == attempt.deadline
        assert attempt.submitted_by == "clock"


def test_an_answer_within_the_grace_counts(running, db):
    attempt_id, _, post = running
    with db.write() as session:
        attempt = session.get(Attempt, attempt_id)
        attempt.clock = rules.Clock(attempt.time_limit, attempt.multiplier, clock.now() - 2 * SECOND - attempt.clock.time_allowed)
    assert post(batch(answered(1, option="c"))).json["late"] == []
    with db.read() as session:
        assert service.chosen(session, attempt_id) == {1: "c"}


def test_state_tells_where_the_test_stands(running, app, db):
    attempt_id, token, post = running
    with db.write() as session:
        attempt = session.get(Attempt, attempt_id)
        service.write_message(session, attempt, "proctor", 1, "Please sit up.", clock.now())
        service.give_time(session, attempt, 5, "technical", "", 1, timedelta(minutes=10), clock.now())
        service.hold(session, attempt, rules.Event.PAUSE, rules.Who.PROCTOR, clock.now(), clock.now(), cause="proctor", reason="A look.")
    url = f"/api/attempts/{attempt_id}/state?device=browser-1&messages=0"
    reply = app.test_client().get(url, headers={"Authorization": f"Attempt {token}"})
    assert reply.status_code == 200
    assert reply.json["status"] == "paused"
    assert reply.json["pause"]["reason"] == "A look."
    assert [m["text"] for m in reply.json["messages"]] == ["Please sit up."]
    assert [given["minutes"] for given in reply.json["time_given"]] == [5]
    assert reply.json["deadline"] == pytest.approx(clock.to_ms(clock.now() + timedelta(minutes=80)), abs=5000)


def test_nothing_of_the_key_is_in_any_reply(running, app):
    attempt_id, token, post = running
    text = post(batch(answered(1))).get_data(as_text=True)
    assert "key" not in text
    assert "correct" not in text


@contextlib.contextmanager
def refusing_writes(db):
    """A server that only reads now (its disk was taken away, another has taken over), a folder that no longer takes a file."""
    if db.sqlite:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(db, "locked", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            yield
        return
    name = db.engine.url.database
    with psycopg.connect(db.url.replace("+psycopg", ""), autocommit=True) as outside:
        outside.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        db.engine.dispose()
        yield
        outside.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        db.engine.dispose()


def test_storage_trouble_is_503_and_the_next_try_succeeds(running, db):
    _, _, post = running
    with refusing_writes(db):
        refused = post(batch(answered(1)))
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
    assert post(batch(answered(1))).json["acked"] == 1


@pytest.mark.parametrize("kind", ["postgres"])
def test_connections_that_died_while_nobody_used_them_cost_no_answer(running, db):
    """The server was started again, or a firewall dropped them."""
    _, _, post = running
    post(batch(answered(1)))
    with psycopg.connect(db.url.replace("+psycopg", ""), autocommit=True) as outside:
        outside.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert post(batch(answered(2))).json["acked"] == 2


def test_state_values_are_the_published_words():
    assert {str(rules.status(state)) for state in State} <= {"before", "running", "paused", "covered", "waiting", "submitted", "ended"}


def test_the_saving_statement_itself_judges_lateness_when_nobody_has_closed_the_attempt(running, db, monkeypatch):
    attempt_id, _, post = running
    with db.write() as session:
        attempt = session.get(Attempt, attempt_id)
        began = clock.now() - timedelta(seconds=6) - attempt.clock.time_allowed
        attempt.clock = rules.Clock(attempt.time_limit, attempt.multiplier, began)
    monkeypatch.setattr(service, "time_is_up", lambda *_: False)
    reply = post(batch(answered(1)))
    assert (reply.json["status"], reply.json["late"]) == ("running", [1])
    with db.read() as session:
        assert service.chosen(session, attempt_id) == {}
