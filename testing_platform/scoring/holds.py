"""Results on hold: a lead proctor keeps a result back while something about the test is being settled, and it follows when that is cleared.

Nobody passes or fails by a hold, and no figure places one: a person does, with a reason, and before anybody knows the result. The caller owns the transaction.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Administration
from testing_platform.scoring import rules, service
from testing_platform.scoring.models import PassingScoreDecision, QualifyingResult, RawScore, ResultHold


class ResultIsOut(errors.Refusal):
    """The candidate has a result already: what changes it is a superseding decision."""

    code = "result-is-out"


class HeldAlready(errors.Refusal):
    code = "held-already"


class HoldMoved(errors.Refusal):
    """It was cleared meanwhile."""

    code = "hold-moved"


def longest(administration: Administration) -> timedelta:
    """How long a result may be on hold before the page says that it must be settled: the bulletin's `[policy.holds] days`, else 30.

    Scores that are frozen without end are the complaint about integrity cases elsewhere; the number is the department's choice.
    """
    return timedelta(days=int(administration.examination.bulletin.content.get("policy", {}).get("holds", {}).get("days", 30)))


def followed(session: Session, administration: Administration) -> int:
    """How many results of the decision in force came after it, when their hold was cleared."""
    rows = (
        select(QualifyingResult.id)
        .join(PassingScoreDecision, PassingScoreDecision.id == QualifyingResult.decision_id)
        .where(
            PassingScoreDecision.administration_id == administration.id,
            PassingScoreDecision.outcome == "approved",
            QualifyingResult.released_at > PassingScoreDecision.approved_at,
        )
    )
    return len(session.scalars(rows).all())


def of_sessions(session: Session, session_ids: Iterable[int]) -> list[ResultHold]:
    """Those that stand first, the oldest ahead; then those that were cleared, the newest ahead."""
    rows = session.scalars(
        select(ResultHold).join(Attempt, Attempt.id == ResultHold.attempt_id).where(Attempt.session_id.in_(list(session_ids)))
    )
    return sorted(rows, key=lambda one: (one.cleared_at is not None, -one.id if one.cleared_at else one.id))


def place(session: Session, attempt: Attempt, reason: str, person: Person, now: datetime) -> ResultHold:
    """Raises ReasonMissing, ResultIsOut, HeldAlready."""
    _wait_for(session, attempt)
    if not reason.strip():
        raise rules.ReasonMissing(what="hold")
    if _is_out(session, attempt):
        raise ResultIsOut
    if _is_held(session, attempt):
        raise HeldAlready
    made = ResultHold(attempt_id=attempt.id, reason=reason.strip(), placed_by_id=person.id, placed_at=now)
    session.add(made)
    session.flush()
    _said(session, "result.held", made, made.reason, person, now)
    return made


def clear(session: Session, hold: ResultHold, reason: str, person: Person, now: datetime) -> QualifyingResult | None:
    """Settled: the result follows at once if a decision is in force that scores the test, else with the others. Raises ReasonMissing, HoldMoved."""
    _wait_for(session, hold.attempt)
    session.refresh(hold)
    if not reason.strip():
        raise rules.ReasonMissing(what="hold")
    if hold.cleared_at is not None:
        raise HoldMoved
    hold.cleared_at, hold.cleared_by_id, hold.cleared_reason = now, person.id, reason.strip()
    session.flush()
    _said(session, "result.cleared", hold, hold.cleared_reason, person, now)
    decision = session.scalars(
        select(PassingScoreDecision).where(
            PassingScoreDecision.administration_id == hold.attempt.session.administration_id, PassingScoreDecision.outcome == "approved"
        )
    ).first()
    if decision is None:
        return None
    raw = session.scalar(select(RawScore.raw).where(RawScore.run_id == decision.run_id, RawScore.attempt_id == hold.attempt_id))
    if raw is None:
        return None
    before = None
    if decision.supersedes_id is not None:
        before = service.outcomes_of(session, decision.supersedes_id).get(hold.attempt_id)
    outcome, harmless = rules.outcome(raw, decision.cut, before, service.holds_harmless(decision))
    found = QualifyingResult(
        decision_id=decision.id,
        attempt_id=hold.attempt_id,
        person_id=hold.attempt.person_id,
        outcome=outcome,
        held=harmless,
        released_at=now,
        mailed_at=None,
    )
    session.add(found)
    session.flush()
    bus.publish(
        session, "result.followed", now, attempt_id=hold.attempt_id, administration=decision.administration_id, decision=decision.id
    )
    return found


def possible(session: Session, attempt: Attempt) -> bool:
    """Whether the result can be put on hold: it is neither out nor on hold."""
    return not _is_out(session, attempt) and not _is_held(session, attempt)


def _is_out(session: Session, attempt: Attempt) -> bool:
    return session.scalars(select(QualifyingResult.id).where(QualifyingResult.attempt_id == attempt.id).limit(1)).first() is not None


def _is_held(session: Session, attempt: Attempt) -> bool:
    standing = select(ResultHold.id).where(ResultHold.attempt_id == attempt.id, ResultHold.cleared_at.is_(None))
    return session.scalars(standing).first() is not None


def _wait_for(session: Session, attempt: Attempt) -> None:
    """Whoever signs, holds or clears in this administration at the same moment waits here."""
    session.execute(select(Administration.id).where(Administration.id == attempt.session.administration_id).with_for_update())


def _said(session: Session, act: str, hold: ResultHold, reason: str, person: Person, now: datetime) -> None:
    # The reason is a person's words and may name someone: the trail vouches for it without having it.
    digest = hashlib.sha256(reason.encode()).hexdigest()
    about = f"attempt:{hold.attempt_id}"
    audit.record(session, act, about, now, person.id, hold=hold.id, reason_sha256=digest)
