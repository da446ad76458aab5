"""Which sessions and attempts a proctor's request may reach: those of the sessions they are assigned to."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import object_rule
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import ProctorAssignment, TestSession
from testing_platform.examinations.rules import Mode


def is_assigned(session: Session, person_id: int, session_id: int) -> bool:
    row = session.get(ProctorAssignment, (session_id, person_id))
    return row is not None and row.ended_at is None


@object_rule("assigned_session")
def assigned_session(session: Session, person: Person, session_id: int, **_: Any) -> TestSession:
    found = session.get(TestSession, session_id)
    if found is None or not is_assigned(session, person.id, session_id):
        raise errors.NotFound
    return found


@object_rule("assigned_room")
def assigned_room(session: Session, person: Person, session_id: int, **_: Any) -> TestSession:
    """A session in a room of a City facility, for those who are assigned to it."""
    found = assigned_session(session, person, session_id)
    if found.mode != Mode.FACILITY or found.room is None:
        raise errors.NotFound
    return found


@object_rule("assigned_attempt")
def assigned_attempt(session: Session, person: Person, attempt_id: int, **_: Any) -> Attempt:
    found = session.get(Attempt, attempt_id)
    if found is None or not is_assigned(session, person.id, found.session_id):
        raise errors.NotFound
    return found


def sessions_of(session: Session, person_id: int) -> list[TestSession]:
    return list(
        session.scalars(
            select(TestSession)
            .join(ProctorAssignment)
            .where(ProctorAssignment.person_id == person_id, ProctorAssignment.ended_at.is_(None))
            .order_by(TestSession.id)
        )
    )
