"""Which attempts and appointments a person's request may reach."""

from typing import Any

from flask import current_app, g, request
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import object_rule
from testing_platform.delivery import tokens
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Appointment


@object_rule("own_appointment")
def own_appointment(session: Session, person: Person, appointment_id: int, **_: Any) -> Appointment:
    found = session.get(Appointment, appointment_id)
    if found is None or found.person_id != person.id:
        raise errors.NotFound
    return found


@object_rule("own_attempt")
def own_attempt(session: Session, person: Person, attempt_id: int, **_: Any) -> Attempt:
    found = session.get(Attempt, attempt_id)
    if found is None or found.person_id != person.id:
        raise errors.NotFound
    return found


@object_rule("token_attempt")
def token_attempt(session: Session, person: Person | None, attempt_id: int, **_: Any) -> Attempt:
    """The attempt that the answer token names; its epoch stands in `g.epoch`."""
    secret = current_app.settings.secret  # type: ignore[attr-defined]
    g.epoch = tokens.read(secret, request.headers.get("Authorization", ""), attempt_id, g.now).epoch
    found = session.get(Attempt, attempt_id)
    if found is None:
        raise errors.NotFound
    return found
