"""A receipt taken again: from its code to the stored answers, their digest, and what the trail said at submit. No answer leaves this module."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.rules import plain_code
from testing_platform.audit import service as audit
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import rules, service
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import Event

# Each writes the digest of the answers into the trail.
CLOSING = tuple(f"attempt.{event}" for event in (Event.SUBMIT, Event.TIME_IS_UP, Event.END, Event.ABANDON))


class UnknownReceipt(errors.Refusal):
    """No attempt, and no entry of the trail, has this code."""

    code = "unknown-receipt"


@dataclass(frozen=True)
class Check:
    """`name` is answers, digest, code, trail or seal; `good` is none where there is nothing to compare with yet."""

    name: str
    good: bool | None


@dataclass(frozen=True)
class Found:
    attempt_id: int
    code: str
    state: str | None
    submitted_at: datetime | None
    submitted_by: str | None
    # The entry at submit: its number, none while it is not sealed.
    entry: int | None
    recorded_at: datetime | None
    recorded: str | None
    kept: str | None
    taken_again: str
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        """Everything that can be compared agrees, the entry at submit among it."""
        return all(check.good is not False for check in self.checks)


def plain(typed: str) -> str:
    """The twelve hex digits of a code as typed, or nothing: O is read as 0, and I and L as 1."""
    code = plain_code(typed).translate(str.maketrans("OIL", "011"))
    return code if len(code) == 12 and set(code) <= set("0123456789ABCDEF") else ""


def _entry(session: Session, attempt_id: int) -> AuditEntry | None:
    """What the trail said last when this attempt was closed."""
    found = session.scalars(
        select(AuditEntry).where(AuditEntry.object == f"attempt:{attempt_id}", AuditEntry.act.in_(CLOSING)).order_by(AuditEntry.id.desc())
    )
    return found.first()


def _attempt_in_trail(session: Session, code: str) -> int | None:
    """The attempt whose digest at submit began with this code, whatever the attempt's own row says today."""
    prefix = code.lower()
    found = session.scalars(
        select(AuditEntry.object)
        .where(AuditEntry.act.in_(CLOSING), AuditEntry.facts["digest"].as_string().like(f"{prefix}%"))
        .order_by(AuditEntry.id.desc())
    ).first()
    return int(found.partition(":")[2]) if found else None


def check(session: Session, typed: str) -> Found:
    """Take a receipt again. Raises UnknownReceipt."""
    code = plain(typed)
    if not code:
        raise UnknownReceipt(typed=len(typed))
    written = f"{code[:4]}-{code[4:8]}-{code[8:]}"
    attempt_id = session.scalar(select(Attempt.id).where(Attempt.receipt_code == written)) or _attempt_in_trail(session, code)
    if attempt_id is None:
        raise UnknownReceipt(code=written)
    row = session.execute(
        select(Attempt.state, Attempt.submitted_at, Attempt.submitted_by, Attempt.digest, Attempt.receipt_code).where(
            Attempt.id == attempt_id
        )
    ).first()
    state, submitted_at, submitted_by, kept, kept_code = row or (None, None, None, None, None)
    again = rules.answers_digest(attempt_id, service.chosen(session, attempt_id))
    entry = _entry(session, attempt_id)
    said = str(entry.facts.get("digest")) if entry is not None else None
    return Found(
        attempt_id=attempt_id,
        code=written,
        state=state,
        submitted_at=submitted_at,
        submitted_by=submitted_by,
        entry=entry.number if entry else None,
        recorded_at=entry.at if entry else None,
        recorded=said,
        kept=kept,
        taken_again=again,
        checks=(
            # What is stored today is what was stored at submit, by the attempt's own word and by the trail's.
            Check("digest", kept == again),
            Check("code", kept_code == written and rules.receipt_code(again) == written),
            Check("trail", said == again),
            Check("seal", None if entry is None or entry.number is None else entry.digest == audit.digest(entry)),
        ),
    )
