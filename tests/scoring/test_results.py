"""What follows from two signatures: letters, interviews, and nothing before."""

import re
from collections import Counter
from datetime import date, time, timedelta

import icalendar
import pytest
from sqlalchemy import select

from testing_platform import clock, errors, worker
from testing_platform.accounts.models import Person
from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.notices.models import Notice
from testing_platform.scoring import interviews, jobs, results
from testing_platform.scoring import service as scoring
from testing_platform.scoring.models import InterviewInvitation, InterviewPlan, QualifyingResult
from testing_platform.scoring.results import Standing
from tests import make
from tests.make import NOON

LATER = NOON + timedelta(hours=10)
PLAN = interviews.Plan("Room 210", (date(2026, 12, 7),), time(9), time(12), 30, 1, date(2026, 12, 4))


@pytest.fixture
def at(app, monkeypatch):
    """The hour of the server, moved by the test."""
    found = [LATER]
    monkeypatch.setattr(clock, "now", lambda: found[0])
    return found


@pytest.fixture
def place(db):
    """A session in which four have handed in: 6, 4, 3 and 1 right."""
    with db.write() as session:
        where = make.place(session)
        for name, right in (("Ada Ash", 6), ("Ben Birch", 4), ("Cy Cedar", 3), ("Dee Dogwood", 1)):
            make.handed_in(session, where, right).person.name = name
        # Receipts are another letter.
        for attempt in session.scalars(select(make.Attempt)):
            attempt.receipt_mailed_at = NOON
    return where


def here(session, place):
    return session.get_one(make.TestSession, place.id)


def decide(db, place, cut, now=LATER):
    with db.write() as session:
        return make.decided(session, here(session, place), cut, now)


def letters(db, name=None):
    with db.read() as session:
        found = session.scalars(select(Notice).order_by(Notice.id)).all()
        return [letter for letter in found if name is None or session.get_one(Person, letter.person_id).name == name]


def templates(db, name):
    return [letter.template for letter in letters(db, name)]


def test_the_second_signature_leads_to_one_letter_each_and_nothing_leads_to_two(app, db, place, at):
    with db.write() as session:
        make.proposed(session, here(session, place), 4, LATER)
    worker.once(app)
    assert letters(db) == []
    with db.write() as session:
        waiting = scoring.standing_decision(session, here(session, place).administration)
        scoring.approve(session, waiting, make.person(session, Role.APPROVER), LATER)
    for _ in range(3):
        worker.once(app)
    assert Counter(letter.template for letter in letters(db)) == {"result-pass/1": 2, "result-fail/1": 2}
    assert templates(db, "Ben Birch") == ["result-pass/1"]
    assert templates(db, "Cy Cedar") == ["result-fail/1"]
    with db.read() as session:
        assert {one.mailed_at for one in session.scalars(select(QualifyingResult))} == {LATER}


def test_a_later_decision_is_told_to_those_alone_whose_outcome_changed(app, db, place, at):
    decide(db, place, 4)
    worker.once(app)
    at[0] = LATER + timedelta(days=1)
    decide(db, place, 3, at[0])
    worker.once(app)
    assert templates(db, "Ada Ash") == ["result-pass/1"]
    assert templates(db, "Cy Cedar") == ["result-fail/1", "result-changed-pass/1"]
    at[0] = LATER + timedelta(days=2)
    decide(db, place, 5, at[0])
    worker.once(app)
    assert templates(db, "Ada Ash") == ["result-pass/1"]
    assert templates(db, "Ben Birch") == ["result-pass/1", "result-changed-fail/1"]
    assert templates(db, "Cy Cedar") == ["result-fail/1", "result-changed-pass/1", "result-changed-fail/1"]
    assert templates(db, "Dee Dogwood") == ["result-fail/1"]
    assert "has changed" in letters(db, "Ben Birch")[-1].subject


def test_who_is_held_harmless_keeps_the_result_and_gets_no_letter(app, db, place, at):
    decide(db, place, 4)
    worker.once(app)
    at[0] = LATER + timedelta(days=1)
    with db.write() as session:
        make.decided(session, here(session, place), 5, at[0], hold_harmless=True)
    worker.once(app)
    assert templates(db, "Ben Birch") == ["result-pass/1"]
    assert standings(db, place) == {"Ada Ash": Standing.TO_INVITE, "Ben Birch": Standing.TO_INVITE}
    # The next one takes it back, and says so.
    at[0] = LATER + timedelta(days=2)
    decide(db, place, 5, at[0])
    worker.once(app)
    assert templates(db, "Ben Birch") == ["result-pass/1", "result-changed-fail/1"]


def test_who_was_told_nothing_of_a_decision_is_told_the_next_one_as_the_first(app, db, place, at):
    decide(db, place, 4)
    decide(db, place, 3, LATER + timedelta(minutes=1))
    worker.once(app)
    assert templates(db, "Cy Cedar") == ["result-pass/1"]
    assert templates(db, "Dee Dogwood") == ["result-fail/1"]


def leave_out(db, name):
    """An answer of this candidate is gone: the attempt is not what its receipt vouches for, and the next scoring leaves it out."""
    with db.write() as session:
        person = session.scalars(select(Person).where(Person.name == name)).one()
        attempt = session.scalars(select(make.Attempt).where(make.Attempt.person_id == person.id)).one()
        lost = session.scalars(select(make.Response).where(make.Response.attempt_id == attempt.id).order_by(make.Response.seq)).first()
        found = {column.key: getattr(lost, column.key) for column in make.Response.__table__.columns}
        session.delete(lost)
        return found


def test_who_is_left_out_of_a_later_decision_is_told_once_that_the_result_does_not_stand(app, db, place, at):
    decide(db, place, 4)
    worker.once(app)
    lost = leave_out(db, "Ben Birch")
    at[0] = LATER + timedelta(days=1)
    with db.write() as session:
        make.proposed(session, here(session, place), 4, at[0])
    # A proposal takes nothing back.
    worker.once(app)
    assert templates(db, "Ben Birch") == ["result-pass/1"]
    with db.write() as session:
        waiting = scoring.standing_decision(session, here(session, place).administration)
        scoring.approve(session, waiting, make.person(session, Role.APPROVER), at[0])
    for _ in range(2):
        worker.once(app)
    assert templates(db, "Ben Birch") == ["result-pass/1", "result-taken-back/1"]
    assert [templates(db, name) for name in ("Ada Ash", "Cy Cedar", "Dee Dogwood")] == [
        ["result-pass/1"],
        ["result-fail/1"],
        ["result-fail/1"],
    ]
    letter = letters(db, "Ben Birch")[-1]
    assert "does not stand any more" in letter.subject
    assert "November 21, 2026" in letter.text
    assert not re.search(r"you passed|did not pass|\b[0-6] of 6\b", letter.text)
    # The answer was found again: a third decision scores the attempt as the first did, and that is news once more.
    with db.write() as session:
        session.add(make.Response(**lost))
    at[0] = LATER + timedelta(days=2)
    decide(db, place, 4, at[0])
    for _ in range(2):
        worker.once(app)
    assert templates(db, "Ben Birch") == ["result-pass/1", "result-taken-back/1", "result-changed-pass/1"]
    assert templates(db, "Ada Ash") == ["result-pass/1"]
    # And left out again, it is said again.
    leave_out(db, "Ben Birch")
    at[0] = LATER + timedelta(days=3)
    decide(db, place, 4, at[0])
    worker.once(app)
    assert templates(db, "Ben Birch")[3:] == ["result-taken-back/1"]


def test_who_was_told_nothing_is_not_told_that_it_does_not_stand(app, db, place, at):
    decide(db, place, 4)
    leave_out(db, "Ben Birch")
    decide(db, place, 4, LATER + timedelta(minutes=1))
    worker.once(app)
    assert templates(db, "Ben Birch") == []


@pytest.mark.parametrize("locale", ["en", "es"])
def test_a_letter_says_pass_or_fail_and_never_a_number_of_points(app, db, place, at, locale):
    with db.write() as session:
        for person in session.scalars(select(Person)):
            person.locale = locale
    decide(db, place, 4)
    worker.once(app)
    for letter in letters(db):
        text = f"{letter.subject}\n{letter.text}"
        assert not re.search(r"score of|points|puntos|%|rank|\bCST\b|raw|cut", text), text
        # No number but those of days, of the class, the candidate, the telephone and rule 4.20.
        assert "555-0100" in text
        assert "Rule 4.20" in text or "4.20" in text


def test_who_did_not_pass_is_told_when_to_file_again(app, db, place, at):
    decide(db, place, 4)
    worker.once(app)
    (letter,) = letters(db, "Cy Cedar")
    assert "again from November 21, 2028 on" in letter.text
    (other,) = letters(db, "Ada Ash")
    assert "2028" not in other.text


def test_many_letters_are_written_in_batches_under_one_instant(app, db, at, monkeypatch):
    monkeypatch.setattr(jobs, "BATCH", 3)
    with db.write() as session:
        where = make.place(session)
        for n in range(10):
            make.handed_in(session, where, n % 7)
    decide(db, where, 4)
    held = []
    with app.app_context():
        write = db.write

        def counted():
            held.append(1)
            return write()

        monkeypatch.setattr(db, "write", counted)
        assert jobs.mail_results(db, app.settings, LATER) == 10
        assert jobs.mail_results(db, app.settings, LATER) == 0
    assert len(held) == 4
    assert {letter.created_at for letter in letters(db)} == {LATER}


# ------------------------------------------------------------ interviews


def invite(app, db, place, plan=PLAN, now=LATER, seen=None):
    with app.app_context(), db.write() as session:
        one = here(session, place).administration
        found = results.preview(session, one, plan, app.settings, now)
        written = results.letters_for(session, one, found, app.settings, now)
        person = make.person(session, Role.SCHEDULER)
        results.invite(session, one, plan, seen or found.digest, written, person, app.settings, now)
        return found


def standings(db, place):
    with db.read() as session:
        one = here(session, place).administration
        return {row.person.name: row.standing for row in results.rows(session, one, results.released(session, one.id))}


def test_those_who_passed_are_invited_once(app, db, place, at):
    decide(db, place, 4)
    assert standings(db, place) == {"Ada Ash": Standing.TO_INVITE, "Ben Birch": Standing.TO_INVITE}
    found = invite(app, db, place)
    assert (found.waiting, found.slots, found.missing, found.spare) == (2, 6, 0, 4)
    assert standings(db, place) == {"Ada Ash": Standing.WAITING, "Ben Birch": Standing.WAITING}
    # The same once more, as a second press of the button: nothing.
    invite(app, db, place, seen=found.digest)
    with db.read() as session:
        assert len(session.scalars(select(InterviewPlan)).all()) == 1
        assert [one.starts_at.hour for one in session.scalars(select(InterviewInvitation).order_by(InterviewInvitation.starts_at))] == [
            17,
            17,
        ]
        assert session.scalars(select(AuditEntry.facts).where(AuditEntry.act == "interviews.invited")).one()["invited"] == 2
    assert [letter.template for letter in letters(db)] == ["interview-invitation/1"] * 2


def test_what_is_sent_is_what_was_seen(app, db, place, at):
    decide(db, place, 4)
    with db.read() as session:
        seen = results.preview(session, here(session, place).administration, PLAN, app.settings, LATER).digest
    decide(db, place, 3, LATER + timedelta(minutes=5))
    with pytest.raises(errors.VersionMoved):
        invite(app, db, place, seen=seen)
    assert letters(db) == []


def test_too_few_slots_say_how_many_are_missing_and_the_rest_wait_for_the_next_plan(app, db, place, at):
    decide(db, place, 3)
    short = interviews.Plan("Room 210", (date(2026, 12, 7),), time(9), time(10), 30, 1, date(2026, 12, 4))
    found = invite(app, db, place, short)
    assert (found.waiting, len(found.given), found.missing) == (3, 2, 1)
    assert standings(db, place)["Cy Cedar"] == Standing.TO_INVITE
    # The next plan at the same place has those two slots taken; another board is free.
    again = invite(app, db, place, interviews.Plan("Room 210", (date(2026, 12, 7),), time(9), time(10, 30), 30, 1, date(2026, 12, 4)))
    assert (again.slots, len(again.given)) == (1, 1)
    with db.read() as session:
        times = [(one.board, one.starts_at) for one in session.scalars(select(InterviewInvitation))]
    assert len(set(times)) == len(times) == 3


def test_two_administrations_share_a_room_without_meeting_in_it(app, db, place, at):
    decide(db, place, 4)
    invite(app, db, place)
    with db.write() as session:
        other = make.place(session)
        make.handed_in(session, other, 6)
    decide(db, other, 4)
    found = invite(app, db, other)
    assert [slot.starts_at.hour for _row, slot in found.given] == [18]


def test_one_who_passed_two_tests_is_not_asked_to_two_interviews_at_once(app, db, place, at):
    decide(db, place, 4)
    invite(app, db, place)
    with db.write() as session:
        other = make.place(session)
        ada = session.scalars(select(Person).where(Person.name == "Ada Ash")).one()
        attempt = make.handed_in(session, other, 6)
        attempt.person_id = ada.id
        session.get_one(make.Appointment, attempt.appointment_id).person_id = ada.id
    decide(db, other, 4)
    elsewhere = interviews.Plan("Another building", (date(2026, 12, 7),), time(9), time(12), 30, 1, date(2026, 12, 4))
    ((row, slot),) = invite(app, db, other, elsewhere).given
    assert row.person.name == "Ada Ash"
    assert (slot.starts_at.hour, slot.starts_at.minute) == (17, 30)


def test_no_invitation_without_a_signed_decision(app, db, place, at):
    with db.write() as session:
        make.proposed(session, here(session, place), 4, LATER)
    with pytest.raises(results.NotReleased):
        invite(app, db, place)


def event_of(letter):
    found = icalendar.Calendar.from_ical(letter.calendar)
    assert all(len(line.encode()) <= 75 for line in letter.calendar.split("\r\n"))
    assert found.walk("VTIMEZONE")
    (event,) = found.walk("VEVENT")
    return found["METHOD"], event


def test_an_invitation_has_its_entry_for_the_calendar(app, db, place, at):
    with db.write() as session:
        session.scalars(select(Person).where(Person.name == "Ben Birch")).one().locale = "es"
    decide(db, place, 4)
    invite(app, db, place, interviews.Plan("Sala 210, Edificio Ñandú " * 5, PLAN.days, time(9), time(12), 30, 1, PLAN.respond_by))
    ada, ben = letters(db)
    method, event = event_of(ada)
    assert (method, event["STATUS"], event["SEQUENCE"]) == ("PUBLISH", "CONFIRMED", 0)
    assert event["DTSTART"].params["TZID"] == "America/Los_Angeles"
    assert event["DTSTART"].dt.isoformat() == "2026-12-07T09:00:00-08:00"
    assert event["DTEND"].dt.isoformat() == "2026-12-07T09:30:00-08:00"
    assert "Ben Birch" not in ada.calendar + ada.text
    assert event["UID"] != event_of(ben)[1]["UID"]
    assert "Monday, December 7, 2026, 9:00" in ada.text
    assert "America/Los_Angeles, PST" in ada.text
    assert "call us by December 4, 2026" in ada.text
    assert "7 de diciembre de 2026" in ben.text


def test_the_mail_carries_the_calendar_with_its_method(app, db, place, at):
    from testing_platform.notices.service import message

    decide(db, place, 4)
    invite(app, db, place)
    (part,) = [one for one in message(letters(db)[0], "testing@larkspur.example.gov").walk() if one.get_content_type() == "text/calendar"]
    assert (part.get_filename(), part.get_param("method")) == ("interview.ics", "PUBLISH")


def test_an_invitation_of_somebody_who_no_longer_passes_waits_for_a_person(app, db, place, at):
    decide(db, place, 4)
    invite(app, db, place)
    decide(db, place, 5, LATER + timedelta(days=1))
    worker.once(app)
    assert standings(db, place) == {"Ada Ash": Standing.WAITING, "Ben Birch": Standing.WITHDRAW}
    with app.app_context(), db.write() as session:
        ada, ben = session.scalars(select(InterviewInvitation).order_by(InterviewInvitation.id))
        person = make.person(session, Role.SCHEDULER)
        with pytest.raises(results.StillPasses):
            results.withdraw_invitation(session, ada, person, app.settings, LATER)
        for _ in range(2):
            results.withdraw_invitation(session, ben, person, app.settings, LATER)
        assert ada.withdrawn_at is None
        assert (ben.withdrawn_at, ben.withdrawn_by_id) == (LATER, person.id)
    assert standings(db, place) == {"Ada Ash": Standing.WAITING}
    invitation, withdrawn = (one for one in letters(db, "Ben Birch") if one.template.startswith("interview"))
    before, after = event_of(invitation)[1], event_of(withdrawn)[1]
    assert event_of(withdrawn)[0] == "CANCEL"
    assert (after["UID"], after["SEQUENCE"], after["STATUS"]) == (before["UID"], 1, "CANCELLED")


def test_one_who_passes_again_is_invited_again_and_the_calendar_follows(app, db, place, at):
    decide(db, place, 4)
    invite(app, db, place)
    decide(db, place, 5, LATER + timedelta(days=1))
    with app.app_context(), db.write() as session:
        ben = session.scalars(select(InterviewInvitation).order_by(InterviewInvitation.id.desc())).first()
        results.withdraw_invitation(session, ben, make.person(session, Role.SCHEDULER), app.settings, LATER)
    decide(db, place, 4, LATER + timedelta(days=2))
    assert standings(db, place)["Ben Birch"] == Standing.TO_INVITE
    ((row, slot),) = invite(app, db, place).given
    # The slot that was given back is free again.
    assert (row.person.name, slot.starts_at.hour, slot.starts_at.minute) == ("Ben Birch", 17, 30)
    assert event_of(letters(db, "Ben Birch")[-1])[1]["SEQUENCE"] == 2


@pytest.mark.parametrize(
    ("state", "trouble", "expected"),
    [
        ("queued", None, Standing.WAITING),
        ("sent", None, Standing.SENT),
        ("failed", "recipient refused", Standing.BOUNCED),
        ("failed", "ConnectionRefusedError", Standing.FAILED),
    ],
)
def test_what_became_of_the_mail_is_seen(app, db, place, at, state, trouble, expected):
    decide(db, place, 6)
    invite(app, db, place)
    with db.write() as session:
        letter = session.scalars(select(Notice).where(Notice.template.like("interview%"))).one()
        letter.state, letter.trouble = state, trouble
    assert standings(db, place) == {"Ada Ash": expected}


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({}, ""),
        ({"time_multiplier": "1"}, ""),
        ({"time_multiplier": "1.50"}, "extra time 1.5"),
        ({"time_multiplier": "2", "text_size": "large"}, "text size large; extra time 2"),
        ({"step_free_room": True, "reader": False, "scribe": None}, "step free room"),
    ],
)
def test_an_accommodation_is_told_by_what_it_changes(settings, note):
    assert results.functional_note(settings) == note
