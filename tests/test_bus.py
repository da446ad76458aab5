"""Events reach every reader once, in one order, whichever transaction is kept first; a hint only wakes sooner."""

import select as sockets
import socket
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from testing_platform import bus
from testing_platform.bus import Ears, Hint, Place, open_database
from testing_platform.migrations import upgrade
from tests.make import NOON

pytestmark = pytest.mark.both
on_postgres = pytest.mark.parametrize("kind", ["postgres"])


@contextmanager
def open_transaction(db):
    """A writer that takes no turn: another program, or a later version of ours."""
    with db.engine.connect() as connection, connection.begin(), Session(connection) as session:
        yield session


def say(session, word):
    bus.publish(session, "attempt." + word, NOON, attempt_id=1)
    session.flush()


class Reader:
    def __init__(self, db):
        self.db = db
        self.words = []
        with db.read() as session:
            self.place = bus.end(session)

    def read(self, limit=500):
        with self.db.read() as session:
            found = bus.after(session, self.place, limit)
        for event in found:
            self.place = event.place
        self.words += [event.kind.removeprefix("attempt.") for event in found]
        return len(found)


def test_a_reader_sees_what_comes_after_it_began_once_and_in_order(db):
    with db.write() as session:
        say(session, "before")
    reader = Reader(db)
    for word in ("one", "two", "three"):
        with db.write() as session:
            say(session, word)
            say(session, word + "-and")
        reader.read(limit=1)
    while reader.read(limit=1):
        pass
    assert reader.words == ["one", "one-and", "two", "two-and", "three", "three-and"]
    assert reader.read() == 0


def test_an_event_of_a_transaction_that_is_undone_is_never_seen(db):
    reader = Reader(db)
    with open_transaction(db) as session:
        say(session, "undone")
        session.rollback()
    with db.write() as session:
        say(session, "kept")
    reader.read()
    assert reader.words == ["kept"]


@on_postgres
def test_events_kept_in_another_order_than_they_were_numbered_are_all_seen_once(db):
    reader = Reader(db)
    with open_transaction(db) as a:
        say(a, "a")
        with open_transaction(db) as b:
            say(b, "b")
        # The later one is kept; the earlier may still come before it.
        reader.read()
        assert reader.words == []
        a.commit()
    reader.read()
    assert reader.words == ["a", "b"]
    assert reader.read() == 0


@on_postgres
def test_an_event_with_a_smaller_id_that_is_kept_after_a_greater_one_was_read_is_seen_too(db):
    """Here the transaction that began first numbers its event last: an id alone would pass over the other's."""
    reader = Reader(db)
    with open_transaction(db) as b:
        with open_transaction(db) as a:
            say(a, "begins a")
            say(b, "b")
            say(a, "a")
            a.commit()
        reader.read()
        assert reader.words == ["begins a", "a"]
        b.commit()
    reader.read()
    assert reader.words == ["begins a", "a", "b"]


@on_postgres
def test_an_event_written_within_a_savepoint_waits_for_its_whole_transaction(db):
    reader = Reader(db)
    with open_transaction(db) as a:
        with a.begin_nested():
            say(a, "inner")
        with open_transaction(db) as b:
            say(b, "b")
        reader.read()
        say(a, "outer")
        a.commit()
    reader.read()
    assert reader.words == ["inner", "outer", "b"]


@on_postgres
def test_a_reader_that_begins_while_a_transaction_is_open_sees_what_that_one_brings(db):
    with open_transaction(db) as a:
        say(a, "a")
        reader = Reader(db)
        a.commit()
    reader.read()
    assert reader.words == ["a"]


@on_postgres
def test_what_was_restored_from_another_server_is_never_told_as_news(own_settings):
    """There it was written by a transaction whose number this server has yet to reach."""
    db = open_database(own_settings)
    upgrade(db)
    with db.write() as session:
        say(session, "old")
        session.execute(update(bus.Event).values(txid=bus.Event.txid + 6))
    upgrade(db)
    reader, words = Reader(db), [str(number) for number in range(12)]
    for word in words:
        with db.write() as session:
            say(session, word)
    reader.read()
    assert reader.words == words
    db.close()


def test_places_are_ordered_by_transaction_first():
    assert Place(1, 9) < Place(2, 1) < Place(2, 2)


# ------------------------------------------------------------ hints


@pytest.fixture
def hint(tmp_path):
    return Hint(tmp_path)


@pytest.fixture
def listener(hint):
    with hint.listener() as found:
        yield found


def woken(listener: socket.socket, seconds: float) -> bool:
    if not sockets.select([listener], [], [], seconds)[0]:
        return False
    while sockets.select([listener], [], [], 0)[0]:
        listener.recv(16)
    return True


def test_a_hint_wakes_whoever_listens_and_is_nobody_s_trouble_otherwise(hint):
    hint.send()
    with hint.listener() as listener:
        hint.send()
        assert woken(listener, 1)


def test_a_hint_reaches_a_folder_with_a_long_name(tmp_path):
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    hint = Hint(folder)
    with hint.listener() as listener:
        hint.send()
        assert woken(listener, 1)


@pytest.fixture
def ears(db, hint):
    """As on another machine: nothing but the database is shared."""
    found = Ears(db.url, hint, patience=0.1)
    found.start()
    assert found.listening.wait(5)
    yield found
    found.stop()
    found.join(5)


@on_postgres
def test_another_machine_is_woken_when_news_is_kept_and_not_for_anything_else(db, hint, listener, ears):
    woken(listener, 0.3)  # that it listens now
    with db.write() as session:
        say(session, "one")
        assert not woken(listener, 0.3)
    assert woken(listener, 2)
    with db.write() as session:
        session.connection().exec_driver_sql("SELECT 1")
    assert not woken(listener, 0.5)


@on_postgres
def test_ears_that_lost_their_connection_hear_again(db, hint, listener, ears):
    with db.write() as session:
        session.connection().exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'")
    until = time.monotonic() + 10
    time.sleep(0.5)
    assert ears.listening.wait(5)
    woken(listener, 0.5)
    while time.monotonic() < until:
        with db.write() as session:
            say(session, "again")
        if woken(listener, 0.5):
            return
    raise AssertionError("nothing was heard any more")
