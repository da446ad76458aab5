"""The one short write: shared commits, the lock between processes, and what happens when storage cannot take it."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.db import SERVER_SETTINGS, TURN, Database, OnlyOne, Prepared, Statement, stamp, take_turn, unstamp
from tests import make
from tests.make import NOON

pytestmark = pytest.mark.both
on_sqlite = pytest.mark.parametrize("kind", ["sqlite"])
on_postgres = pytest.mark.parametrize("kind", ["postgres"])


@pytest.fixture
def counter(tmp_path, kind, request):
    """A database with one table of numbers."""
    found = Database(f"sqlite:///{tmp_path / 'counter.sqlite'}" if kind == "sqlite" else request.getfixturevalue("postgres").empty())
    with found.write() as session:
        serial = "INTEGER PRIMARY KEY" if found.sqlite else "SERIAL PRIMARY KEY"
        session.execute(text(f"CREATE TABLE numbers (n {serial}, who TEXT NOT NULL)"))
    yield found
    found.close()


PUT = Statement("INSERT INTO numbers (who) VALUES (:who) RETURNING n")


def put(who):
    return lambda connection: PUT.run(connection, {"who": who}).fetchone()[0]


def kept(db):
    with db.read() as session:
        return [row[0] for row in session.execute(text("SELECT who FROM numbers ORDER BY n"))]


@on_sqlite
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

    with pytest.raises(Exception, match=r"(?i)not.null"):
        counter.group(fails)
    counter.group(put("next"))
    assert kept(counter) == ["next"]


def test_many_threads_lose_nothing_and_share_commits(counter):
    commits = []
    event.listen(counter.engine, "commit", lambda connection: commits.append(1))
    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(lambda n: counter.group(put(str(n))), range(400)))
    assert len(set(ids)) == 400
    assert sorted(kept(counter), key=int) == [str(n) for n in range(400)]
    # PostgreSQL shares the flush of many commits by itself.
    assert len(commits) < 400 or not counter.sqlite


@pytest.mark.parametrize("problem", [RuntimeError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_the_writer_lives_through_whatever_a_piece_of_work_raises(counter, problem):
    def fails(connection):
        raise problem

    with pytest.raises(type(problem)):
        counter.group(fails)
    counter.group(put("next"))
    assert kept(counter) == ["next"]


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
    with counter.write() as session:
        put("next")(session.connection())
    assert kept(counter) == ["next"]


def test_whoever_listens_is_told_after_a_write_is_kept_and_only_then(counter):
    told = []
    db = Database(counter.url, after_write=lambda: told.append(kept(db)))
    with db.write() as session:
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
TAKE = Statement("UPDATE numbers SET n = n + 1 WHERE who = 'answers'")
def add(connection):
    TAKE.run(connection, {})
def work(n):
    for _ in range(25):
        if n % 2:
            db.group(add)
        else:
            with db.write() as session:
                before = session.execute(text("SELECT n FROM numbers WHERE who = 'acts'")).scalar()
                session.execute(text("UPDATE numbers SET n = :n WHERE who = 'acts'"), {"n": before + 1})
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for one in threads: one.start()
for one in threads: one.join()
"""


def test_two_processes_that_write_at_once_lose_nothing(counter):
    """Half of the work reads first and writes what it read plus one: without the lock some of it would be lost or refused."""
    with counter.write() as session:
        session.execute(text("INSERT INTO numbers (n, who) VALUES (0, 'answers'), (1000, 'acts')"))
    children = [subprocess.Popen([sys.executable, "-c", WRITER, counter.url], stderr=subprocess.PIPE) for _ in range(2)]
    said = [child.communicate(timeout=60)[1].decode() for child in children]
    assert said == ["", ""]
    with counter.read() as session:
        assert session.execute(text("SELECT n FROM numbers ORDER BY n")).scalars().all() == [100, 1100]


@on_sqlite
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


@on_sqlite
def test_a_write_has_the_database_to_itself_from_its_first_word(counter):
    """A program that knows nothing of the lock file, a backup say, cannot slip in between a read and the write that follows from it."""
    stranger = sqlite3.connect(counter.url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    with counter.write() as session:
        assert session.execute(text("SELECT COUNT(*) FROM numbers")).scalar() == 0
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stranger.execute("BEGIN IMMEDIATE")
    stranger.close()


@on_sqlite
def test_the_lock_file_is_for_this_user_alone(db, settings):
    with db.write():
        pass
    assert (settings.data / "database.lock").stat().st_mode & 0o777 == 0o600


@on_postgres
def test_one_writes_at_a_time_while_answers_and_readers_go_on(counter):
    def write():
        with counter.write() as session:
            put("second")(session.connection())

    with ThreadPoolExecutor(2) as pool:
        with counter.write() as session:
            put("first")(session.connection())
            writing = pool.submit(write)
            with pytest.raises(TimeoutError):
                writing.result(0.3)
            assert kept(counter) == []
            pool.submit(counter.group, put("answer")).result(5)
            assert kept(counter) == ["answer"]
        writing.result(5)
    assert sorted(kept(counter)) == ["answer", "first", "second"]


@on_postgres
def test_work_that_moves_something_begins_anew_with_the_turn_taken(counter):
    tries = []

    def work(connection):
        tries.append(put("move")(connection))
        take_turn(connection)
        return "moved"

    with ThreadPoolExecutor(1) as pool:
        with counter.write():
            pass
        with counter.write() as session:
            put("first")(session.connection())
            moving = pool.submit(counter.group, work)
            with pytest.raises(TimeoutError):
                moving.result(0.3)
        assert moving.result(5) == "moved"
    assert len(tries) == 2
    assert kept(counter) == ["first", "move"]


@on_postgres
def test_who_freezes_in_the_middle_of_a_write_loses_its_turn(counter, monkeypatch):
    monkeypatch.setitem(SERVER_SETTINGS, "idle_in_transaction_session_timeout", "300ms")
    frozen = Database(counter.url)

    def freeze():
        with frozen.write() as session:
            put("lost")(session.connection())
            with counter.write() as other:  # waits until the frozen one's turn is taken away
                put("kept")(other.connection())

    with pytest.raises(errors.Unavailable):
        freeze()
    frozen.close()
    assert kept(counter) == ["kept"]


@on_postgres
def test_who_waits_too_long_for_the_turn_is_told_to_come_again(counter, monkeypatch):
    monkeypatch.setitem(SERVER_SETTINGS, "lock_timeout", "200ms")
    other = Database(counter.url)
    with counter.write() as session:
        put("kept")(session.connection())
        with pytest.raises(errors.Unavailable), other.write() as waiting:
            put("lost")(waiting.connection())
    other.close()
    assert kept(counter) == ["kept"]


def test_a_reader_sees_one_moment(counter):
    with counter.read() as session:
        assert session.execute(text("SELECT COUNT(*) FROM numbers")).scalar() == 0
        counter.group(put("meanwhile"))
        assert session.execute(text("SELECT COUNT(*) FROM numbers")).scalar() == 0
    assert kept(counter) == ["meanwhile"]


@on_postgres
def test_a_reader_writes_nothing(counter):
    with pytest.raises(errors.Unavailable), counter.read() as session:
        put("x")(session.connection())


# ------------------------------------------------------------ storage trouble


def trouble(db, statement):
    """From now on every new connection has this trouble."""
    db.engine.dispose()

    @event.listens_for(db.engine, "connect")
    def prepare(connection, _):
        connection.execute(statement)
        if not db.sqlite:
            connection.commit()


TROUBLES = [
    ("sqlite", "PRAGMA query_only = ON"),
    ("sqlite", "PRAGMA max_page_count = 1"),
    ("postgres", "SET default_transaction_read_only = on"),
]
READ_ONLY = [TROUBLES[0], TROUBLES[2]]


@pytest.mark.parametrize(("kind", "statement"), TROUBLES)
def test_storage_trouble_is_a_refusal_that_can_be_tried_again(counter, statement):
    trouble(counter, statement)
    big = "x" * 100_000
    with pytest.raises(errors.Unavailable):
        counter.group(put(big))
    with pytest.raises(errors.Unavailable), counter.write() as session:
        session.execute(text("INSERT INTO numbers (who) VALUES (:who)"), {"who": big})
    assert kept(counter) == []


@pytest.mark.parametrize(("kind", "statement"), READ_ONLY)
def test_when_storage_fails_everyone_who_waits_is_told(counter, statement):
    trouble(counter, statement)
    with ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(counter.group, put(str(n))) for n in range(20)]
        for reply in replies:
            with pytest.raises(errors.Unavailable):
                reply.result()


@pytest.mark.parametrize(
    ("kind", "statement", "back"),
    [(*READ_ONLY[0], "PRAGMA query_only = OFF"), (*READ_ONLY[1], "SET default_transaction_read_only = off")],
)
def test_once_storage_is_back_writing_goes_on(counter, statement, back):
    trouble(counter, statement)
    with pytest.raises(errors.Unavailable):
        counter.group(put("lost"))
    trouble(counter, back)
    counter.group(put("next"))
    assert kept(counter) == ["next"]


@on_postgres
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_while_the_server_is_away_everyone_is_told_and_afterwards_all_goes_on_by_itself(counter, postgres, mode):
    counter.group(put("before"))
    postgres.server.stop(mode)
    for _ in range(2):
        with pytest.raises(errors.Unavailable):
            counter.group(put("lost"))
        with pytest.raises(errors.Unavailable), counter.write() as session:
            put("lost")(session.connection())
        with pytest.raises(errors.Unavailable):
            kept(counter)
    postgres.server.start()
    counter.group(put("group"))
    with counter.write() as session:
        put("write")(session.connection())
    assert kept(counter) == ["before", "group", "write"]


@on_postgres
@pytest.mark.parametrize("way", ["group", "write"])
def test_a_server_that_dies_in_the_middle_of_a_write_is_storage_trouble(counter, postgres, way):
    def dies(connection):
        put("lost")(connection)
        postgres.server.stop("immediate")
        postgres.server.start()
        put("lost too")(connection)

    def write():
        with counter.write() as session:
            dies(session.connection())

    with pytest.raises(errors.Unavailable):
        counter.group(dies) if way == "group" else write()
    assert kept(counter) == []
    counter.group(put("next"))
    assert kept(counter) == ["next"]


@on_postgres
def test_a_server_that_takes_no_more_connections_is_storage_trouble_too(counter):
    with counter.write() as session:
        session.execute(text("DROP ROLE IF EXISTS one_at_a_time"))
        session.execute(text("CREATE ROLE one_at_a_time LOGIN CONNECTION LIMIT 1"))
        session.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO one_at_a_time"))
        session.execute(text("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO one_at_a_time"))
    few = Database(counter.url.replace("platform@", "one_at_a_time@"))
    with few.read() as session:
        assert session.execute(text("SELECT COUNT(*) FROM numbers")).scalar() == 0
        with pytest.raises(errors.Unavailable):
            few.group(put("lost"))
    few.group(put("next"))
    few.close()
    assert kept(counter) == ["next"]
    with counter.write() as session:
        session.execute(text("DROP OWNED BY one_at_a_time"))
        session.execute(text("DROP ROLE one_at_a_time"))


def test_a_broken_rule_is_not_storage_trouble(session):
    person = make.person(session)
    session.add(Person(name="Twin", email=person.email, created_at=NOON))
    with pytest.raises(IntegrityError):
        session.flush()


def test_a_rule_with_a_word_of_trouble_in_its_name_is_none(counter):
    with counter.write() as session:
        session.execute(text("CREATE TABLE doors (n INTEGER CONSTRAINT a_full_disk_is_locked CHECK (n > 0))"))
    with pytest.raises(IntegrityError), counter.write() as session:
        session.execute(text("INSERT INTO doors (n) VALUES (0)"))


@on_postgres
@pytest.mark.parametrize("value", ["'a' || chr(0)", "0"], ids=["nul", "number"])
def test_a_value_that_no_column_takes_is_a_bad_request(db, value):
    if value == "0":
        with pytest.raises(errors.BadRequest), db.read() as session:
            session.get(Person, 2**40)
        return
    with pytest.raises(errors.BadRequest), db.write() as session:
        session.add(Person(name="a\0b", email="nul@example.org", created_at=NOON))


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
    # What a Statement writes sorts and compares with what the models write.
    stored = Statement("SELECT created_at FROM people").run(session.connection(), {}).fetchone()[0]
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
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        session.execute(text("INSERT INTO role_grants (person_id, role, since) VALUES (999999, 'proctor', '2026-01-01')"))


@on_sqlite
def test_every_connection_waits_for_the_disk(db):
    with db.read() as session:
        found = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]
    assert session.scalars(select(Person)).all() == []
    assert os.path.exists(db.url.removeprefix("sqlite:///"))


@on_postgres
def test_every_commit_waits_for_the_disk_whatever_the_server_s_own_setting_is(counter, postgres):
    with postgres.server.administer() as outside:
        outside.execute(f"ALTER DATABASE {counter.engine.url.database} SET synchronous_commit = off")
    counter.engine.dispose()
    with counter.read() as session:
        assert session.execute(text("SHOW synchronous_commit")).scalar() == "on"
        assert session.execute(text("SHOW fsync")).scalar() == "on"


# ------------------------------------------------------------ one of several


def test_of_several_that_could_do_a_work_one_does_and_another_takes_over_when_it_is_gone(counter):
    first, second = (OnlyOne(Database(counter.url), "worker") for _ in range(2))
    assert [first.held(), second.held(), first.held(), second.held()] == [True, False, True, False]
    first.close()
    until = time.monotonic() + 10  # a server hears after a moment that somebody has hung up
    while not second.held() and time.monotonic() < until:
        time.sleep(0.02)
    assert [second.held(), first.held()] == [True, False]
    for one in (first, second):
        one.close()
        one.db.close()


@on_postgres
def test_who_lost_its_connection_is_not_the_one_any_more(counter):
    first, second = (OnlyOne(Database(counter.url), "worker") for _ in range(2))
    assert [first.held(), second.held()] == [True, False]
    with counter.write() as session:
        session.execute(
            text(
                f"SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND classid = {TURN} AND granted AND objsubid = 2"
            )
        )
    assert [first.held(), second.held(), first.held()] == [False, True, False]
    for one in (first, second):
        one.close()
        one.db.close()


@on_postgres
def test_a_prepared_statement_takes_every_text_as_it_is(counter):
    texts = ["plain", 'a "quoted" one', "back\\slash", "{a,b}", "NULL", "", "ñ 試", None]
    lengths = Prepared(
        "SELECT number, COALESCE(length(text), -1) FROM unnest(:text) WITH ORDINALITY AS one (text, number)", {"text": "text[]"}
    )
    assert counter.at_once(lengths, {"text": texts}) == [(n, -1 if one is None else len(one)) for n, one in enumerate(texts, 1)]
    with pytest.raises(ValueError, match="NUL"):
        counter.at_once(lengths, {"text": ["a\0b"]})
    assert counter.at_once(lengths, {"text": []}) == []


@on_postgres
def test_a_prepared_statement_that_the_server_refuses_says_so_without_the_row(counter):
    put_in = Prepared("INSERT INTO numbers (who) VALUES (NULLIF(:who, 'Ada')) RETURNING n", {"who": "text"})
    assert counter.at_once(put_in, {"who": "Grace"}) == [(1,)]
    with pytest.raises(Exception, match=r"(?i)not.null") as refused:
        counter.at_once(put_in, {"who": "Ada"})
    assert "2" not in str(refused.value)
    assert kept(counter) == ["Grace"]
