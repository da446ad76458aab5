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


# A few that are still on their way, so that everyone who works in the bank finds something to do.
ON_THE_WAY = {
    "MATH-24": State.DRAFT,
    "OFC-24": State.RETURNED,
    "CST-24": State.IN_REVIEW,
    "ENG-24": State.IN_REVIEW,
    "JUDG-24": State.IN_REVIEW,
    "READ-24": State.APPROVED,
    "DIR-24": State.PILOT,
    "CST-23": State.PILOT,
}
# How many of (content, fairness, key) those in review have.
SIGNED_SO_FAR = {"CST-24": (0, 0, 0), "ENG-24": (2, 1, 0), "JUDG-24": (2, 1, 1)}
RETURNED_FOR = "Two of the options can both be defended when the office is closed. Say in the stem that it is open."


def sign(session: Session, version: ItemVersion, now: datetime, content: int = 2, fairness: int = 1, key: int = 1) -> None:
    """Hand a draft in, and let the reviewers sign: the last of them answers it blind."""
    reviewers = people_with(session, Role.ITEM_REVIEWER)
    lifecycle.submit(session, version, version.author or people_with(session, Role.ITEM_WRITER)[0], now)
    for reviewer in reviewers[1:][:content]:
        lifecycle.review(session, version, Signature.CONTENT, Outcome.SIGN, reviewer, now)
    for reviewer in people_with(session, Role.FAIRNESS_REVIEWER)[:fairness]:
        lifecycle.review(session, version, Signature.FAIRNESS, Outcome.SIGN, reviewer, now)
    if key:
        lifecycle.check_key(session, version, version.correct, reviewers[0], now)


def settle(session: Session, versions: Iterable[ItemVersion], now: datetime) -> None:
    """The demo's bank as a department's would look: nearly all active, a few on their way."""
    rest = []
    for version in versions:
        stage = ON_THE_WAY.get(version.item.code)
        if stage is None or version.number > 1:
            rest.append(version)
        elif version.state == State.DRAFT:
            _bring(session, version, stage, now)
    activate(session, rest, now)


def _bring(session: Session, version: ItemVersion, stage: State, now: datetime) -> None:
    owner = people_with(session, Role.ANALYST)[0]
    if stage is State.DRAFT:
        return
    if stage in (State.IN_REVIEW, State.RETURNED):
        sign(session, version, now, *SIGNED_SO_FAR.get(version.item.code, (0, 0, 0)))
    else:
        sign(session, version, now)
        lifecycle.approve(session, version, owner, now)
    if stage is State.RETURNED:
        reviewer = people_with(session, Role.ITEM_REVIEWER)[1]
        lifecycle.review(session, version, Signature.CONTENT, Outcome.RETURN, reviewer, now, RETURNED_FOR)
    if stage is State.PILOT:
        lifecycle.move(session, version, Event.PILOT, Who.ANALYST, owner, now)


def activate(session: Session, versions: Iterable[ItemVersion], now: datetime) -> None:
    """Each that is still a draft becomes active, its trial waived."""
    owner = people_with(session, Role.ANALYST)[0]
    for version in versions:
        if version.state != State.DRAFT:
            continue
        sign(session, version, now)
        lifecycle.approve(session, version, owner, now)
        lifecycle.move(session, version, Event.PILOT, Who.ANALYST, owner, now)
        lifecycle.waive(session, version, owner, WAIVER, now)
        lifecycle.move(session, version, Event.ACTIVATE, Who.ANALYST, owner, now)
