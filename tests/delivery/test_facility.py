"""A room of a City facility: seats, people who did not come, the code on the board, another workstation."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.models import SignIn
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import Event
from testing_platform.delivery import facility, jobs, rules, service
from testing_platform.delivery.models import Attempt, NoShow, Seating, StartCode, TakeOverCode
from testing_platform.delivery.rules import State
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Appointment
from testing_platform.examinations.rules import RoomFull, Window
from testing_platform.proctor import room_service
from testing_platform.settings import Settings
from tests import make
from tests.make import NOON

SECRET = b"a secret of the tests"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def room(session):
    return make.room(session, seats=4)


@pytest.fixture
def proctor(session, room):
    return make.proctor(session, room, Role.FACILITY_PROCTOR)


def sign_in(session, person, now=NOON):
    token = accounts.sign_in(session, SECRET, person, Area.PROCTOR, "password", now)
    session.flush()
    found = accounts.find_sign_in(session, SECRET, token, Area.PROCTOR, now)
    assert found is not None
    return found


def board(session, room, person, now=NOON):
    """What stands on the board after this proctor signed in."""
    found = sign_in(session, person, now)
    facility.issue_start_code(session, SECRET, room, found, now)
    return facility.start_code(SECRET, room.id, found.id), found


def begun(session, room, proctor, seat=1, device="workstation-1", now=NOON):
    attempt = make.seated(session, room, seat, proctor, now)
    service.begin(session, attempt, device, now)
    session.flush()
    return attempt


def found(session, attempt, code, now=NOON):
    return facility.find_seated(session, SECRET, attempt.person.candidate_number, code, now)


# ---------------------------------------------------------------- seats


def test_checking_in_at_the_desk_lets_in_without_camera_consent_or_photo(session, room, proctor):
    attempt = make.seated(session, room, 3, proctor)
    assert attempt.state == State.ADMITTED
    assert attempt.started_at is None
    row = facility.seating_of(session, attempt.appointment_id)
    assert (row.seat, row.identity, row.seated_by_id) == (3, "passport", proctor.id)
    assert "room.seated" in set(session.scalars(select(Event.kind)))
    session.flush()
    assert "room.seated" in set(session.scalars(select(AuditEntry.act)))


@pytest.mark.parametrize(
    ("identity", "note", "kept"),
    [
        ("city_badge", "", "city_badge"),
        ("driver_licence", "ignored", "driver_licence"),
        ("other", " tribal  ID ", "other: tribal ID"),
        ("other", "", None),
        ("library_card", "", None),
        ("", "", None),
    ],
)
def test_what_was_looked_at_is_from_the_list_and_another_document_is_named(identity, note, kept):
    if kept is None:
        with pytest.raises(rules.NotOnTheList):
            rules.check_identity(identity, note)
    else:
        assert rules.check_identity(identity, note) == kept


def test_a_taken_seat_is_refused_with_the_name_of_who_sits_there(session, room, proctor):
    first = make.seated(session, room, 2, proctor, name="Ada First")
    appointment = make.booked(session, room)
    with pytest.raises(rules.SeatTaken) as refusal:
        facility.seat(session, appointment, 2, "passport", "", proctor, lambda: b"key", NOON)
    assert refusal.value.facts == {"seat": 2, "name": "Ada First"}
    assert facility.seating_of(session, first.appointment_id).seat == 2


@pytest.mark.parametrize("seat", [0, -1, 5, 1000])
def test_a_room_has_the_seats_it_has(session, room, proctor, seat):
    with pytest.raises(rules.NoSuchSeat):
        facility.seat(session, make.booked(session, room), seat, "passport", "", proctor, lambda: b"key", NOON)


def test_the_index_alone_refuses_two_on_one_seat(session, room, proctor):
    """Should two look at the same instant, and both see it free."""
    attempt = make.seated(session, room, 1, proctor)
    other = make.booked(session, room)
    row = {"session_id": room.id, "seat": 1, "identity": "passport", "seated_by_id": proctor.id, "seated_at": NOON}
    for values in ({**row, "appointment_id": other.id}, {**row, "appointment_id": attempt.appointment_id, "seat": 2}):
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(insert(Seating).values(values))


@pytest.mark.both
def test_two_proctors_seat_two_people_on_one_seat_at_once_and_one_is_refused(db):
    now = clock.now()
    with db.write() as session:
        room = make.room(session, now)
        people = [make.proctor(session, room, Role.FACILITY_PROCTOR, now).id for _ in range(2)]
        wanted = [make.booked(session, room, now).id for _ in range(2)]
    outcomes = []
    together = threading.Barrier(2)

    def press(person_id, appointment_id):
        together.wait()
        try:
            with db.write() as session:
                appointment = session.get_one(Appointment, appointment_id)
                facility.seat(session, appointment, 7, "passport", "", session.get_one(make.Person, person_id), lambda: b"key", now)
            outcomes.append("seated")
        except rules.SeatTaken:
            outcomes.append("taken")

    threads = [threading.Thread(target=press, args=pair) for pair in zip(people, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["seated", "taken"]
    with db.read() as session:
        assert [row.seat for row in session.scalars(select(Seating))] == [7]
        # Who was refused has no half of an attempt.
        assert len(session.scalars(select(Attempt)).unique().all()) == 1


@effort(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=12))
def test_whatever_is_asked_nobody_shares_a_seat_and_nobody_has_two(shared_room, wishes):
    session, room, proctor, people = shared_room
    with session.begin_nested() as undo:
        for who, seat in wishes:
            try:
                with session.begin_nested():
                    if facility.seating_of(session, people[who].id) is None:
                        facility.seat(session, people[who], seat, "passport", "", proctor, lambda: b"key", NOON)
                    else:
                        facility.change_seat(session, people[who], seat, proctor, NOON)
            except rules.SeatTaken:
                pass
        standing = facility.seatings(session, room.id)
        assert len({row.seat for row in standing}) == len({row.appointment_id for row in standing}) == len(standing)
        undo.rollback()


@pytest.fixture
def shared_room(session, room, proctor):
    return session, room, proctor, [make.booked(session, room) for _ in range(4)]


def test_moving_to_another_seat_keeps_where_one_sat_before(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    facility.change_seat(session, attempt.appointment, 4, proctor, NOON + MINUTE)
    rows = facility.seatings(session, room.id, now_only=False)
    assert [(row.seat, row.left_at) for row in rows] == [(1, NOON + MINUTE), (4, None)]
    make.seated(session, room, 1, proctor, NOON + MINUTE)


def test_a_move_to_a_taken_seat_leaves_both_where_they_sit(session, room, proctor):
    one, two = make.seated(session, room, 1, proctor), make.seated(session, room, 2, proctor)
    with pytest.raises(rules.SeatTaken):
        facility.change_seat(session, one.appointment, 2, proctor, NOON)
    assert [facility.seating_of(session, a.appointment_id).seat for a in (one, two)] == [1, 2]


def test_a_room_is_booked_to_its_last_seat_and_not_beyond(session, room):
    for _ in range(4):
        booked = make.booked(session, room)
    with pytest.raises(RoomFull) as refusal:
        make.booked(session, room)
    assert refusal.value.facts == {"seats": 4}
    booked.state = "cancelled"
    session.flush()
    make.booked(session, room)


def test_the_desk_opens_half_an_hour_before_the_session(session, room, proctor):
    appointment = make.booked(session, room)
    early = room.window.opens_at - timedelta(minutes=31)
    with pytest.raises(rules.NotReady):
        facility.seat(session, appointment, 1, "passport", "", proctor, lambda: b"key", early)
    assert facility.seat(session, appointment, 1, "passport", "", proctor, lambda: b"key", early + MINUTE)


# ---------------------------------------------------------------- no-shows


def test_a_no_show_has_a_reason_from_the_list_and_frees_the_seat(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    with pytest.raises(rules.NotOnTheList):
        facility.record_no_show(session, attempt.appointment, "overslept", "", proctor, NOON)
    facility.record_no_show(session, attempt.appointment, "left_before_start", "Felt ill.", proctor, NOON)
    assert facility.seating_of(session, attempt.appointment_id) is None
    make.seated(session, room, 1, proctor)
    with pytest.raises(rules.NotSeated):
        facility.check_begin(session, attempt, facility.WORKSTATION, NOON)


def test_who_has_begun_is_no_no_show(session, room, proctor):
    attempt = begun(session, room, proctor)
    with pytest.raises(rules.NotNow):
        facility.record_no_show(session, attempt.appointment, "did_not_come", "", proctor, NOON)


def test_a_no_show_is_checked_in_only_after_it_was_taken_back_and_the_row_stays(session, room, proctor):
    appointment = make.booked(session, room)
    facility.record_no_show(session, appointment, "late", "", proctor, NOON)
    with pytest.raises(rules.NotNow):
        facility.seat(session, appointment, 1, "passport", "", proctor, lambda: b"key", NOON)
    facility.take_back_no_show(session, appointment, proctor, NOON + MINUTE)
    facility.seat(session, appointment, 1, "passport", "", proctor, lambda: b"key", NOON + MINUTE)
    row = session.scalars(select(NoShow)).one()
    assert (row.reason, row.reversed_by_id, row.reversed_at) == ("late", proctor.id, NOON + MINUTE)


CLOSES = NOON + timedelta(hours=8)


def test_when_the_window_closes_who_has_not_checked_in_is_a_no_show_and_nobody_else(session, room, proctor):
    expected, seated, recorded = make.booked(session, room), make.seated(session, room, 1, proctor), make.booked(session, room)
    facility.record_no_show(session, recorded, "late", "", proctor, NOON)
    at_home = make.booked(session, make.place(session))
    settings = Settings(data=Path("unused"))
    assert not jobs.anything_due(session, CLOSES - timedelta(milliseconds=1))
    assert jobs.anything_due(session, CLOSES)
    assert jobs.sweep(session, settings, CLOSES)["no_shows"] == 2
    assert facility.no_show_of(session, seated.appointment_id) is None
    for appointment in (expected, at_home):
        row = facility.no_show_of(session, appointment.id)
        assert (row.reason, row.recorded_by_id, row.recorded_at) == ("did_not_come", None, CLOSES)
    assert facility.no_show_of(session, recorded.id).recorded_by_id == proctor.id
    told = session.scalars(select(AuditEntry).where(AuditEntry.act == "room.no_show").order_by(AuditEntry.id)).all()
    assert [entry.actor_id for entry in told] == [proctor.id, None, None]


def test_the_clock_writes_no_show_once_and_again_only_after_a_later_close(session, room, proctor):
    appointment = make.booked(session, room)
    assert [row.appointment_id for row in facility.close(session, room, CLOSES)] == [appointment.id]
    assert list(session.scalars(facility.to_close(CLOSES + MINUTE))) == []
    facility.take_back_no_show(session, appointment, proctor, CLOSES + MINUTE)
    assert list(session.scalars(facility.to_close(CLOSES + MINUTE))) == []
    room.window = Window(room.window.opens_at, CLOSES + 5 * MINUTE)
    session.flush()
    assert list(session.scalars(facility.to_close(CLOSES + 2 * MINUTE))) == []
    assert [place.id for place in session.scalars(facility.to_close(CLOSES + 5 * MINUTE)).unique()] == [room.id]
    assert [row.appointment_id for row in facility.close(session, room, CLOSES + 5 * MINUTE)] == [appointment.id]


def test_a_seat_is_freed_for_another_once_the_test_is_over(session, room, proctor):
    attempt = begun(session, room, proctor)
    with pytest.raises(rules.NotNow):
        facility.free_seat(session, attempt.appointment, proctor, NOON)
    service.submit(session, attempt, NOON + MINUTE)
    other = make.booked(session, room)
    with pytest.raises(rules.SeatTaken):
        facility.seat(session, other, 1, "passport", "", proctor, lambda: b"key", NOON + MINUTE)
    facility.free_seat(session, attempt.appointment, proctor, NOON + 2 * MINUTE)
    facility.seat(session, other, 1, "passport", "", proctor, lambda: b"key", NOON + 2 * MINUTE)
    with pytest.raises(rules.NotSeated):
        facility.free_seat(session, attempt.appointment, proctor, NOON + 3 * MINUTE)
    first, second = facility.seatings(session, room.id, now_only=False)
    assert (first.left_at, second.left_at, first.seat, second.seat) == (NOON + 2 * MINUTE, None, 1, 1)


# ---------------------------------------------------------------- the code on the board


def test_the_code_is_six_letters_that_are_read_across_a_room_and_is_stored_nowhere(session, room, proctor):
    code, _ = board(session, room, proctor)
    assert len(code) == 6
    assert set(code) <= set("CDFHJKLMPQRTVWXY")
    assert rules.spaced(code) == f"{code[:3]} {code[3:]}"
    row = session.scalars(select(StartCode)).one()
    assert code not in f"{row.code_hash}"
    assert all(code not in str(entry.facts) for entry in session.scalars(select(AuditEntry)))
    assert all(code not in str(event.facts) for event in session.scalars(select(Event)))


def test_each_sign_in_has_its_own_code_and_signing_out_ends_it_at_once(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    first, sign_in_row = board(session, room, proctor)
    second, _ = board(session, room, proctor)
    assert first != second
    assert found(session, attempt, first).attempt is attempt
    accounts.sign_out(session, sign_in_row, NOON)
    session.flush()
    with pytest.raises(rules.WrongStartCode):
        found(session, attempt, first)
    assert found(session, attempt, second).seat == 1


def test_a_code_ends_with_the_hours_of_its_sign_in_and_with_the_assignment(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    code, row = board(session, room, proctor)
    with pytest.raises(rules.WrongStartCode):
        found(session, attempt, code, row.expires_at)
    assignment = session.get(examinations.ProctorAssignment, (room.id, proctor.id))
    assignment.ended_at = NOON
    session.flush()
    with pytest.raises(rules.WrongStartCode):
        found(session, attempt, code)


def test_a_code_opens_its_own_room_alone(session, room, proctor):
    code, _ = board(session, room, proctor)
    elsewhere = make.room(session)
    there = make.seated(session, elsewhere, 1, make.proctor(session, elsewhere, Role.FACILITY_PROCTOR))
    with pytest.raises(rules.NotOnRoster):
        found(session, there, code)


@pytest.mark.parametrize("typed", ["{n}", "{plain}", " {lower} "])
@pytest.mark.parametrize("how", ["{c}", "{spaced}", "{low}"])
def test_number_and_code_may_be_typed_with_or_without_dashes_spaces_and_case(session, room, proctor, typed, how):
    attempt = make.seated(session, room, 1, proctor)
    code, _ = board(session, room, proctor)
    number = attempt.person.candidate_number
    typed = typed.format(n=number, plain=number.replace("-", ""), lower=number.lower())
    how = how.format(c=code, spaced=rules.spaced(code), low=code.lower())
    assert facility.find_seated(session, SECRET, typed, how, NOON).attempt is attempt


def test_the_admission_code_stands_for_the_number(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    code, _ = board(session, room, proctor)
    admission = accounts.issue_admission_code(session, SECRET, attempt.person, NOON, NOON + timedelta(hours=4))
    session.flush()
    assert facility.find_seated(session, SECRET, admission, code, NOON).attempt is attempt


def test_who_was_not_at_the_desk_is_sent_there(session, room, proctor):
    code, _ = board(session, room, proctor)
    expected = make.booked(session, room)
    with pytest.raises(rules.NotSeated):
        facility.find_seated(session, SECRET, expected.person.candidate_number, code, NOON)


def test_without_the_code_nobody_learns_which_numbers_exist(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    board(session, room, proctor)
    for number in (attempt.person.candidate_number, "C-99999", ""):
        with pytest.raises(rules.WrongStartCode):
            facility.find_seated(session, SECRET, number, "CCCCCC", NOON)


@pytest.mark.parametrize(
    ("way", "proctor_here", "paused", "refusal"),
    [
        ("workstation", True, False, None),
        ("link", True, False, rules.AtTheFacility),
        ("code", True, False, rules.AtTheFacility),
        ("workstation", False, False, rules.NoProctorHere),
        ("workstation", True, True, rules.RoomPaused),
    ],
)
def test_a_clock_starts_in_the_room_with_a_proctor_while_it_is_not_paused(session, room, proctor, way, proctor_here, paused, refusal):
    attempt = make.seated(session, room, 1, proctor)
    if proctor_here:
        board(session, room, proctor)
    if paused:
        room_service.pause_room(session, room, "emergency", "", proctor, NOON)
    if refusal is None:
        facility.check_begin(session, attempt, way, NOON)
        return
    with pytest.raises(refusal):
        facility.check_begin(session, attempt, way, NOON)
    if paused:
        room_service.resume_room(session, room, proctor, NOON)
        facility.check_begin(session, attempt, way, NOON)


# ---------------------------------------------------------------- another workstation


def issue(session, attempt, proctor, now=NOON):
    return facility.take_over_code(SECRET, facility.issue_take_over(session, SECRET, attempt, proctor, now))


def test_the_test_goes_on_at_another_workstation_with_its_clock_running_and_an_epoch_more(session, room, proctor):
    attempt = begun(session, room, proctor)
    deadline = attempt.deadline
    later = NOON + 3 * MINUTE
    code = issue(session, attempt, proctor, later)
    assert len(code) == 8
    row = facility.find_take_over(session, SECRET, attempt.person.candidate_number, code, later)
    facility.take_over(session, row, "workstation-2", later)
    assert (attempt.state, attempt.epoch, attempt.device, attempt.deadline) == (State.IN_PROGRESS, 2, "workstation-2", deadline)
    event = session.scalars(select(Event).where(Event.kind == "room.taken_over")).one()
    # What the workstation cost is measured from its last sign of life.
    assert event.facts == {"epoch": 2, "silent_seconds": 180}
    assert attempt.contact.http_at == later


def test_a_code_for_another_workstation_works_once_for_ten_minutes_and_for_one_person(session, room, proctor):
    attempt, other = begun(session, room, proctor), begun(session, room, proctor, 2, "workstation-9")
    number = attempt.person.candidate_number
    code = issue(session, attempt, proctor)

    def refused(number, code, now=NOON):
        with pytest.raises(rules.WrongTakeOverCode):
            facility.find_take_over(session, SECRET, number, code, now)

    refused(other.person.candidate_number, code)
    refused(number, "CCCCCCCC")
    refused(number, code, NOON + 10 * MINUTE)
    newer = issue(session, attempt, proctor, NOON + MINUTE)
    refused(number, code, NOON + MINUTE)
    row = facility.find_take_over(session, SECRET, number, newer, NOON + 2 * MINUTE)
    facility.take_over(session, row, "workstation-2", NOON + 2 * MINUTE)
    refused(number, newer, NOON + 2 * MINUTE)
    assert newer not in "".join(session.scalars(select(TakeOverCode.code_hash)))


def test_a_test_that_has_not_begun_or_is_over_needs_no_code(session, room, proctor):
    attempt = make.seated(session, room, 1, proctor)
    with pytest.raises(rules.NotNow):
        issue(session, attempt, proctor)
    service.begin(session, attempt, "workstation-1", NOON)
    service.submit(session, attempt, NOON)
    with pytest.raises(rules.NotNow):
        issue(session, attempt, proctor)


def test_a_paused_test_that_moves_stays_paused(session, room, proctor):
    attempt = begun(session, room, proctor)
    room_service.pause_room(session, room, "technical", "", proctor, NOON)
    code = issue(session, attempt, proctor)
    facility.take_over(
        session, facility.find_take_over(session, SECRET, attempt.person.candidate_number, code, NOON), "workstation-2", NOON
    )
    assert attempt.state == State.PAUSED_PROCTOR
    assert attempt.held_since == NOON


def test_who_leaves_the_room_and_comes_back_stands_in_the_log_and_the_clock_goes_on(session, room, proctor):
    attempt = begun(session, room, proctor)
    deadline = attempt.deadline
    facility.leave_room(session, attempt.appointment, True, proctor, NOON)
    facility.leave_room(session, attempt.appointment, True, proctor, NOON + MINUTE)
    session.flush()
    assert facility.out_since(session, attempt.id) == NOON
    facility.leave_room(session, attempt.appointment, False, proctor, NOON + 2 * MINUTE)
    session.flush()
    assert facility.out_since(session, attempt.id) is None
    kinds = list(session.scalars(select(Event.kind).where(Event.kind.in_(("room.left", "room.back"))).order_by(Event.id)))
    assert kinds == ["room.left", "room.back"]
    assert attempt.deadline == deadline


def test_a_silent_workstation_is_not_held_by_itself(session, room, proctor):
    attempt = begun(session, room, proctor)
    assert not service.lose_contact(session, attempt, NOON + 30 * MINUTE)
    assert service.silent(session, NOON + 30 * MINUTE) == []


def test_a_choice_that_the_bulletin_asks_in_the_room_is_made_at_the_workstation_and_leads_on(session, room, proctor):
    bulletin = room.administration.examination.bulletin
    text = {**make.CONSENTS[1], "modes": ["facility"], "kind": "room_text"}
    bulletin.content = {**bulletin.content, "consents": [*make.CONSENTS, text]}
    attempt = make.seated(session, room, 1, proctor)
    assert attempt.state == State.CHECKING_IN
    service.keep_consents(
        session, attempt, facility.texts_for(bulletin.content["consents"], "facility"), {"room_text": "allow"}, "en", NOON
    )
    facility.let_in(session, attempt, NOON)
    assert attempt.state == State.ADMITTED
    assert service.consent_choices(session, attempt.id) == {"room_text": "allow"}


# ---------------------------------------------------------------- over HTTP


class Desk:
    """A room that is open now, through the pages."""

    def __init__(self, db, visit):
        now = clock.now()
        with db.write() as session:
            self.room = make.room(session, now)
            self.proctor = make.proctor(session, self.room, Role.FACILITY_PROCTOR, now)
            self.attempt = make.seated(session, self.room, 7, self.proctor, now, name="Wanda Workstation")
            self.expected = make.booked(session, self.room, now).person.candidate_number
            self.number = self.attempt.person.candidate_number
            self.person = self.attempt.person
        self.base = f"/proctor/rooms/{self.room.id}"
        self.at_desk = visit(self.proctor, Area.PROCTOR)
        self.at_desk.post(f"{self.base}/code")

    def code(self, db, settings):
        with db.read() as session:
            row = session.scalars(select(StartCode).join(SignIn).where(SignIn.ended_at.is_(None)).order_by(StartCode.id.desc())).first()
            return facility.start_code(settings.secret, self.room.id, row.sign_in_id)


@pytest.fixture
def desk(db, visit):
    return Desk(db, visit)


def sit(visitor, number, code):
    return visitor.post("/candidate/workstation", {"number": number, "code": code})


def test_from_the_code_to_the_question_at_a_workstation(app, db, visit, desk, settings):
    here = visit()
    reply = sit(here, desk.number, desk.code(db, settings))
    assert reply.headers["Location"] == f"/candidate/workstation/{desk.attempt.id}"
    page = here.get(reply.headers["Location"]).get_data(as_text=True)
    assert "You are Wanda Workstation, seat 7. Is this you?" in page
    assert here.get(f"/candidate/attempts/{desk.attempt.id}/rules").status_code == 200
    assert here.post(f"/candidate/attempts/{desk.attempt.id}/begin").headers["Location"].endswith("/test")
    test = here.get(f"/candidate/attempts/{desk.attempt.id}/test").get_data(as_text=True)
    assert "What does I-1 ask?" in test
    assert '"media": false' in test
    assert "camera-help" not in test


@pytest.mark.parametrize(
    ("number", "code", "status", "words"),
    [
        ("right", "CCCCCC", 422, "ask the proctor for the code on the board"),
        ("C-00000", "right", 422, "We do not find this number in this room"),
        ("expected", "right", 409, "go to the proctor’s desk first"),
    ],
)
def test_what_is_wrong_at_the_workstation_is_said_and_what_to_do(db, visit, desk, settings, number, code, status, words):
    number = {"right": desk.number, "expected": desk.expected}.get(number, number)
    reply = sit(visit(), number, desk.code(db, settings) if code == "right" else code)
    assert reply.status_code == status
    assert words in reply.get_data(as_text=True)


def test_one_who_mistypes_waits_and_the_room_behind_the_same_address_goes_on(db, visit, desk, settings):
    here = visit()
    assert [sit(here, desk.number, "CCCCCC").status_code for _ in range(7)] == [422] * 6 + [429]
    # The right code does not help any more for this number, another number is not in the way of it.
    assert sit(here, desk.number, desk.code(db, settings)).status_code == 429
    assert sit(here, desk.expected, desk.code(db, settings)).status_code == 409


def test_the_board_is_dark_for_the_next_sign_in_after_the_proctor_went(db, visit, desk, settings):
    code = desk.code(db, settings)
    assert rules.spaced(code) in desk.at_desk.get(f"{desk.base}/board").get_data(as_text=True)
    desk.at_desk.post("/proctor/sign-out")
    assert sit(visit(), desk.number, code).status_code == 422
    again = visit(desk.proctor, Area.PROCTOR)
    assert code not in again.get(f"{desk.base}/board").get_data(as_text=True).replace(" ", "")


def test_at_home_the_card_says_where_to_come_and_what_to_bring_and_nothing_opens(db, visit, desk):
    home = visit(desk.person, Area.CANDIDATE)
    page = home.get("/candidate/").get_data(as_text=True)
    assert "200 Larkspur Avenue" in page
    assert "photo ID" in page
    assert desk.number in page
    assert "/check-in" not in page
    base = f"/candidate/attempts/{desk.attempt.id}"
    assert home.get(f"{base}/rules").headers["Location"] == "/candidate/"
    home.post(f"{base}/begin")
    assert home.post(f"/candidate/appointments/{desk.attempt.appointment_id}/check-in").status_code == 409
    with db.read() as session:
        assert session.get_one(Attempt, desk.attempt.id).started_at is None


def test_a_test_is_carried_to_another_workstation_by_code_alone(app, db, visit, desk, settings):
    one, two = visit(), visit()
    code = desk.code(db, settings)
    base = f"/candidate/attempts/{desk.attempt.id}"
    sit(one, desk.number, code)
    one.post(f"{base}/begin")
    # A neighbour with the number and the code on the board gets no question to see.
    sit(two, desk.number, code)
    page = two.get(f"{base}/test").get_data(as_text=True)
    assert "What does I-1 ask?" not in page
    assert "raise your hand" in page
    assert two.post(f"{base}/take-over").status_code == 422
    reply = desk.at_desk.post(f"{desk.base}/people/{desk.attempt.appointment_id}/take-over", {"seat": "12"})
    page = desk.at_desk.get(reply.headers["Location"]).get_data(as_text=True)
    letters = page.split('take-over__letters">')[1].split("<")[0]
    assert "seat 12" in page
    wrong = two.post("/candidate/workstation/move", {"number": desk.number, "code": "CCCCCCCC"})
    assert "ask the proctor for a new one" in wrong.get_data(as_text=True)
    moved = two.post("/candidate/workstation/move", {"number": desk.number, "code": letters})
    assert moved.headers["Location"] == f"{base}/test"
    assert "What does I-1 ask?" in two.get(f"{base}/test").get_data(as_text=True)
    assert "What does I-1 ask?" not in one.get(f"{base}/test").get_data(as_text=True)


def test_leaving_the_workstation_signs_out(db, visit, desk, settings):
    here = visit()
    sit(here, desk.number, desk.code(db, settings))
    assert here.post("/candidate/workstation/leave").headers["Location"] == "/candidate/workstation"
    assert here.get("/candidate/").status_code == 302
