"""A check of the trail that somebody asked for on the page: the worker reads a part in each of its rounds.

Where it stands is written down after each part, so whoever asked may leave and come back, and another worker may go on.
"""

import time
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform import bus
from testing_platform.audit import rules, service
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.rules import Reading
from testing_platform.bus import Event
from testing_platform.db import Database

KIND = "trail.check"
# How far back a round looks for a check that was asked for.
BACK = 5_000
# Entries read at once, and the seconds that one round may spend: deadlines and mail wait for no check.
SLICE = 1_000
SPEND = 0.4


def newest(session: Session, back: int | None = None) -> Event | None:
    """Where the newest check stands; `step` is asked, reading or done."""
    chosen = select(Event).where(Event.kind == KIND).order_by(Event.id.desc()).limit(1)
    if back is not None:
        chosen = chosen.where(Event.id > (session.scalar(select(func.max(Event.id))) or 0) - back)
    return session.scalars(chosen).first()


def ask(session: Session, actor_id: int, anchor: rules.Anchor | None, now: datetime) -> bool:
    """Ask for a check; says whether this call did, as one that is under way is enough unless it has stood still for a while."""
    found = newest(session, BACK)
    if found is not None and found.facts["step"] != "done" and (now - found.at).total_seconds() < 60:
        return False
    of = session.scalar(select(func.max(AuditEntry.number))) or 0
    _publish(session, actor_id, now, step="asked", of=of, anchor=str(anchor) if anchor else None, reading=Reading().written_down())
    return True


def _publish(session: Session, actor_id: int | None, now: datetime, **facts: Any) -> None:
    bus.publish(session, KIND, now, actor_id=actor_id, **facts)


def due(session: Session) -> bool:
    found = newest(session, BACK)
    return found is not None and found.facts["step"] != "done"


def go_on(db: Database, secret: bytes, now: datetime) -> None:
    """Read on for a moment, and judge at the end. Reads outside the write transaction, which is short."""
    verdict = None
    with db.read() as session:
        found = newest(session, BACK)
        if found is None or found.facts["step"] == "done":
            return
        facts, event, actor_id = found.facts, found.id, found.actor_id
        reading = rules.taken_up(facts["reading"])
        anchor = rules.read_anchor(facts["anchor"]) if facts["anchor"] else None
        until = time.monotonic() + SPEND
        while more := service.read_on(session, reading, SLICE):
            if time.monotonic() >= until:
                break
        if not more:
            verdict = service.judge(session, reading, secret, [anchor] if anchor else [])
    with db.write() as session:
        again = newest(session, BACK)
        if again is None or again.id != event:
            return  # another worker was here
        if verdict is None:
            _publish(session, actor_id, now, **facts | {"step": "reading", "reading": reading.written_down()})
        else:
            _publish(session, actor_id, now, step="done")
            service.keep_verdict(session, verdict, secret, now, actor_id, "page", anchor)
