"""The demo's items as they stand in a bank: with signatures that made-up people gave, through the services that real ones give them by."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person, RoleGrant
from testing_platform.accounts.rules import Role
from testing_platform.itembank import lifecycle
from testing_platform.itembank.models import ItemVersion
from testing_platform.itembank.rules import Event, Outcome, Signature, State, Who

WAIVER = "A made-up item of the demonstration: no pilot was held."


def people_with(session: Session, role: Role) -> list[Person]:
    holders = select(RoleGrant.person_id).where(RoleGrant.role == role, RoleGrant.ended_at.is_(None))
    return list(session.scalars(select(Person).where(Person.id.in_(holders)).order_by(Person.id)))


def approve(session: Session, version: ItemVersion, now: datetime) -> None:
    """A draft through review: by two content reviewers, a fairness reviewer and one who answers it blind, then by the bank's owner."""
    reviewers = people_with(session, Role.ITEM_REVIEWER)
    writer = people_with(session, Role.ITEM_WRITER)[0]
    lifecycle.submit(session, version, version.author or writer, now)
    for reviewer in reviewers[:2]:
        lifecycle.review(session, version, Signature.CONTENT, Outcome.SIGN, reviewer, now)
    lifecycle.review(session, version, Signature.FAIRNESS, Outcome.SIGN, people_with(session, Role.FAIRNESS_REVIEWER)[0], now)
    lifecycle.check_key(session, version, version.correct, reviewers[2], now)
    lifecycle.approve(session, version, people_with(session, Role.ANALYST)[0], now)


def activate(session: Session, versions: Iterable[ItemVersion], now: datetime) -> None:
    """Each that is still a draft becomes active, its pilot waived."""
    owner = people_with(session, Role.ANALYST)[0]
    for version in versions:
        if version.state != State.DRAFT:
            continue
        approve(session, version, now)
        lifecycle.move(session, version, Event.PILOT, Who.ANALYST, owner, now)
        lifecycle.waive(session, version, owner, WAIVER, now)
        lifecycle.move(session, version, Event.ACTIVATE, Who.ANALYST, owner, now)
