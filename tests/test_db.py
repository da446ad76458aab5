"""The one short write: shared commits, the lock between processes, and what happens when storage cannot take it."""

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.db import Database, Statement, stamp, unstamp
from tests import make
from tests.make import NOON


@pytest.fixture
def counter(tmp_path):
    """A database with one table of numbers."""
    found = Database(f"sqlite:///{tmp_path / 'counter.sqlite'}")
    with found.write() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY, who TEXT NOT NULL)"))
    yield found
    found.close()


PUT = Statement("INSERT INTO numbers (who) VALUES (:who)")


def put(who):
    return lambda connection: PUT.run(connection, {"who": who}).lastrowid


def kept(db):
    with db.read() as session:
        return [row[0] for row in session.execute(text("SELECT who FROM numbers ORDER BY n"))]


def test_one_piece_of_work_that_fails_undoes_itself_alone(counter):
    def fails(connection):
        put("lost")(connection)
        raise errors.NotFound(why="none such")

    held, go = threading.Event(), threading.Event()

    def wait(connection):
        held.set()
        assert go.wait(5)
        return put("first")(connection)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(counter.group, wait)
        assert held.wait(5)
        # These wait for the writer together and share the next commit.
        others = [pool.submit(counter.group, work) for work in (put("second"), fails, put("third"))]
        go.set()
        assert first.result() == 1
        with pytest.raises(errors.NotFound, match="none such"):
            others[1].result()
        assert {others[0].result(), others[2].result()} == {2, 3}
    assert sorted(kept(counter)) == ["first", "second", "third"]


def test_a_statement_that_the_database_refuses_undoes_itself_alone(counter):
    def fails(connection):
        put("lost")(connection)
        put(None)(connection)

    with pytest.raises(Exception, match="NOT NULL"):
        counter.group(fails)
    assert counter.group(put("next")) == 1
    assert kept(counter) == ["next"]


def test_many_threads_lose_nothing_and_share_commits(counter):
    commits = []
    event.listen(counter.engine, "commit", lambda connection: commits.append(1))
    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(lambda n: counter.group(put(str(n))), range(400)))
    assert sorted(ids) == list(range(1, 401))
    assert sorted(kept(counter), key=int) == [str(n) for n in range(400)]
    assert len(commits) < 400


@pytest.mark.parametrize("problem", [RuntimeError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_the_writer_lives_through_whatever_a_piece_of_work_raises(counter, problem):
    def fails(connection):
        raise problem

    with pytest.raises(type(problem)):
        counter.group(fails)
    assert counter.group(put("next")) == 1


def test_an_answer_is_there_for_other_connections_when_the_call_returns(counter):
    for n in range(20):
        counter.group(put(str(n)))
        assert len(kept(counter)) == n + 1


def test_a_write_that_raises_keeps_nothing_and_leaves_the_lock_free(counter):
    def fails():
        with counter.write() as session:
            session.execute(text("INSERT INTO numbers (who) VALUES ('lost')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert counter.group(put("next")) == 1
    assert kept(counter) == ["next"]


def test_whoever_listens_is_told_after_a_write_is_kept_and_only_then(tmp_path):
    told = []
    db = Database(f"sqlite:///{tmp_path / 'db.sqlite'}", after_write=lambda: told.append(kept(db)))
    with db.write() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY, who TEXT)"))
        session.execute(text("INSERT INTO numbers (who) VALUES ('one')"))
        assert told == []
    assert told == [["one"]]
    with pytest.raises(RuntimeError), db.write():
        raise RuntimeError
    assert told == [["one"]]
    db.close()


WRITER = """
import sys, threading
from sqlalchemy import text
from testing_platform.db import Database, Statement
db = Database(sys.argv[1])
TAKE = Statement("UPDATE numbers SET n = n + 1 WHERE who = :who")
def add(connection):
    TAKE.run(connection, {"who": "sum"})
def work(n):
    for _ in range(25):
        if n % 2:
            db.group(add)
        else:
            with db.write() as session:
                before = session.execute(text("SELECT n FROM numbers")).scalar()
                session.execute(text("UPDATE numbers SET n = :n"), {"n": before + 1})
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for one in threads: one.start()
for one in threads: one.join()
"""


def test_two_processes_that_write_at_once_lose_nothing(counter):
    """Half of the work reads first and writes what it read plus one: without the lock some of it would be lost or refused."""
    with counter.write() as session:
        session.execute(text("INSERT INTO numbers (n, who) VALUES (0, 'sum')"))
    children = [subprocess.Popen([sys.executable, "-c", WRITER, counter.url], stderr=subprocess.PIPE) for _ in range(2)]
    said = [child.communicate(timeout=60)[1].decode() for child in children]
    assert said == ["", ""]
    with counter.read() as session:
        assert session.execute(text("SELECT n FROM numbers")).scalar() == 200


@pytest.mark.parametrize("way", ["group", "write"])
def test_a_write_waits_for_whoever_holds_the_lock_file(counter, way):
    def write():
        if way == "group":
            counter.group(put("one"))
        else:
            with counter.write() as session:
                session.execute(text("INSERT INTO numbers (who) VALUES ('one')"))

    elsewhere = Database(counter.url)
    with ThreadPoolExecutor(1) as pool:
        with elsewhere.locked():
            writing = pool.submit(write)
            with pytest.raises(TimeoutError):
                writing.result(0.2)
        writing.result(5)
    assert kept(counter) == ["one"]
    elsewhere.close()


def test_a_write_has_the_database_to_itself_from_its_first_word(counter):
    """A program that knows nothing of the lock file, a backup say, cannot slip in between a read and the write that follows from it."""
    stranger = sqlite3.connect(counter.url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    with counter.write() as session:
        assert session.execute(text("SELECT COUNT(*) FROM numbers")).scalar() == 0
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stranger.execute("BEGIN IMMEDIATE")
    stranger.close()


def test_the_lock_file_is_for_this_user_alone(db, settings):
    with db.write():
        pass
    assert (settings.data / "database.lock").stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------ storage trouble


def trouble(db, pragma):
    """From now on every new connection has this trouble."""
    db.engine.dispose()

    @event.listens_for(db.engine, "connect")
    def prepare(connection, _):
        connection.execute(pragma)


TROUBLES = ["PRAGMA query_only = ON", "PRAGMA max_page_count = 1"]


@pytest.mark.parametrize("pragma", TROUBLES)
def test_storage_trouble_is_a_refusal_that_can_be_tried_again(counter, pragma):
    trouble(counter, pragma)
    big = "x" * 100_000
    with pytest.raises(errors.Unavailable):
        counter.group(put(big))
    with pytest.raises(errors.Unavailable), counter.write() as session:
        session.execute(text("INSERT INTO numbers (who) VALUES (:who)"), {"who": big})
    assert kept(counter) == []


def test_when_storage_fails_everyone_in_the_batch_is_told(counter):
    trouble(counter, TROUBLES[0])
    with ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(counter.group, put(str(n))) for n in range(20)]
        for reply in replies:
            with pytest.raises(errors.Unavailable):
                reply.result()


def test_once_storage_is_back_writing_goes_on(counter):
    trouble(counter, TROUBLES[0])
    with pytest.raises(errors.Unavailable):
        counter.group(put("lost"))
    trouble(counter, "PRAGMA query_only = OFF")
    assert counter.group(put("next")) == 1


def test_a_broken_rule_is_not_storage_trouble(session):
    person = make.person(session)
    session.add(Person(name="Twin", email=person.email, created_at=NOON))
    with pytest.raises(IntegrityError):
        session.flush()


def test_an_address_or_a_name_never_stands_in_a_database_error(db):
    twins = [Person(name="Marigold", email="marigold@example.org", created_at=NOON) for _ in range(2)]
    with pytest.raises(IntegrityError) as problem, db.write() as session:
        session.add_all(twins)
    assert "arigold" not in str(problem.value)


# ------------------------------------------------------------ what is stored


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-8)), timezone(timedelta(hours=5, minutes=30))])
def test_an_instant_comes_back_in_utc_to_the_microsecond(session, zone):
    at = datetime(2026, 11, 1, 1, 30, 0, 123456, tzinfo=zone)
    person = Person(name="x", email="x@example.org", created_at=at)
    session.add(person)
    session.flush()
    session.refresh(person)
    assert person.created_at == at
    assert person.created_at.utcoffset() == timedelta()
    # The text that a Statement writes sorts and compares with what the models write.
    stored = session.execute(text("SELECT created_at FROM people")).scalar()
    assert stored == stamp(session.connection(), at)
    assert unstamp(stored) == at


def test_an_instant_without_a_zone_is_refused(session):
    session.add(Person(name="x", email="x@example.org", created_at=datetime(2026, 11, 1, 1, 30)))
    with pytest.raises(Exception, match="without a zone"):
        session.flush()


def test_durations_and_factors_come_back_exactly(session):
    attempt = make.attempt(session, multiplier="1.125")
    attempt.late_grace = timedelta(milliseconds=1234)
    session.flush()
    session.refresh(attempt)
    assert (attempt.multiplier, attempt.late_grace) == (Decimal("1.125"), timedelta(milliseconds=1234))


def test_a_reference_to_nobody_is_refused(session):
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        session.execute(text("INSERT INTO role_grants (person_id, role, since) VALUES (999999, 'proctor', '2026-01-01')"))


def test_every_connection_waits_for_the_disk(db):
    with db.read() as session:
        found = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]
    assert session.scalars(select(Person)).all() == []
    assert os.path.exists(db.url.removeprefix("sqlite:///"))
