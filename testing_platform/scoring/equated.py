"""The carried passing score as a line beside those of the judges and of chance, for who chooses one and for the record."""

from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.examinations.models import Administration, TestSession
from testing_platform.scoring import dates, rules
from testing_platform.scoring.equating_models import KeptEquating
from testing_platform.scoring.models import PassingScoreDecision, ScoreRun


def newest(session: Session, administration: Administration, with_id: int | None = None) -> KeptEquating | None:
    """What was kept last and carries a passing score over; or what was kept last with this earlier administration, whether it carries one or not."""
    chosen = select(KeptEquating).where(KeptEquating.administration_id == administration.id)
    if with_id is None:
        chosen = chosen.where(KeptEquating.raw.is_not(None))
    else:
        chosen = chosen.join(ScoreRun, ScoreRun.id == KeptEquating.earlier_run_id).where(ScoreRun.administration_id == with_id)
    return session.scalars(chosen.order_by(KeptEquating.number.desc()).limit(1)).first()


def holds(session: Session, found: KeptEquating, run: ScoreRun) -> bool:
    """Whether it is of these scores, and of the passing score that is in force for the earlier ones, or of the newest of those if none is."""
    if found.raw is None:
        newer = select(ScoreRun.id).where(
            ScoreRun.administration_id == found.earlier_run.administration_id, ScoreRun.id > found.earlier_run_id
        )
        return found.run_id == run.id and session.scalars(newer).first() is None
    decided = select(PassingScoreDecision.id).where(
        PassingScoreDecision.run_id == found.earlier_run_id,
        PassingScoreDecision.cut == found.figures["cut"],
        PassingScoreDecision.outcome == "approved",
    )
    return found.run_id == run.id and session.scalars(decided).first() is not None


def carries_forward(administration: Administration) -> bool:
    """Whether the bulletin sets one passing score for all its administrations, which then begin with the one carried over: `scope = "bulletin"`."""
    said = administration.examination.bulletin.content.get("policy", {}).get("passing_score", {})
    return bool(said.get("scope") == "bulletin")


def told(session: Session, administration: Administration, run: ScoreRun) -> dict[str, Any] | None:
    """As a decision keeps it; none where none holds."""
    found = newest(session, administration)
    if found is None or not holds(session, found, run):
        return None
    earlier = session.get_one(Administration, found.earlier_run.administration_id)
    given = session.scalars(
        select(TestSession).where(TestSession.administration_id == earlier.id).order_by(TestSession.__table__.c.opens_at).limit(1)
    ).one()
    figures = found.figures
    return {
        "number": found.number,
        "administration": earlier.id,
        "earlier": earlier.number,
        "on": str(dates.local_day(given.window.opens_at, given.zone)),
        "title": earlier.examination.title,
        "method": found.method,
        "smooth": found.settings["smooth"],
        "anchor": len(found.items["anchor"]),
        "cut": figures["cut"],
        "maximum": found.earlier_run.maximum,
        "worth": str(rules.rounded(Fraction(figures["worth"]), 4)),
        "se": None if figures["se"] is None else str(rules.rounded(Fraction(figures["se"]), 4)),
        "raw": found.raw,
        "reason": found.reason,
        "digest": found.digest,
    }
