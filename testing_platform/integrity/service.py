"""What people do with a lead: conclude on it, refer it, and say what the record shows. The caller owns the transaction."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.examinations.models import Administration, ProctorAssignment, TestSession
from testing_platform.integrity.models import LeadConclusion
from testing_platform.integrity.rules import BY_ANALYST, BY_LEAD, Conclusion, LeadMoved
from testing_platform.scoring.models import ScoreRun
from testing_platform.scoring.rules import ReasonMissing

About = tuple[int, int | None]  # one attempt, or two with the smaller id first


def conclusions(session: Session, administration: Administration) -> dict[About, list[LeadConclusion]]:
    """All of an administration by lead, the newest last."""
    found: dict[About, list[LeadConclusion]] = {}
    for row in session.scalars(
        select(LeadConclusion).where(LeadConclusion.administration_id == administration.id).order_by(LeadConclusion.id)
    ):
        found.setdefault((row.one_id, row.other_id), []).append(row)
    return found


def of_lead(session: Session, administration: Administration, about: About) -> list[LeadConclusion]:
    return conclusions(session, administration).get(about, [])


def conclude(
    session: Session,
    administration: Administration,
    run: ScoreRun,
    about: About,
    conclusion: Conclusion,
    reason: str,
    figures: dict[str, Any],
    person: Person,
    now: datetime,
    after: int,
) -> LeadConclusion:
    """An analyst's word on a lead. `after` is the conclusion that was on the page, 0 for none. Raises ReasonMissing, LeadMoved."""
    if conclusion not in BY_ANALYST:
        raise LeadMoved
    return _keep(
        session,
        "lead.referred" if conclusion is Conclusion.REFERRED else "lead.no_concern",
        administration,
        run.id,
        about,
        conclusion,
        reason,
        figures,
        person,
        now,
        after,
    )


def answer(
    session: Session, referred: LeadConclusion, conclusion: Conclusion, reason: str, person: Person, now: datetime
) -> LeadConclusion:
    """What the record shows of a lead that was referred. Raises ReasonMissing, and LeadMoved where it was answered or taken back."""
    if conclusion not in BY_LEAD or referred.conclusion != Conclusion.REFERRED:
        raise LeadMoved
    about = (referred.one_id, referred.other_id)
    return _keep(
        session,
        "lead.explained" if conclusion is Conclusion.EXPLAINED else "lead.unexplained",
        referred.administration,
        referred.run_id,
        about,
        conclusion,
        reason,
        referred.figures,
        person,
        now,
        referred.id,
    )


def _keep(
    session: Session,
    act: str,
    administration: Administration,
    run_id: int,
    about: About,
    conclusion: Conclusion,
    reason: str,
    figures: dict[str, Any],
    person: Person,
    now: datetime,
    after: int,
) -> LeadConclusion:
    if not reason.strip():
        raise ReasonMissing(what="lead")
    # Whoever else concludes in this administration waits here, and then sees what was concluded.
    session.execute(select(Administration.id).where(Administration.id == administration.id).with_for_update())
    before = of_lead(session, administration, about)
    if (before[-1].id if before else 0) != after:
        raise LeadMoved
    made = LeadConclusion(
        administration_id=administration.id,
        run_id=run_id,
        one_id=about[0],
        other_id=about[1],
        conclusion=conclusion,
        reason=reason.strip(),
        figures=figures,
        person_id=person.id,
        at=now,
    )
    session.add(made)
    session.flush()
    # The reason is a person's words and may name someone: the trail vouches for it without having it.
    audit.record(
        session,
        act,
        f"administration:{administration.id}",
        now,
        person.id,
        conclusion=made.id,
        attempts=[one for one in about if one is not None],
        reason_sha256=hashlib.sha256(made.reason.encode()).hexdigest(),
    )
    return made


# --- the lead proctor --------------------------------------------------------------------------------------------------------------------------


def may_read(session: Session, person: Person, lead: LeadConclusion) -> bool:
    """The lead proctor of a session in which one of the two tested."""
    return bool({one.session_id for one in (lead.one, lead.other) if one is not None} & led(session, person))


def led(session: Session, person: Person) -> set[int]:
    """The sessions that somebody led and did not step back from while they were on."""
    rows = session.execute(
        select(ProctorAssignment, TestSession)
        .join(TestSession, TestSession.id == ProctorAssignment.session_id)
        .where(ProctorAssignment.person_id == person.id)
    )
    return {place.id for one, place in rows if one.ended_at is None or one.ended_at >= place.window.closes_at}


def referred_to(session: Session, person: Person) -> list[tuple[LeadConclusion, LeadConclusion]]:
    """(newest referral, newest conclusion) of each lead that this person may read: those that wait first, then the newest."""
    asked = select(LeadConclusion).where(LeadConclusion.conclusion == Conclusion.REFERRED).order_by(LeadConclusion.id)
    newest = {(one.one_id, one.other_id): one for one in session.scalars(asked)}
    found = [
        (referral, of_lead(session, referral.administration, about)[-1])
        for about, referral in newest.items()
        if may_read(session, person, referral)
    ]
    return sorted(found, key=lambda pair: (pair[0].id != pair[1].id, -pair[0].id))
