"""Tables, transactions, and the one short write that keeps an answer.

`Database.write` gives one writer at a time the database to itself from its first word, on either kind: what a service reads there stays true until it has
written. On SQLite that is a lock file around BEGIN IMMEDIATE … COMMIT (waiting on a lock wakes at once, where SQLite's own busy waiting sleeps), on PostgreSQL an
advisory lock of the transaction. Answers are kept by `Database.group`, which on SQLite lets many threads share one commit, and on PostgreSQL waits for nobody
but a move of the same attempt.
"""

import fcntl
import os
import queue
import re
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sqlalchemy import JSON, BigInteger, Connection, DateTime, Dialect, Engine, Enum, Integer, MetaData, Numeric, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from testing_platform import errors

T = TypeVar("T")


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone means nothing here")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Duration(TypeDecorator[timedelta]):
    """Whole milliseconds, so that sums in SQL are exact on every database."""

    impl = BigInteger().with_variant(Integer, "sqlite")  # 2³¹ milliseconds are 25 days
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else round(value / timedelta(milliseconds=1))

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(milliseconds=int(value))  # PostgreSQL sums to a Decimal


class Statement:
    """SQL for the few paths that run hundreds of times a second, straight to the driver; `:name` marks a value.

    Measured on SQLite: a fifth of the time that the same text takes through SQLAlchemy's execution. Inside a transaction of the connection.
    """

    def __init__(self, sql: str, *, postgresql: str = "") -> None:
        self.sqlite = sql
        self.postgresql = re.sub(r"(?<!:):(\w+)", r"%(\1)s", postgresql or sql)

    def run(self, connection: Connection, values: dict[str, Any]) -> Any:
        """A driver's cursor. Raises the driver's own errors, which `Database.group` understands."""
        driver: Any = connection.connection.driver_connection
        return driver.execute(self._text(connection), values)

    def run_each(self, connection: Connection, every: list[dict[str, Any]]) -> None:
        """The same for many rows, in one round trip or a few."""
        driver: Any = connection.connection.driver_connection
        driver.cursor().executemany(self._text(connection), every)

    def _text(self, connection: Connection) -> str:
        return self.sqlite if connection.dialect.name == "sqlite" else self.postgresql


class Waited(errors.Unavailable):
    """Somebody else held what was needed, or two waited for each other; nothing was changed."""


class Prepared:
    """One statement that is a whole transaction by itself, kept ready by the server (PostgreSQL only); `:name` marks a value of the named type.

    Measured: a fifth of the client's processor time, and two thirds of the server's, of the same statement through psycopg's cursor.
    """

    def __init__(self, sql: str, types: dict[str, str]) -> None:
        self.types = types
        numbers = {name: number for number, name in enumerate(types, 1)}
        text = re.sub(r"(?<!:):(\w+)", lambda found: f"${numbers[found[1]]}", sql)
        self._prepare = f"PREPARE at_once ({', '.join(types.values())}) AS {text}"

    def make_ready(self, connection: Any) -> None:
        # What a row of it waits for, all of it waits for. And it looks up a few rows in tables that may never have been measured.
        for setting in ("lock_timeout = '1s'", "plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off"):
            connection.execute(f"SET {setting}")
        connection.execute(self._prepare)

    def run(self, connection: Any, values: dict[str, Any]) -> list[tuple[int, ...]]:
        """Its rows, of whole numbers. Raises psycopg's errors."""
        from psycopg import Error, OperationalError, pq
        from psycopg.errors import error_from_result

        result = connection.pgconn.exec_prepared(b"at_once", [_as_text(values[name]) for name in self.types])
        if result.status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            return [tuple(int(result.get_value(row, column)) for column in columns) for row in range(result.ntuples)]
        if result.error_field(pq.DiagnosticField.SQLSTATE):
            with _discreetly(Error):
                raise error_from_result(result)
        raise OperationalError(result.get_error_message())


def _as_text(value: Any) -> bytes:
    """A whole number, a text, an instant, or a list of such, as PostgreSQL reads it. Raises ValueError for a NUL, which would end the text."""
    text = "{" + ",".join([_element(one) for one in value]) + "}" if isinstance(value, list) else str(value)
    if "\0" in text:
        raise ValueError("a NUL in a text")
    return text.encode()


def _element(value: str | int | datetime | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def stamp(connection: Connection, instant: datetime) -> Any:
    """An instant as a Statement takes it: on SQLite the very text in which SQLAlchemy stores it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if connection.dialect.name == "sqlite" else instant


def unstamp(value: Any) -> datetime | None:
    """An instant as a Statement's cursor gives it."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: Instant,
        timedelta: Duration,
        Decimal: Numeric(6, 3, asdecimal=True),
        StrEnum: Enum(StrEnum, native_enum=False, length=40, values_callable=lambda words: [str(word) for word in words]),
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


# Names the advisory lock of who writes, in this database alone.
TURN = 1229

# What a connection to PostgreSQL asks of the server, whatever the server's own settings are: an answer is acknowledged when it is on the disk; nobody waits
# for ever; and who stops in the middle of a transaction (a machine that froze) loses it, and with it the turn.
SERVER_SETTINGS = {
    "synchronous_commit": "on",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}


class _NeedsTurn(Exception):
    """This piece of work moves something: it begins again with the turn taken first."""


def take_turn(connection: Connection) -> None:
    """Inside a group's work, before anything is moved: from here on nobody else moves anything. May begin the work anew."""
    if not connection.get_execution_options().get("writes"):
        raise _NeedsTurn


class Rounds:
    """Many threads ask; one thread answers all that came while the round before was under way."""

    # More would make the first of a round wait for the last; measured, the gain ends well below.
    MOST = 64

    def __init__(self, answer: Callable[[list[Any]], list[Any]]) -> None:
        """`answer` gives for each that is asked what its thread gets, or an Exception for it to raise."""
        self._answer = answer
        self._queue: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def ask(self, what: Any) -> Any:
        """Raises what the answer raised for this one, or TimeoutError after 30 seconds."""
        if self._thread is None or not self._thread.is_alive():
            self._start()
        asked = _Asked(what)
        self._queue.put(asked)
        if not asked.answered.acquire(timeout=30):
            raise TimeoutError
        if isinstance(asked.reply, BaseException):
            raise asked.reply
        return asked.reply

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            every = [self._queue.get()]
            while len(every) < self.MOST:
                try:
                    every.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            try:
                replies = self._answer([one.what for one in every])
            except BaseException as problem:  # the thread must live: everyone of the round is told, and the next round tried
                replies = [problem] * len(every)
            for one, reply in zip(every, replies, strict=True):
                one.reply = reply
                one.answered.release()


class _Asked:
    __slots__ = ("answered", "reply", "what")

    def __init__(self, what: Any) -> None:
        self.what = what
        self.reply: Any = None
        self.answered = threading.Lock()
        self.answered.acquire()


class Database:
    """One database for one process; open it after forking."""

    def __init__(
        self,
        url: str,
        *,
        lock: Path | None = None,
        before_commit: Callable[[Session], None] = lambda session: None,
        after_write: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self.sqlite = url.startswith("sqlite")
        self.before_commit = before_commit
        self.after_write = after_write
        # SQLAlchemy's, and the driver's own from a Statement.
        self.errors: tuple[type[Exception], ...] = (DBAPIError, NoConnectionLeft, sqlite3.Error)
        if not self.sqlite:
            self.errors = (DBAPIError, NoConnectionLeft, __import__("psycopg").Error)
        self.engine = self._engine()
        # Pages read one moment, as they do on SQLite: a page with a number and its list shows the same of both.
        self._readers = (
            self.engine if self.sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        self._lock_path = str(lock or url.removeprefix("sqlite:///") + ".lock")
        self._locks = threading.local()
        self._rounds = Rounds(self._write_all)
        # Connections for `at_once`; as many as ever were in use together.
        self._idle: defaultdict[Prepared, list[Any]] = defaultdict(list)

    def _engine(self) -> Engine:
        return self._sqlite_engine() if self.sqlite else self._postgresql_engine()

    def _postgresql_engine(self) -> Engine:
        options = " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items())
        engine = create_engine(
            self.url,
            connect_args={"connect_timeout": 5, "options": options, "application_name": "testing-platform"},
            pool_size=10,
            max_overflow=10,
            pool_timeout=5,
            pool_pre_ping=True,
            hide_parameters=True,
        )

        from psycopg import Cursor, Error

        class Discreet(Cursor[Any]):
            """PostgreSQL adds the row that was refused to its error; that may be a person's, and errors go into the log."""

            def execute(self, *given: Any, **more: Any) -> Any:
                with _discreetly(Error):
                    return super().execute(*given, **more)

            def executemany(self, *given: Any, **more: Any) -> None:
                with _discreetly(Error):
                    super().executemany(*given, **more)

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            connection.cursor_factory = Discreet

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            options = connection.get_execution_options()
            if options.get("patient"):  # an upgrade waits for another, however long that takes
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            if options.get("writes"):
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN})")

        return engine

    def _sqlite_engine(self) -> Engine:
        engine = create_engine(
            self.url,
            connect_args={"check_same_thread": False, "timeout": 10},
            pool_size=40,
            max_overflow=20,
            hide_parameters=True,
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            connection.isolation_level = None  # BEGIN is ours to say
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The lock file, held by one thread of one process at a time (SQLite only)."""
        if not self.sqlite:
            yield
            return
        file = getattr(self._locks, "file", None)
        if file is None:
            file = self._locks.file = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """What the database holds at one moment. Raises errors.Unavailable when it cannot be reached."""
        try:
            with Session(self._readers) as session:
                yield session
        except self.errors as problem:
            raise _as_refusal(problem) from problem

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One write transaction, kept when the block ends. Raises errors.Unavailable when storage cannot take it."""
        try:
            with self.locked(), self.engine.connect().execution_options(writes=True) as connection:
                with Session(connection, expire_on_commit=False) as session:
                    yield session
                    session.flush()
                    self.before_commit(session)
                    session.commit()
                connection.commit()
        except self.errors as problem:
            raise _as_refusal(problem) from problem
        self.after_write()

    def group(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that may be shared with other threads' work; returns after the commit is durable.

        Each piece of work has a savepoint of its own, so one that raises undoes itself alone. It may be begun anew (see `take_turn`).
        """
        if not self.sqlite:
            return self._alone(work)
        reply: T = self._rounds.ask(work)
        return reply

    def _alone(self, work: Callable[[Connection], T], **options: bool) -> T:
        """PostgreSQL shares the flush of many commits by itself: a transaction for each."""
        try:
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                return work(connection)
        except _NeedsTurn:
            return self._alone(work, writes=True)
        except self.errors as problem:
            raise _as_refusal(problem) from problem

    def at_once(self, statement: Prepared, values: dict[str, Any]) -> list[tuple[int, ...]]:
        """The rows of a statement, so that the server is asked once and not seven times.

        It may be run twice, after a connection turned out to be dead: only for what a repeat does not change.
        """
        idle = self._idle[statement]
        while True:
            known = bool(idle)
            connection: Any = None
            try:
                connection = idle.pop() if known else self._own_connection(statement)
                rows = statement.run(connection, values)
            except IndexError:  # another thread took the last one
                continue
            except self.errors as problem:
                if connection is not None and not connection.closed:
                    idle.append(connection)
                elif known:
                    continue
                raise _as_refusal(problem) from problem
            idle.append(connection)
            return rows

    def _own_connection(self, statement: Prepared) -> Any:
        """One that belongs to no pool, commits each statement, and has this one ready."""
        pooled = self.engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        connection.autocommit = True
        statement.make_ready(connection)
        return connection

    def _write_all(self, works: list[Callable[[Connection], Any]]) -> list[Any]:
        """A transaction of SQLite for all of a round."""
        done: list[Any] = []
        try:
            with self.locked(), self.engine.connect().execution_options(writes=True) as connection:
                connection.begin()
                for work in works:
                    connection.exec_driver_sql("SAVEPOINT one")
                    try:
                        done.append(work(connection))
                        connection.exec_driver_sql("RELEASE one")
                    except Exception as problem:
                        if isinstance(problem, self.errors) and storage_trouble(problem):
                            raise
                        connection.exec_driver_sql("ROLLBACK TO one")
                        done.append(problem)
                connection.commit()
        except self.errors as problem:
            raise _as_refusal(problem) from problem
        return done

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        self.engine.dispose()


@contextmanager
def _discreetly(kind: Any) -> Iterator[None]:
    try:
        yield
    except kind as problem:
        if problem.diag.message_primary:
            problem.args = (problem.diag.message_primary,)
        raise


class OnlyOne:
    """Of several processes that could do a work, the one that does it; the others stand by until it is gone."""

    # Beside the turn: advisory locks with two numbers are others than those with one.
    NUMBERS: ClassVar = {"worker": 1}

    def __init__(self, db: Database, work: str) -> None:
        self.db, self.number = db, self.NUMBERS[work]
        self.path = db._lock_path.removesuffix(".lock") + f".{work}"
        self._file: int | None = None
        self._connection: Connection | None = None

    def held(self) -> bool:
        """Whether this process is the one now; asked before each piece of the work."""
        if self.db.sqlite:
            return self._hold_file()
        try:
            if self._connection is None:
                self._connection = self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            # The lock belongs to the connection: asking again on the same one is cheap, and on a new one finds whether somebody else has it.
            mine = self._connection.exec_driver_sql(
                f"SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = {TURN} AND objid = {self.number})"
                f" OR pg_try_advisory_lock({TURN}, {self.number})"
            ).scalar()
        except self.db.errors:
            self.close()
            return False
        return bool(mine)

    def _hold_file(self) -> bool:
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()  # not back into the pool: the lock would stay
            connection.close()


# SQLite's codes for a disk that is full, away, read-only or damaged, and for a lock that did not come.
SQLITE_TROUBLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
}
# SQLSTATE, by its beginning: the connection, resources (disk, memory, connections), an operator's hand (shutdown), the system; a server that only reads now,
# a transaction that waited or idled too long, or that lost to another.
OTHERS_IN_THE_WAY = ("40001", "40P01", "55P03")
POSTGRESQL_TROUBLE = ("08", "53", "57", "58", "25006", "25P03", "40001", "40P01", "55P03", "XX001", "XX002")


def storage_trouble(problem: Exception) -> bool:
    """Whether the same may well succeed later, because it was not the statement that was wrong."""
    if isinstance(problem, NoConnectionLeft) or (isinstance(problem, DBAPIError) and problem.connection_invalidated):
        return True
    found: Any = getattr(problem, "orig", problem)
    if isinstance(found, sqlite3.Error):
        return getattr(found, "sqlite_errorcode", 0) & 0xFF in SQLITE_TROUBLE
    if not hasattr(found, "sqlstate"):
        return False
    # A connection that broke or could not be made has no state: the server said nothing.
    return (
        found.sqlstate.startswith(POSTGRESQL_TROUBLE)
        if found.sqlstate
        else type(found).__name__ in ("OperationalError", "ConnectionTimeout")
    )


def _as_refusal(problem: Exception) -> Exception:
    if getattr(problem, "sqlstate", None) in OTHERS_IN_THE_WAY:
        return Waited()
    if storage_trouble(problem):
        return errors.Unavailable()
    # PostgreSQL takes no NUL in a text and no number beyond a column's size; both can come from an address or a form that someone made up.
    if isinstance(problem, DataError):
        return errors.BadRequest(why="value")
    return problem
