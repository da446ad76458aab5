"""Control goes through the database: a change is a row in `events`, written in the transaction of its cause.

`live` reads the rows in order of their ids and polls each second as the truth; a datagram after the commit only wakes it sooner.
"""

import contextlib
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from testing_platform.db import Base, Database
from testing_platform.settings import Settings


class Event(Base):
    """Something that happened which another process must hear of. Facts only: no names, answers or item text."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_attempt_id_id", "attempt_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    session_id: Mapped[int | None]
    attempt_id: Mapped[int | None]
    actor_id: Mapped[int | None]
    facts: Mapped[dict[str, Any]]


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
    session.add(Event(kind=kind, at=at, session_id=session_id, attempt_id=attempt_id, actor_id=actor_id, facts=facts))


def after(session: Session, last: int, limit: int = 500) -> list[Event]:
    """Events with greater ids than `last`, oldest first."""
    return list(session.scalars(select(Event).where(Event.id > last).order_by(Event.id).limit(limit)))


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


def open_database(settings: Settings) -> Database:
    """The installation's database; each write wakes whoever tails the events."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Database(settings.database_url, lock=settings.data / "database.lock", after_write=Hint(settings.data).send)
