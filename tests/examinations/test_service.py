from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.examinations import queries, service
from testing_platform.examinations.models import Examination, ProctorAssignment, TestSession
from testing_platform.examinations.rules import FaultySetting, Mode, Window
from testing_platform.itembank.models import Form
from tests import make
from tests.make import NOON

HOUR = timedelta(hours=1)


def publish(session, code="1229", **content):
    return service.publish_bulletin(
        session,
        code=code,
        title="Customer Service Specialist",
        open_on=date(2026, 9, 1),
        content={"test_day": make.TEST_DAY} | content,
        now=NOON,
    )


def test_a_bulletin_published_again_is_a_new_version_and_the_earlier_one_stays(session):
    first, second = publish(session, text="one"), publish(session, text="two")
    assert (first.number, second.number) == (1, 2)
    assert first.job_class_id == second.job_class_id
    assert first.content["text"] == "one"
    assert first.digest != second.digest


def test_a_class_code_is_text(session):
    assert publish(session, code="0042-A").job_class.code == "0042-A"


@pytest.mark.parametrize("broken", [{}, {"time_limit_minutes": "75"}])
def test_a_bulletin_with_a_faulty_test_day_is_not_published(session, broken):
    with pytest.raises(FaultySetting):
        publish(session, test_day=broken)
    assert session.scalars(select(service.Bulletin)).all() == []


def test_planning_an_administration_locks_its_form_and_numbers_it(session):
    first = make.administration(session)
    form = session.get_one(Form, first.form_id)
    assert form.locked_at == NOON
    second = service.plan_administration(session, first.examination, form, make.TEST_DAY, NOON + HOUR)
    assert (first.number, second.number, form.locked_at) == (1, 2, NOON)
    with pytest.raises(FaultySetting):
        service.plan_administration(session, session.get_one(Examination, first.examination_id), form, {}, NOON)


def test_a_candidate_has_one_place_in_an_administration(session):
    place = make.place(session)
    person = make.person(session, Role.CANDIDATE)
    booked = service.book(session, person, place, {}, NOON)
    other = service.open_session(
        session,
        place.administration,
        title="In the afternoon",
        mode=Mode.FACILITY,
        window=Window(NOON, NOON + HOUR),
        zone="America/Los_Angeles",
        now=NOON,
    )
    for where in (place, other):
        with pytest.raises(IntegrityError), session.begin_nested():
            service.book(session, person, where, {}, NOON)
    # Another candidate, another administration, and the same one after cancelling: all free.
    service.book(session, make.person(session, Role.CANDIDATE), place, {}, NOON)
    service.book(session, person, make.place(session), {}, NOON)
    booked.state = "cancelled"
    session.flush()
    service.book(session, person, other, {}, NOON)


def test_a_faulty_accommodation_books_nothing(session):
    place = make.place(session)
    with pytest.raises(FaultySetting):
        service.book(session, make.person(session, Role.CANDIDATE), place, {"time_multiplier": "0.5"}, NOON)
    assert queries.sessions_of(session, place.administration_id)[0]["booked"] == 0


def test_a_session_closes_after_it_opens(session):
    administration = make.administration(session)
    with pytest.raises(IntegrityError, match="window_is_forward"):
        service.open_session(session, administration, title="Backwards", mode=Mode.REMOTE, window=Window(NOON, NOON), zone="UTC", now=NOON)


def test_a_proctor_is_assigned_once_and_leaves_a_line_in_the_trail(session):
    place = make.place(session)
    person = make.person(session, Role.PROCTOR)
    for _ in range(2):
        service.assign_proctor(session, place, person, NOON)
        session.flush()
    assert len(session.scalars(select(ProctorAssignment)).all()) == 1
    assert session.scalars(select(AuditEntry.facts).where(AuditEntry.act == "proctor.assigned")).all() == [{"person": person.id}]


def test_what_the_analyst_sees_of_a_session(session):
    place = make.place(session)
    for _ in range(2):
        service.book(session, make.person(session, Role.CANDIDATE), place, {}, NOON)
    service.book(session, make.person(session, Role.CANDIDATE), place, {}, NOON).state = "cancelled"
    here, gone, stayed = (make.proctor(session, place) for _ in range(3))
    session.get_one(ProctorAssignment, (place.id, gone.id)).ended_at = NOON
    session.get_one(ProctorAssignment, (place.id, stayed.id)).ended_at = place.window.closes_at
    session.flush()
    (found,) = queries.sessions_of(session, place.administration_id)
    assert (found["place"], found["booked"], found["proctors"]) == (place, 2, [here.name, stayed.name])
    assert queries.form_areas(session, place.administration.form) == [("CST", make.ITEMS)]
    assert isinstance(found["place"], TestSession)


def test_the_trail_names_people_by_number_alone(session):
    place = make.place(session)
    person = make.person(session, Role.CANDIDATE, name="Rowan Birch")
    service.book(session, person, place, {"time_multiplier": "1.5"}, NOON)
    said = " ".join(f"{entry.object} {entry.facts}" for entry in session.scalars(select(AuditEntry)))
    assert "Rowan" not in said
    assert "1.5" not in said
    assert person.email not in said
