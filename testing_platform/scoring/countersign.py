"""What the two signatures under a passing score have to do with the third person, who sees how groups fare. No figure of a group is read here."""

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.examinations.models import Administration
from testing_platform.scoring import impact_rules as rules
from testing_platform.scoring.impact_models import Countersignature, Demographics, GroupView
from testing_platform.scoring.models import PassingScoreDecision


def holds_answers(session: Session, administration: Administration) -> bool:
    """Whether candidates of the administration said anything of themselves."""
    return (
        session.scalars(select(Demographics.person_id).where(Demographics.administration_id == administration.id).limit(1)).first()
        is not None
    )


def is_required(session: Session, administration: Administration) -> bool:
    said = rules.GroupPolicy.of(administration.examination.bulletin.content).countersign_required
    return holds_answers(session, administration) if said is None else said


def of_decision(session: Session, decision: PassingScoreDecision) -> Countersignature | None:
    return session.scalars(select(Countersignature).where(Countersignature.decision_id == decision.id)).first()


def is_due(session: Session, decision: PassingScoreDecision) -> bool:
    """Whether the proposal cannot be approved yet for want of it."""
    return is_required(session, decision.administration) and of_decision(session, decision) is None


def told(session: Session, decision: PassingScoreDecision) -> dict[str, Any]:
    """What those who set the cut learn: that it was countersigned and when, or that this is due. No figure of a group, and not by whom."""
    found = of_decision(session, decision)
    return {"at": found.signed_at if found else None, "due": decision.outcome == "proposed" and is_due(session, decision)}


def check_saw_nothing(session: Session, administration: Administration, person: Person) -> None:
    """Raises SawGroups for who has looked at the groups."""
    if session.get(GroupView, (administration.id, person.id)) is not None:
        raise rules.SawGroups


def has_decided(session: Session, administration: Administration, person: Person) -> bool:
    """Whether the person proposed, approved or sent back any passing score of it."""
    made = PassingScoreDecision
    by = or_(made.proposed_by_id == person.id, made.approved_by_id == person.id, made.withdrawn_by_id == person.id)
    return session.scalars(select(made.id).where(made.administration_id == administration.id, by).limit(1)).first() is not None


def check_may_see(session: Session, administration: Administration, person: Person) -> None:
    """Raises SetsTheCut."""
    rules.check_apart(person.roles, has_decided(session, administration, person))
