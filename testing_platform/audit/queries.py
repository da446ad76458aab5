from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, cast, func, select
from sqlalchemy.orm import Session

from testing_platform.audit.models import AuditEntry
from testing_platform.audit.rules import Anchor

PAGE = 50


@dataclass(frozen=True)
class Filter:
    """Which entries a page shows. An actor of 0 is the system's own clock."""

    act: str = ""
    object: str = ""
    actor: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    def __bool__(self) -> bool:
        return self != Filter()

    def of(self, chosen: Select[Any]) -> Select[Any]:
        if self.act:
            chosen = chosen.where(AuditEntry.act == self.act)
        if self.object:
            chosen = chosen.where(AuditEntry.object == self.object)
        if self.actor is not None:
            chosen = chosen.where(AuditEntry.actor_id == self.actor if self.actor else AuditEntry.actor_id.is_(None))
        if self.since:
            chosen = chosen.where(AuditEntry.at >= self.since)
        if self.until:
            chosen = chosen.where(AuditEntry.at < self.until)
        for word in self.text.split():
            said = (
                AuditEntry.act + " " + AuditEntry.object + " " + cast(AuditEntry.facts, String) + " " + func.coalesce(AuditEntry.digest, "")
            )
            chosen = chosen.where(said.icontains(word, autoescape=True))
        return chosen


@dataclass(frozen=True)
class Page:
    """Newest first. `older` and `newer` are numbers to go on from, none at an end."""

    entries: list[AuditEntry]
    older: int | None
    newer: int | None


def page(session: Session, found: Filter, before: int | None = None, after: int | None = None, limit: int = PAGE) -> Page:
    """One page of entries, found by number and not by counting; what is not sealed yet stands first on the first page."""
    chosen = found.of(select(AuditEntry))
    numbered = chosen.where(AuditEntry.number.is_not(None))
    if after is not None:
        rows = list(session.scalars(numbered.where(AuditEntry.number > after).order_by(AuditEntry.number).limit(limit + 1)))
        if len(rows) > limit:
            rows = rows[:limit][::-1]
            return Page(rows, rows[-1].number, rows[0].number)
        # Near the newest: the first page, whole.
    elif before is not None:
        rows = list(session.scalars(numbered.where(AuditEntry.number < before).order_by(AuditEntry.number.desc()).limit(limit + 1)))
        return Page(rows[:limit], rows[limit - 1].number if len(rows) > limit else None, rows[0].number if rows else before - 1)
    waiting = list(session.scalars(chosen.where(AuditEntry.number.is_(None)).order_by(AuditEntry.id.desc()).limit(limit)))
    rows = list(session.scalars(numbered.order_by(AuditEntry.number.desc()).limit(limit + 1)))
    return Page([*waiting, *rows[:limit]], rows[limit - 1].number if len(rows) > limit else None, None)


def entry(session: Session, number: int) -> AuditEntry | None:
    return session.scalars(select(AuditEntry).where(AuditEntry.number == number)).first()


def newest(session: Session, *acts: str, limit: int = 1) -> list[AuditEntry]:
    """The newest entries of these acts, sealed or not."""
    return list(session.scalars(select(AuditEntry).where(AuditEntry.act.in_(acts)).order_by(AuditEntry.id.desc()).limit(limit)))


def anchors(session: Session, limit: int = 20) -> list[tuple[AuditEntry, Anchor]]:
    """Those that were handed out, newest first."""
    return [(one, Anchor(one.facts["number"], one.facts["digest"])) for one in newest(session, "trail.anchored", limit=limit)]


def counted(session: Session, since: datetime) -> list[tuple[str, int]]:
    """How many entries of each act since then, most first."""
    count = func.count()
    rows = session.execute(
        select(AuditEntry.act, count).where(AuditEntry.at >= since).group_by(AuditEntry.act).order_by(count.desc(), AuditEntry.act)
    )
    return [(act, number) for act, number in rows]


def waiting_since(session: Session) -> datetime | None:
    """When the oldest entry that is not sealed yet was written."""
    return session.scalar(select(func.min(AuditEntry.at)).where(AuditEntry.number.is_(None)))


def acts(session: Session) -> list[str]:
    return list(session.scalars(select(AuditEntry.act).distinct()))
