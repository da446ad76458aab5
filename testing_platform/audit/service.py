from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from testing_platform.audit import rules
from testing_platform.audit.models import AuditEntry
from testing_platform.audit.rules import FIRST, Anchor, Fault, Reading, Sealed, What

__all__ = ["FIRST", "Fault"]

# Entries read at once; between two such slices of a check others get their turn.
SLICE = 10_000
# What a check writes into the trail names so many faults.
NAMED = 20


def record(session: Session, act: str, object: str, now: datetime, actor_id: int | None = None, **facts: Any) -> None:
    session.add(AuditEntry(at=now, actor_id=actor_id, act=act, object=object, facts=facts))


def digest(entry: AuditEntry) -> str:
    return rules.digest(entry.number, entry.previous, entry.at, entry.actor_id, entry.act, entry.object, entry.facts)


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


_COLUMNS = (
    AuditEntry.number,
    AuditEntry.previous,
    AuditEntry.digest,
    AuditEntry.at,
    AuditEntry.actor_id,
    AuditEntry.act,
    AuditEntry.object,
    AuditEntry.facts,
)


def _sealed(row: Row[Any]) -> Sealed:
    values: tuple[Any, ...] = tuple(row)
    number, previous, digest, at, actor_id, act, object, facts = values
    return Sealed(number or 0, previous or "", digest or "", at, actor_id, act, object, facts)


def sealed(session: Session, above: int | None, limit: int = SLICE) -> list[Sealed]:
    """The next entries in order of numbers. One that cannot even be read (a date or JSON that is none) comes as an entry that nobody sealed."""
    chosen = select(*_COLUMNS).where(AuditEntry.number.is_not(None) if above is None else AuditEntry.number > above)
    chosen = chosen.order_by(AuditEntry.number).limit(limit)
    try:
        return [_sealed(row) for row in session.execute(chosen)]
    except (ValueError, TypeError):
        numbers = session.scalars(chosen.with_only_columns(AuditEntry.number)).all()
        return [_one(session, number or 0) for number in numbers]


def _one(session: Session, number: int) -> Sealed:
    try:
        return _sealed(session.execute(select(*_COLUMNS).where(AuditEntry.number == number)).one())
    except (ValueError, TypeError):
        found = session.scalar(select(AuditEntry.digest).where(AuditEntry.number == number))
        return Sealed(number, "", found or "", datetime.min.replace(tzinfo=UTC), None, "", "", {})


def read_on(session: Session, reading: Reading, limit: int = SLICE) -> bool:
    """Read the next slice of the trail; says whether there was one."""
    found = sealed(session, reading.number if reading.count else None, limit)
    for entry in found:
        reading.read(entry)
    return bool(found)


def read(session: Session) -> Reading:
    """The whole trail."""
    reading = Reading()
    while read_on(session, reading):
        pass
    return reading


def digests(session: Session, numbers: Iterable[int]) -> dict[int, str]:
    """The hash of each of these entries, as far as they are there."""
    wanted = sorted(set(numbers))
    found: dict[int, str] = {}
    for start in range(0, len(wanted), 500):
        rows = session.execute(select(AuditEntry.number, AuditEntry.digest).where(AuditEntry.number.in_(wanted[start : start + 500])))
        found.update({number or 0: digest or "" for number, digest in rows})
    return found


WRITTEN_DOWN = ("trail.verified", "trail.anchored")


def written_down(session: Session) -> list[tuple[Anchor, str]]:
    """Each anchor that stands in the trail itself, with its stamp."""
    numbers = session.scalars(select(AuditEntry.number).where(AuditEntry.act.in_(WRITTEN_DOWN), AuditEntry.number.is_not(None))).all()
    found = []
    for number in numbers:
        facts = _one(session, number or 0).facts
        if isinstance(facts, dict) and isinstance(facts.get("number"), int) and facts["number"] > 0:
            found.append((Anchor(facts["number"], str(facts.get("digest"))), str(facts.get("stamp"))))
    return found


def compare(session: Session, reading: Reading, secret: bytes, given: Iterable[Anchor] = ()) -> list[Fault]:
    """What the anchors say: those given, and those that earlier checks left in the trail under the stamp of the signing key."""
    inside = written_down(session)
    given = list(given)
    there = digests(session, [anchor.number for anchor in [*given, *(anchor for anchor, _ in inside)]])
    faults = [rules.against(anchor, reading.head, there.get(anchor.number)) for anchor in given]
    for anchor, stamp in inside:
        if stamp != rules.stamp(secret, anchor):
            faults.append(Fault(anchor.number, What.STAMP))
        else:
            faults.append(rules.against(anchor, reading.head, there.get(anchor.number)))
    return list(dict.fromkeys(fault for fault in faults if fault is not None))


@dataclass(frozen=True)
class Verdict:
    """What one check found."""

    entries: int
    head: Anchor | None
    faults: list[Fault]
    total: int


def judge(session: Session, reading: Reading, secret: bytes, given: Iterable[Anchor] = ()) -> Verdict:
    """A whole reading together with what the anchors say."""
    more = compare(session, reading, secret, given)
    return Verdict(reading.count, reading.head, [*reading.faults, *more], reading.total + len(more))


def verify(session: Session, secret: bytes, given: Iterable[Anchor] = ()) -> Verdict:
    """Read all sealed entries, and name each that was changed, removed, put in or moved, and each anchor that does not hold."""
    return judge(session, read(session), secret, given)


def head(session: Session) -> Anchor | None:
    found = session.execute(
        select(AuditEntry.number, AuditEntry.digest).where(AuditEntry.number.is_not(None)).order_by(AuditEntry.number.desc()).limit(1)
    ).first()
    return Anchor(found[0] or 0, found[1] or "") if found else None


def unsealed(session: Session) -> int:
    return session.scalar(select(func.count()).where(AuditEntry.number.is_(None))) or 0


def _anchored(secret: bytes, anchor: Anchor | None) -> dict[str, Any]:
    return {} if anchor is None else {"number": anchor.number, "digest": anchor.digest, "stamp": rules.stamp(secret, anchor)}


def keep_verdict(
    session: Session, verdict: Verdict, secret: bytes, now: datetime, actor_id: int | None, way: str, given: Anchor | None = None
) -> None:
    """That the trail was checked is itself an entry; the hash of its head in it is an anchor for the next check."""
    record(
        session,
        "trail.verified",
        "trail:1",
        now,
        actor_id,
        way=way,
        entries=verdict.entries,
        faults=verdict.total,
        named=[[str(fault.what), fault.number, fault.last] for fault in verdict.faults[:NAMED]],
        **({"against": str(given)} if given else {}),
        **_anchored(secret, verdict.head),
    )


def write_down(session: Session, secret: bytes, now: datetime, actor_id: int | None) -> Anchor | None:
    """Hand out the newest entry's number and hash, to be kept outside; none while nothing is sealed."""
    anchor = head(session)
    if anchor is not None:
        record(session, "trail.anchored", "trail:1", now, actor_id, **_anchored(secret, anchor))
    return anchor


def exported(entry: Sealed) -> dict[str, Any]:
    """One line of the exported trail: the parts over which the hash is taken, and the hash."""
    return {
        "number": entry.number,
        "previous": entry.previous,
        "at": entry.at.isoformat(),
        "actor": entry.actor_id,
        "act": entry.act,
        "object": entry.object,
        "facts": entry.facts,
        "digest": entry.digest,
    }
