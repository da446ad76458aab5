"""The worker's sweeps over attempts: deadlines, lost contact, who did not come, receipts."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.audit import service as audit
from testing_platform.delivery import facility, notices, queries, service
from testing_platform.delivery.models import Attempt, CheckInStep
from testing_platform.delivery.rules import Step
from testing_platform.settings import Settings
from testing_platform.storage import Vault


def sweep(session: Session, settings: Settings, now: datetime) -> dict[str, int]:
    """What is due now; each part may come late without harm, since every reader settles its own attempt first."""
    lost = service.notice_lost(session, service.silent(session, now), now)
    closed = service.hand_in_all_due(session, now)
    gone = service.let_go_abandoned(session, now)
    away = [row for place in session.scalars(facility.to_close(now)).unique().all() for row in facility.close(session, place, now)]
    return {"lost": lost, "closed": len(closed), "abandoned": len(gone), "no_shows": len(away)}


def anything_due(session: Session, now: datetime) -> bool:
    """Whether a sweep would find work: asked by reading, so that a quiet round takes no write lock."""
    return service.anything_due(session, now) or session.scalars(facility.to_close(now).limit(1)).first() is not None


def destroy_old_photos(session: Session, vault: Vault, now: datetime, limit: int = 50) -> int:
    """Delete check-in photos whose time, promised in the consent text, is over. The step's row stays as the record that there was one."""
    rows = session.execute(
        select(CheckInStep, Attempt)
        .join(Attempt, Attempt.id == CheckInStep.attempt_id)
        .where(CheckInStep.step == Step.PHOTO, Attempt.admitted_at <= now - timedelta(days=1))
        .order_by(Attempt.admitted_at)
    )
    count = 0
    for step, attempt in rows:
        consents = attempt.session.administration.examination.bulletin.content.get("consents", [])
        days = next((text["keep_days"] for text in consents if text["kind"] == "face_photo" and "keep_days" in text), None)
        if "object" not in step.facts or days is None or attempt.admitted_at is None or now - attempt.admitted_at < timedelta(days=days):
            continue
        vault.store.delete(step.facts["object"])
        step.facts = {key: value for key, value in step.facts.items() if key != "object"}
        audit.record(session, "photo.destroyed", f"attempt:{attempt.id}", now, sha256=step.facts.get("sha256"), days=days)
        count += 1
        if count >= limit:
            break
    return count


def receipts_due(session: Session) -> bool:
    due = select(Attempt.id).where(Attempt.submitted_at.is_not(None), Attempt.receipt_mailed_at.is_(None)).limit(1)
    return session.scalars(due).first() is not None


def mail_receipts(session: Session, settings: Settings, now: datetime, limit: int = 20) -> int:
    due = session.scalars(select(Attempt).where(Attempt.submitted_at.is_not(None), Attempt.receipt_mailed_at.is_(None)).limit(limit)).all()
    for attempt in due:
        attempt.receipt_mailed_at = now
        notices.receipt(session, settings, attempt, queries.receipt(session, attempt), queries.examination_of(attempt), now)
    return len(due)
