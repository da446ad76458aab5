from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import jobs, queries, rules, service
from testing_platform.delivery.models import CheckInStep, Outage, TimeEntry
from testing_platform.delivery.rules import State, Step
from testing_platform.examinations.rules import Mode
from testing_platform.storage import Folder, Vault
from tests import make
from tests.make import NOON

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
SLACK = 10 * SECOND


def test_check_in_goes_step_by_step_and_consent_comes_first(session):
    attempt = make.attempt(session, state=State.CHECKING_IN)
    with pytest.raises(rules.NotNow):
        service.finish_step(session, attempt, Step.PHOTO, NOON)
    assert queries.page_of(session, attempt).endswith("/consent")
    service.finish_step(session, attempt, Step.CONSENT, NOON)
    assert queries.page_of(session, attempt).endswith("/system-check")
    service.finish_step(session, attempt, Step.SYSTEM, NOON)
    service.finish_step(session, attempt, Step.PHOTO, NOON)
    assert attempt.state == State.AWAITING
    assert queries.place_in_queue(session, attempt) == 1


@pytest.mark.parametrize(
    ("choice", "kinds"), [({}, ["camera_live", "detectors"]), ({"camera_live": "facility", "detectors": "people_only"}, ["camera_live"])]
)
def test_a_required_choice_that_is_missing_or_declined_is_named(session, choice, kinds):
    attempt = make.attempt(session, state=State.CHECKING_IN)
    with pytest.raises(service.ChoiceMissing) as refusal:
        service.keep_consents(session, attempt, make.CONSENTS, choice, "en", NOON)
    assert refusal.value.facts["kinds"] == kinds
    assert attempt.state == State.CHECKING_IN


def test_people_only_is_a_choice_like_any_other(session):
    attempt = make.attempt(session, state=State.CHECKING_IN)
    service.keep_consents(session, attempt, make.CONSENTS, {"camera_live": "allow", "detectors": "people_only"}, "es", NOON)
    assert service.consent_choices(session, attempt.id) == {"camera_live": "allow", "detectors": "people_only"}


@pytest.mark.parametrize(("minutes", "fits"), [(-31, False), (-30, True), (0, True), (119, True), (120, False)])
def test_check_in_opens_half_an_hour_before_the_session(session, minutes, fits):
    where = make.place(session)
    where.window = make.Window(NOON, NOON + 120 * MINUTE)
    booked = make.examinations.book(session, make.person(session, make.Role.CANDIDATE), where, {}, NOON)
    if fits:
        assert service.check_in(session, booked, b"", NOON + minutes * MINUTE).state == State.CHECKING_IN
    else:
        with pytest.raises(rules.NotReady):
            service.check_in(session, booked, b"", NOON + minutes * MINUTE)


def test_begin_twice_starts_one_clock(session):
    attempt = make.attempt(session, multiplier="1.5")
    service.begin(session, attempt, "other", NOON + MINUTE)
    assert attempt.started_at == NOON
    assert attempt.deadline == NOON + timedelta(minutes=112, seconds=30)
    assert attempt.multiplier == Decimal("1.5")


def test_the_window_closing_does_not_shorten_a_started_test(session):
    attempt = make.attempt(session)
    attempt.window = make.Window(NOON - MINUTE, NOON + MINUTE)
    assert attempt.clock.left(NOON + 2 * MINUTE) == 73 * MINUTE


@pytest.mark.parametrize(
    ("silent_seconds", "mode", "held_after"),
    [(19, Mode.REMOTE, None), (20, Mode.REMOTE, 20), (300, Mode.REMOTE, 20), (300, Mode.FACILITY, None)],
)
def test_lost_contact_holds_from_the_instant_in_which_the_questions_were_covered(session, silent_seconds, mode, held_after):
    attempt = make.attempt(session, mode=mode)
    service.lose_contact(session, attempt, NOON + silent_seconds * SECOND)
    assert attempt.held_since == (None if held_after is None else NOON + held_after * SECOND)
    assert attempt.state == (State.IN_PROGRESS if held_after is None else State.PAUSED_TECHNICAL)


def test_forty_seconds_away_give_back_exactly_the_twenty_covered_ones(session):
    attempt = make.attempt(session)
    back = NOON + 40 * SECOND
    service.lose_contact(session, attempt, back)
    service.regain_contact(session, attempt, NOON + 20 * SECOND, SLACK, back)
    assert attempt.state == State.IN_PROGRESS
    assert attempt.given == 20 * SECOND
    assert attempt.deadline == NOON + 75 * MINUTE + 20 * SECOND


def test_a_computer_that_slept_gets_back_only_what_it_covered(session):
    attempt = make.attempt(session)
    back = NOON + 90 * SECOND
    service.lose_contact(session, attempt, back)
    service.regain_contact(session, attempt, back - SECOND, SLACK, back)
    assert attempt.given == SECOND


def test_a_page_that_covered_earlier_because_a_reply_was_lost_gets_that_too(session):
    attempt = make.attempt(session)
    back = NOON + 40 * SECOND
    service.lose_contact(session, attempt, back)
    service.regain_contact(session, attempt, NOON + 14 * SECOND, SLACK, back)
    assert attempt.given == 26 * SECOND


@pytest.mark.parametrize(("away_seconds", "expected"), [(120, State.IN_PROGRESS), (121, State.AWAITING_RESUME)])
def test_after_two_minutes_a_proctor_decides(session, away_seconds, expected):
    attempt = make.attempt(session)
    back = NOON + away_seconds * SECOND
    service.lose_contact(session, attempt, back)
    service.regain_contact(session, attempt, None, SLACK, back)
    assert attempt.state == expected
    # Until the proctor decides the clock goes on standing still.
    assert attempt.clock.left(back + MINUTE) == (
        75 * MINUTE - 20 * SECOND if expected is State.AWAITING_RESUME else attempt.clock.left(back + MINUTE)
    )


def test_beyond_ten_minutes_in_all_a_proctor_decides(session):
    attempt = make.attempt(session)
    now = NOON
    for _ in range(7):
        now += 110 * SECOND
        service.lose_contact(session, attempt, now)
        service.regain_contact(session, attempt, None, SLACK, now)
        attempt.contact.http_at = now
    assert attempt.state == State.AWAITING_RESUME
    assert service.automatic_so_far(session, attempt) == 6 * 90 * SECOND


def test_time_lost_to_our_own_fault_is_given_back_without_a_cap(session):
    attempt = make.attempt(session)
    back = NOON + 15 * MINUTE
    session.add(Outage(service="web", began_at=NOON + SECOND, ended_at=back - SECOND))
    service.lose_contact(session, attempt, back)
    service.regain_contact(session, attempt, NOON + 20 * SECOND, SLACK, back)
    assert attempt.state == State.IN_PROGRESS
    assert attempt.given == 15 * MINUTE - 20 * SECOND
    assert session.scalars(select(TimeEntry.cause)).all() == ["our_fault"]


def test_a_silence_of_ours_is_written_down_as_an_outage(session):
    service.beat(session, "web", NOON)
    service.beat(session, "web", NOON + 3 * SECOND)
    service.beat(session, "web", NOON + 60 * SECOND)
    outage = session.scalars(select(Outage)).one()
    assert (outage.began_at, outage.ended_at) == (NOON + 3 * SECOND, NOON + 60 * SECOND)


def test_contact_lost_in_the_last_seconds_ends_at_the_deadline(session):
    attempt = make.attempt(session)
    attempt.contact.http_at = NOON + 75 * MINUTE - 10 * SECOND
    later = NOON + 75 * MINUTE + 15 * SECOND
    assert not service.lose_contact(session, attempt, later)
    assert service.time_is_up(session, attempt, later)
    assert (attempt.state, attempt.submitted_at, attempt.submitted_by) == (State.SUBMITTED, NOON + 75 * MINUTE, "clock")


def test_a_paused_test_does_not_run_out(session):
    attempt = make.attempt(session, state=State.PAUSED_PROCTOR)
    assert not service.time_is_up(session, attempt, NOON + timedelta(hours=5))


def test_handing_in_twice_changes_nothing(session):
    attempt = make.attempt(session)
    assert service.submit(session, attempt, NOON + MINUTE)
    code = attempt.receipt_code
    assert not service.submit(session, attempt, NOON + 2 * MINUTE)
    assert (attempt.receipt_code, attempt.submitted_at) == (code, NOON + MINUTE)


def test_nobody_for_an_hour_closes_the_test_with_all_answers_kept(session):
    attempt = make.attempt(session)
    service.lose_contact(session, attempt, NOON + MINUTE)
    assert not service.abandon(session, attempt, NOON + 59 * MINUTE)
    assert service.abandon(session, attempt, NOON + 60 * MINUTE)
    assert attempt.state == State.ABANDONED
    assert attempt.digest


def test_a_second_device_waits_for_a_proctor_with_the_clock_standing_still(session):
    attempt = make.attempt(session)
    service.take_over(session, attempt, "another-browser", NOON + MINUTE)
    assert (attempt.state, attempt.epoch) == (State.AWAITING_RESUME, 2)
    service.take_over(session, attempt, "another-browser", NOON + 2 * MINUTE)
    assert attempt.epoch == 2
    assert attempt.clock.left(NOON + 30 * MINUTE) == 74 * MINUTE


def test_every_move_leaves_a_line_in_the_trail_without_names_or_answers(session):
    attempt = make.attempt(session)
    service.submit(session, attempt, NOON)
    entries = session.scalars(select(AuditEntry).where(AuditEntry.object == f"attempt:{attempt.id}")).all()
    assert [entry.act for entry in entries][-2:] == ["attempt.begin", "attempt.submit"]
    assert attempt.person.name not in " ".join(str(entry.facts) for entry in entries)


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_a_message_has_between_one_and_five_hundred_characters(session, text):
    attempt = make.attempt(session)
    with pytest.raises(service.EmptyMessage):
        service.write_message(session, attempt, "candidate", 1, text, NOON)


@pytest.mark.parametrize(("days", "kept"), [(29, True), (30, False)])
def test_a_check_in_photo_is_destroyed_when_its_promised_time_is_over(session, tmp_path, days, kept):
    vault = Vault(b"k" * 32, Folder(tmp_path))
    attempt = make.attempt(session)
    bulletin = attempt.session.administration.examination.bulletin
    bulletin.content = {**bulletin.content, "consents": [{"kind": "face_photo", "keep_days": 30}]}
    vault.put(vault.new_key(), "attempts/1/photo", b"picture")
    step = session.get(CheckInStep, (attempt.id, Step.PHOTO))
    step.facts = {"object": "attempts/1/photo", "sha256": "ab"}
    attempt.admitted_at = NOON
    session.flush()
    jobs.destroy_old_photos(session, vault, NOON + timedelta(days=days))
    assert (tmp_path / "attempts/1/photo").exists() == kept
    assert ("object" in step.facts) == kept
