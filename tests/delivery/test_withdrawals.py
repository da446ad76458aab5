"""An item that is known outside leaves the sessions in which nobody has begun, and no other."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import service as attempts
from testing_platform.delivery import withdrawals
from testing_platform.delivery.models import Attempt
from testing_platform.delivery.rules import State
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Appointment
from testing_platform.examinations.rules import Mode, Window
from testing_platform.itembank import lifecycle, service
from testing_platform.itembank.models import Form, ItemVersion
from tests import make
from tests.make import NOON


def codes(form):
    return [slot.version.item.code for slot in form.slots]


def compromised(session, version):
    owner = make.person(session, Role.ANALYST)
    return lifecycle.compromise(session, version, owner, "Seen on a public page.", NOON)


def another(session, place):
    """A second session of the same administration, with a candidate who waits to be let in."""
    window = Window(NOON + timedelta(days=1), NOON + timedelta(days=1, hours=8))
    found = examinations.open_session(
        session, place.administration, title="Later", mode=Mode.REMOTE, window=window, zone="America/Los_Angeles", now=NOON
    )
    return found, make.booked(session, found)


def test_a_session_ahead_gets_a_form_without_the_item_and_its_enemies_and_a_running_one_keeps_its_own(session):
    running = make.place(session)
    begun = make.attempt(session, where=running)
    later, appointment = another(session, running)
    form = running.administration.form
    one, enemy = form.slots[1].version, form.slots[4].version
    service.make_enemies(session, [one.item, enemy.item], "same fact", NOON)
    assert not withdrawals.due(session, NOON)
    compromised(session, one)

    assert withdrawals.due(session, NOON)
    assert withdrawals.withdraw(session, NOON) == 1

    assert not withdrawals.due(session, NOON)
    mended = later.administration.form
    assert codes(mended) == ["I-1", "I-3", "I-4", "I-6"]
    assert (mended.name, mended.number, mended.locked_at) == (form.name, form.number + 1, NOON)
    assert later.administration.number == running.administration.number + 1
    assert session.get_one(Appointment, appointment.id).administration_id == later.administration_id
    assert running.administration.form_id == form.id
    assert session.get_one(Attempt, begun.id).form_id == form.id
    changed = session.scalars(select(AuditEntry).where(AuditEntry.act == "session.form-changed")).one()
    assert (changed.object, changed.facts["before"], changed.facts["after"]) == (f"session:{later.id}", form.id, mended.id)


def test_who_waits_to_be_let_in_gets_the_mended_form(session):
    waiting = make.attempt(session, state=State.AWAITING)
    form = waiting.session.administration.form
    compromised(session, form.slots[0].version)
    withdrawals.withdraw(session, NOON)
    assert codes(waiting.session.administration.form) == ["I-2", "I-3", "I-4", "I-5", "I-6"]
    assert waiting.form_id == waiting.session.administration.form_id != form.id


@pytest.mark.both
def test_the_first_to_begin_meets_no_item_that_is_known_outside_also_before_the_worker_s_round(session):
    place = make.place(session)
    first, second = (make.attempt(session, where=place, state=State.ADMITTED) for _ in range(2))
    old = place.administration.form
    compromised(session, old.slots[1].version)

    attempts.begin(session, first, "this-browser", NOON)

    mended = session.get_one(Form, first.form_id)
    assert codes(mended) == ["I-1", "I-3", "I-4", "I-5", "I-6"]
    assert (mended.begun, old.begun) == (1, 0)
    attempts.begin(session, second, "that-browser", NOON)
    assert second.form_id == first.form_id == place.administration.form_id
    assert not withdrawals.due(session, NOON)


def test_who_begins_after_others_of_the_session_has_the_form_that_they_have(session):
    begun = make.attempt(session)
    later = make.attempt(session, where=begun.session, state=State.ADMITTED)
    compromised(session, begun.session.administration.form.slots[1].version)
    attempts.begin(session, later, "this-browser", NOON)
    assert later.form_id == begun.form_id


def test_those_who_had_it_are_counted(session):
    place = make.place(session)
    for _ in range(2):
        make.attempt(session, where=place)
    make.booked(session, place)
    administration = place.administration
    assert withdrawals.met(session, administration) is None
    compromised(session, administration.form.slots[2].version)
    assert withdrawals.met(session, administration) == withdrawals.Met(["I-3"], 2)


def test_another_version_of_the_item_leaves_too(session):
    place = make.place(session)
    version = place.administration.form.slots[0].version
    content = service.content_of(version)
    newer = service.write(session, version.item, replace(content, stem="<p>Mended?</p>"), None, "easy", NOON)
    compromised(session, session.get_one(ItemVersion, newer.id))
    assert withdrawals.withdraw(session, NOON) == 1
    assert "I-1" not in codes(place.administration.form)
