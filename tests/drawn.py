"""An administration in which each candidate is drawn a form of their own."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from testing_platform.accounts.rules import Role
from testing_platform.delivery import service as attempts
from testing_platform.delivery.models import Attempt, Response
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import TestSession
from testing_platform.itembank import forms
from testing_platform.itembank.form_models import LoftPool
from testing_platform.itembank.models import FormSlot
from tests import make
from tests.itembank.assembly.made import document
from tests.itembank.assembly.stored import forms_bank
from tests.make import NOON

LENGTH = 12


def pool(session: Session, **told: Any) -> LoftPool:
    """Forty items, of which each form takes twelve and none comes to more than six in ten candidates."""
    told = document(expected={"shares": {"easy": 0.75, "medium": 0.7, "hard": 0.65}}, **told)
    one = forms.keep_blueprint(session, forms_bank(session), told, NOON)
    return forms.freeze(session, one, 0.6, 3, NOON.date(), NOON)


def place(session: Session, frozen: LoftPool, opened: timedelta = timedelta(hours=1)) -> TestSession:
    """A session that opened so long ago, of an administration that gives the pool."""
    first = make.administration(session)
    one = examinations.plan_administration(session, first.examination, forms.pool_form(session, frozen, NOON), first.test_day, NOON)
    window = examinations.rules.Window(NOON - opened, NOON - opened + timedelta(hours=9))
    mode = examinations.rules.Mode.REMOTE
    return examinations.open_session(session, one, title="At home", mode=mode, window=window, zone="America/Los_Angeles", now=NOON)


def slots(session: Session, attempt: Attempt) -> list[FormSlot]:
    return forms.form_queries.slots_of(session, session.get_one(forms.Form, attempt.form_id))


def handed_in(session: Session, where: TestSession, right: int) -> Attempt:
    """A submitted attempt with the first so many items of its own form right, the others wrong."""
    found = make.attempt(session, where=where)
    for row in slots(session, found):
        accepted = row.version.accepted[0]
        option = accepted if row.slot <= right else next(key for key in "abcd" if key != accepted)
        session.add(
            Response(
                attempt_id=found.id,
                device="browser-1",
                seq=row.slot,
                epoch=1,
                slot=row.slot,
                option=option,
                state="answered",
                elapsed_ms=1000 * row.slot,
                received_at=NOON,
                standing="counted",
            )
        )
    session.flush()
    attempts.submit(session, found, NOON)
    return found


def analyst(session: Session) -> Any:
    return make.person(session, Role.ANALYST)
