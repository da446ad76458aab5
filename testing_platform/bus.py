"""Control goes through the database: a change is a row in `events`, written in the transaction of its cause.

`live` reads the rows in the order of their transactions and polls each second as the truth; a datagram after the commit (on PostgreSQL a NOTIFY, which
reaches other machines too) only wakes it sooner.

PostgreSQL gives ids before the commit, so a row with a smaller id may come to light after one with a greater. Each row therefore says which transaction wrote
it, and the tail reads no further than the oldest transaction that still runs: what it has read is final, and what comes later stands behind it.
"""

import contextlib
import os
import socket
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from sqlalchemy import BigInteger, Index, func, literal_column, select, text, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.sql.functions import GenericFunction

from testing_platform.db import Base, Database
from testing_platform.settings import Settings

log = structlog.get_logger("bus")
CHANNEL = "testing_platform_events"


class _ThisTransaction(GenericFunction[int]):
    """The number of the transaction that writes the row: 0 on SQLite, where ids are given in the order of commits."""

    type = BigInteger()
    inherit_cache = True


@compiles(_ThisTransaction)
def _none(element: object, compiler: object, **more: object) -> str:
    return "0"


@compiles(_ThisTransaction, "postgresql")
def _number(element: object, compiler: object, **more: object) -> str:
    return "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)"


HORIZON = literal_column("CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)", BigInteger)


# A row whose transaction this server has yet to begin came from another one, in a copy that was restored; it would be told as news one day.
ADOPT = text("UPDATE events SET txid = 0 WHERE txid >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)")


class Event(Base):
    """Something that happened which another process must hear of. Facts only: no names, answers or item text."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_attempt_id_id", "attempt_id", "id"),
        Index("ix_events_txid_id", "txid", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    txid: Mapped[int] = mapped_column(BigInteger, default=_ThisTransaction(), server_default="0")
    at: Mapped[datetime]
    kind: Mapped[str]
    session_id: Mapped[int | None]
    attempt_id: Mapped[int | None]
    actor_id: Mapped[int | None]
    facts: Mapped[dict[str, Any]]

    @property
    def place(self) -> "Place":
        return Place(self.txid, self.id)


class Place(NamedTuple):
    """How far a reader of the events has come."""

    txid: int
    id: int


def publish(
    session: Session,
    kind: str,
    at: datetime,
    *,
    session_id: int | None = None,
    attempt_id: int | None = None,
    actor_id: int | None = None,
    **facts: Any,
) -> None:
    """Write the event into the transaction of its cause."""
    session.info[CHANNEL] = True
    session.add(Event(kind=kind, at=at, session_id=session_id, attempt_id=attempt_id, actor_id=actor_id, facts=facts))


def end(session: Session) -> Place:
    """Where a reader begins who has just read everything else: behind every event that is there, before every one that may still come."""
    if session.get_bind().dialect.name == "sqlite":
        return Place(0, session.scalar(select(func.max(Event.id))) or 0)
    return Place(session.scalar(select(HORIZON)) or 0, 0)


def after(session: Session, last: Place, limit: int = 500) -> list[Event]:
    """The events behind `last`, in the order in which they are told to everyone; none of those that an open transaction could still come before."""
    found = select(Event).where(tuple_(Event.txid, Event.id) > tuple_(*last)).order_by(Event.txid, Event.id).limit(limit)
    if session.get_bind().dialect.name != "sqlite":
        found = found.where(Event.txid < HORIZON)
    return list(session.scalars(found))


class Hint:
    """A datagram to whoever tails the events on this machine. Losing one costs a second, nothing else."""

    def __init__(self, folder: Path) -> None:
        # A socket's path may have about 100 bytes, a data folder's more.
        self.path = str(folder / "hint.sock")
        if len(self.path.encode()) > 100:
            self.path = f"\0testing-platform-{os.stat(folder).st_dev}-{os.stat(folder).st_ino}"

    def send(self) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(b"!", self.path)

    def listener(self) -> socket.socket:
        """A non-blocking socket that becomes readable when something was written."""
        if not self.path.startswith("\0"):
            Path(self.path).unlink(missing_ok=True)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        receiver.bind(self.path)
        return receiver


def _notify(session: Session) -> None:
    """With the commit, and only where there is news. Never for an answer: the server lets only one transaction at a time commit with a NOTIFY."""
    if session.info.pop(CHANNEL, False) and session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql(f"NOTIFY {CHANNEL}")


class Ears(threading.Thread):
    """Hears PostgreSQL's NOTIFY on a connection of its own and passes it on as the hint of this machine. Deaf for a while, it costs a second."""

    def __init__(self, url: str, hint: Hint, patience: float = 1.0) -> None:
        super().__init__(name="ears", daemon=True)
        self.url, self.hint, self.patience = url.replace("+psycopg", "", 1), hint, patience
        self.stopping = threading.Event()
        self.listening = threading.Event()

    def run(self) -> None:
        import psycopg

        while not self.stopping.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.listening.set()
                    # What came while nobody listened.
                    self.hint.send()
                    while not self.stopping.is_set():
                        for _ in connection.notifies(timeout=self.patience, stop_after=1):
                            self.hint.send()
            except psycopg.Error as problem:
                self.listening.clear()
                log.warning("ears", kind=type(problem).__name__)
                self.stopping.wait(self.patience)

    def stop(self) -> None:
        self.stopping.set()


def open_database(settings: Settings) -> Database:
    """The installation's database; each write wakes whoever tails the events."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Database(
        settings.database_url, lock=settings.data / "database.lock", before_commit=_notify, after_write=Hint(settings.data).send
    )
