"""What somebody with the database's password might do to the trail, in SQL and past every rule of ours."""

import json
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from testing_platform.audit import rules, service
from testing_platform.audit.models import AuditEntry
from testing_platform.db import Database
from tests.make import NOON

COLUMNS = "at, actor_id, act, object, facts, number, previous, digest"


def rows(session: Session, first: int = 1) -> list[dict[str, Any]]:
    found = session.execute(text(f"SELECT id, {COLUMNS} FROM audit_entries WHERE number >= {first} ORDER BY number")).mappings()
    return [dict(row) for row in found]


def shift(session: Session, first: int, by: int) -> None:
    """Give all entries from `first` on another number, in an order that keeps numbers apart."""
    order = "DESC" if by > 0 else "ASC"
    for (number,) in session.execute(text(f"SELECT number FROM audit_entries WHERE number >= {first} ORDER BY number {order}")).all():
        session.execute(text(f"UPDATE audit_entries SET number = number + {by} WHERE number = {number}"))


def forge(session: Session, number: int, previous: str, facts: dict[str, Any] | None = None, act: str = "attempt.begin") -> str:
    """A row whose own hash is right."""
    said = rules.digest(number, previous, NOON, 1, act, "attempt:1", facts or {})
    session.execute(
        text(f"INSERT INTO audit_entries ({COLUMNS}) VALUES (:at, 1, :act, 'attempt:1', :facts, :number, :previous, :digest)"),
        {
            "at": NOON.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "act": act,
            "facts": json.dumps(facts or {}),
            "number": number,
            "previous": previous,
            "digest": said,
        },
    )
    return said


def digest_of(session: Session, number: int) -> str:
    return str(session.scalar(text(f"SELECT digest FROM audit_entries WHERE number = {number}")))


def insert(session: Session, before: int, count: int = 1) -> None:
    shift(session, before, count)
    previous = digest_of(session, before - 1) if before > 1 else rules.FIRST
    for number in range(before, before + count):
        previous = forge(session, number, previous)


def swap(session: Session, one: int, other: int) -> None:
    for old, new in ((one, -1), (other, one), (-1, other)):
        session.execute(text(f"UPDATE audit_entries SET number = {new} WHERE number = {old}"))


def say(session: Session, number: int, **facts: Any) -> None:
    """Change these facts of an entry, and nothing else."""
    here = AuditEntry.number == number
    before = session.scalar(select(AuditEntry.facts).where(here)) or {}
    session.execute(update(AuditEntry).where(here).values(facts=before | facts))


def write_anew(session: Session, first: int, **facts: Any) -> None:
    """Change entry `first`, and take every later hash anew: the chain itself is right again."""
    say(session, first, **(facts or {"form": 2}))
    previous = digest_of(session, first - 1) if first > 1 else rules.FIRST
    for entry in service.sealed(session, first - 1):
        said = rules.digest(entry.number, previous, entry.at, entry.actor_id, entry.act, entry.object, entry.facts)
        session.execute(update(AuditEntry).where(AuditEntry.number == entry.number).values(previous=previous, digest=said))
        previous = said


def run(db: Database, *sql: str) -> None:
    with db.write() as session:
        for one in sql:
            session.execute(text(one))
