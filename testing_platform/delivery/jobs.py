"""The worker's sweeps over attempts: deadlines, lost contact, receipts."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.delivery import notices, queries, service
from testing_platform.delivery.models import Attempt
from testing_platform.settings import Settings

# The shortest patience worth a look; the session's own number decides.
FLOOR = timedelta(seconds=5)


def sweep(session: Session, settings: Settings, now: datetime) -> dict[str, int]:
    """What is due now; each part may come late without harm, since every reader settles its own attempt first."""
    lost = service.notice_all_lost(session, now, FLOOR)
    closed = service.hand_in_all_due(session, now)
    gone = service.let_go_abandoned(session, now)
    return {"lost": lost, "closed": len(closed), "abandoned": len(gone)}


def mail_receipts(session: Session, settings: Settings, now: datetime, limit: int = 20) -> int:
    due = session.scalars(select(Attempt).where(Attempt.submitted_at.is_not(None), Attempt.receipt_mailed_at.is_(None)).limit(limit)).all()
    for attempt in due:
        attempt.receipt_mailed_at = now
        notices.receipt(session, settings, attempt, queries.receipt(session, attempt), queries.examination_of(attempt), now)
    return len(due)
