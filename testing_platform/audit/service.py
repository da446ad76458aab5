import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.audit.models import AuditEntry
from testing_platform.digests import canonical

FIRST = "0" * 64


def record(session: Session, act: str, object: str, now: datetime, actor_id: int | None = None, **facts: Any) -> None:
    session.add(AuditEntry(at=now, actor_id=actor_id, act=act, object=object, facts=facts))


def digest(entry: AuditEntry) -> str:
    """SHA-256 over the entry's number, its predecessor's digest and everything it says."""
    said = [entry.number, entry.previous, entry.at.isoformat(), entry.actor_id, entry.act, entry.object, entry.facts]
    return hashlib.sha256(canonical(said)).hexdigest()


def anything_to_seal(session: Session) -> bool:
    return session.scalars(select(AuditEntry.id).where(AuditEntry.number.is_(None)).limit(1)).first() is not None


def seal(session: Session, limit: int = 1000) -> int:
    """Number and link what is not yet linked, in order of ids. Only one process may do this; returns how many."""
    waiting = session.scalars(select(AuditEntry).where(AuditEntry.number.is_(None)).order_by(AuditEntry.id).limit(limit)).all()
    if not waiting:
        return 0
    last = session.scalars(select(AuditEntry).where(AuditEntry.number.is_not(None)).order_by(AuditEntry.number.desc()).limit(1)).first()
    number, previous = (last.number or 0, last.digest or FIRST) if last else (0, FIRST)
    for entry in waiting:
        number += 1
        entry.number, entry.previous = number, previous
        previous = entry.digest = digest(entry)
    return len(waiting)


@dataclass(frozen=True)
class Fault:
    number: int
    what: str  # changed | missing | inserted


def verify(session: Session) -> tuple[int, list[Fault]]:
    """How many sealed entries were read, and each that was changed, removed or put in between."""
    faults = []
    expected, previous, count = 1, FIRST, 0
    for entry in session.scalars(select(AuditEntry).where(AuditEntry.number.is_not(None)).order_by(AuditEntry.number)):
        count += 1
        number = entry.number or 0
        if number != expected:
            faults.append(Fault(expected, "missing"))
        elif entry.previous != previous:
            faults.append(Fault(number, "inserted"))
        if entry.digest != digest(entry):
            faults.append(Fault(number, "changed"))
        expected, previous = number + 1, entry.digest or ""
    return count, faults
