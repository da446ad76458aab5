"""The room's proctor: everyone paused at once, reports, no-shows taken back, and the pages for it."""

import re
import threading
import time
import uuid
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from testing_platform import clock, errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.bus import Event
from testing_platform.delivery import facility, service
from testing_platform.delivery.models import Attempt, NoShow, TimeEntry
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import TestSession
from testing_platform.proctor import room_queries, room_rules, room_service
from testing_platform.proctor import service as acts
from testing_platform.proctor.models import Irregularity, RoomPause
from testing_platform.proctor.rules import Act
from tests import make
from tests.make import NOON

MINUTE = timedelta(minutes=1)


@pytest.fixture
def room(session):
    return make.room(session)


@pytest.fixture
def proctor(session, room):
    return make.proctor(session, room, Role.FACILITY_PROCTOR)


@pytest.fixture
def lead(session, room):
    return make.proctor(session, room, Role.LEAD_PROCTOR)


def begun(session, room, proctor, seat, now=NOON):
    attempt = make.seated(session, room, seat, proctor, now)
    service.begin(session, attempt, f"workstation-{seat}", now)
    session.flush()
    return attempt


def do(session, attempt, person, act, now, **more):
    acts.do(session, attempt, person, acts.Asked(act, attempt.version, str(uuid.uuid4()), **more), now)


# ---------------------------------------------------------------- one press for the whole room


def test_a_pause_of_the_room_stops_every_clock_at_one_instant_and_gives_exactly_that_span_back(session, room, proctor):
    people = [begun(session, room, proctor, seat) for seat in (1, 2, 3)]
    deadlines = [attempt.deadline for attempt in people]
    row = room_service.pause_room(session, room, "emergency", "Fire drill.", proctor, NOON + MINUTE)
    assert row.attempts == [attempt.id for attempt in people]
    assert {(attempt.state, attempt.held_since) for attempt in people} == {(State.PAUSED_PROCTOR, NOON + MINUTE)}
    assert {service.running_hold(session, attempt).reason for attempt in people} == {"Fire drill."}
    back = NOON + MINUTE + timedelta(seconds=754, milliseconds=321)
    room_service.resume_room(session, room, proctor, back)
    assert {attempt.state for attempt in people} == {State.IN_PROGRESS}
    assert [attempt.deadline - before for attempt, before in zip(people, deadlines, strict=True)] == [
        timedelta(seconds=754, milliseconds=321)
    ] * 3
    assert {entry.cause for entry in session.scalars(select(TimeEntry))} == {"room"}


def test_who_was_paused_alone_stays_paused_when_the_room_goes_on(session, room, proctor):
    alone, others = begun(session, room, proctor, 1), begun(session, room, proctor, 2)
    do(session, alone, proctor, Act.PAUSE, NOON + MINUTE, category="illness")
    row = room_service.pause_room(session, room, "noise", "", proctor, NOON + 2 * MINUTE)
    assert row.attempts == [others.id]
    room_service.resume_room(session, room, proctor, NOON + 5 * MINUTE)
    assert (alone.state, others.state) == (State.PAUSED_PROCTOR, State.IN_PROGRESS)
    assert alone.held_since == NOON + MINUTE
    do(session, alone, proctor, Act.RESUME, NOON + 6 * MINUTE)
    assert alone.given == 5 * MINUTE


def test_who_was_let_go_on_and_paused_again_during_the_pause_stays_paused(session, room, proctor):
    attempt = begun(session, room, proctor, 1)
    room_service.pause_room(session, room, "noise", "", proctor, NOON + MINUTE)
    do(session, attempt, proctor, Act.RESUME, NOON + 2 * MINUTE)
    do(session, attempt, proctor, Act.PAUSE, NOON + 3 * MINUTE, category="illness")
    room_service.resume_room(session, room, proctor, NOON + 4 * MINUTE)
    assert attempt.state == State.PAUSED_PROCTOR


def test_who_is_not_testing_is_not_touched(session, room, proctor):
    seated = make.seated(session, room, 1, proctor)
    done = begun(session, room, proctor, 2)
    service.submit(session, done, NOON)
    elsewhere = make.attempt(session, where=make.place(session))
    at_home = make.attempt(session, where=make.room(session))
    room_service.pause_room(session, room, "noise", "", proctor, NOON)
    assert [seated.state, done.state, elsewhere.state, at_home.state] == [
        State.ADMITTED,
        State.SUBMITTED,
        State.IN_PROGRESS,
        State.IN_PROGRESS,
    ]


def test_a_pause_after_the_end_gives_nobody_minutes_that_were_over(session, room, proctor):
    late = begun(session, room, proctor, 1)
    row = room_service.pause_room(session, room, "noise", "", proctor, late.deadline + timedelta(seconds=1))
    assert row.attempts == []
    assert late.held_since is None


def test_a_second_pause_and_a_second_go_on_are_refused(session, room, proctor):
    with pytest.raises(room_rules.RoomNotPaused):
        room_service.resume_room(session, room, proctor, NOON)
    room_service.pause_room(session, room, "noise", "", proctor, NOON)
    with pytest.raises(room_rules.RoomPausedAlready):
        room_service.pause_room(session, room, "noise", "", proctor, NOON)
    room_service.resume_room(session, room, proctor, NOON)
    with pytest.raises(room_rules.RoomNotPaused):
        room_service.resume_room(session, room, proctor, NOON)
    assert len(session.scalars(select(RoomPause)).all()) == 1


def test_a_pause_needs_a_reason_from_the_list_and_stands_in_the_trail(session, room, proctor):
    with pytest.raises(room_rules.IncompleteReport):
        room_service.pause_room(session, room, "boredom", "", proctor, NOON)
    room_service.pause_room(session, room, "building", "", proctor, NOON)
    room_service.resume_room(session, room, proctor, NOON)
    session.flush()
    assert [entry.act for entry in session.scalars(select(AuditEntry).where(AuditEntry.object == f"session:{room.id}"))][-2:] == [
        "room.paused",
        "room.resumed",
    ]


def test_time_is_given_by_the_same_limits_as_at_home(session, room, proctor, lead):
    attempt = begun(session, room, proctor, 1)
    do(session, attempt, proctor, Act.GIVE_TIME, NOON, category="our_fault", minutes=10)
    with pytest.raises(errors.Refusal) as refusal:
        do(session, attempt, proctor, Act.GIVE_TIME, NOON, category="our_fault", minutes=1)
    assert refusal.value.code == "over-the-limit"
    do(session, attempt, lead, Act.GIVE_TIME, NOON, category="our_fault", minutes=50)
    assert attempt.given == 60 * MINUTE


# ---------------------------------------------------------------- what a workstation cost


def test_the_silence_of_a_workstation_is_measured_and_offered_once(session, room, proctor):
    attempt = begun(session, room, proctor, 1)
    assert room_queries.lost(session, attempt, NOON + timedelta(seconds=19)) is None
    silent = room_queries.lost(session, attempt, NOON + timedelta(seconds=150))
    assert (silent.minutes, silent.moved) == (3, False)
    row = facility.issue_take_over(session, b"secret", attempt, proctor, NOON + 3 * MINUTE)
    facility.take_over(session, row, "workstation-2", NOON + 4 * MINUTE)
    moved = room_queries.lost(session, attempt, NOON + 4 * MINUTE)
    assert (moved.minutes, moved.moved) == (4, True)
    do(session, attempt, proctor, Act.GIVE_TIME, NOON + 5 * MINUTE, category="our_fault", minutes=4)
    attempt.contact.http_at = NOON + 6 * MINUTE
    assert room_queries.lost(session, attempt, NOON + 6 * MINUTE) is None


def test_what_was_given_during_the_silence_is_not_offered_again(session, room, proctor):
    attempt = begun(session, room, proctor, 1)
    do(session, attempt, proctor, Act.GIVE_TIME, NOON + 2 * MINUTE, category="our_fault", minutes=2)
    assert room_queries.lost(session, attempt, NOON + 2 * MINUTE) is None
    assert room_queries.lost(session, attempt, NOON + 5 * MINUTE).minutes == 3


def test_the_span_of_a_pause_is_no_loss(session, room, proctor):
    attempt = begun(session, room, proctor, 1)
    room_service.pause_room(session, room, "noise", "", proctor, NOON)
    assert room_queries.lost(session, attempt, NOON + 10 * MINUTE) is None


# ---------------------------------------------------------------- reports and no-shows


def report(session, room, person, **changed):
    values = {"category": "technical", "kind": "freezing", "text": "Froze.", "began_at": NOON - MINUTE, "ended_at": None} | changed
    return room_service.report(session, room, values.pop("appointment", None), **values, person=person, now=NOON)


def test_a_report_about_a_candidate_is_linked_to_the_appointment_and_changes_no_test(session, room, proctor):
    attempt = begun(session, room, proctor, 1)
    version, state = attempt.version, attempt.state
    row = report(session, room, proctor, appointment=attempt.appointment)
    assert (row.appointment_id, row.filed_by_id) == (attempt.appointment_id, proctor.id)
    assert (attempt.version, attempt.state) == (version, state)
    # What was written stays out of the trail and of the other processes.
    session.flush()
    assert all("Froze" not in str(entry.facts) for entry in session.scalars(select(AuditEntry)))
    assert all("Froze" not in str(event.facts) for event in session.scalars(select(Event)))


def test_a_report_is_withdrawn_by_its_writer_or_a_lead_and_stays(session, room, proctor, lead):
    other = make.proctor(session, room, Role.FACILITY_PROCTOR)
    first, second = report(session, room, proctor), report(session, room, proctor)
    with pytest.raises(errors.Forbidden):
        room_service.withdraw(session, first, "Not mine.", other, NOON)
    with pytest.raises(room_rules.IncompleteReport):
        room_service.withdraw(session, first, "  ", proctor, NOON)
    room_service.withdraw(session, first, "Wrong seat.", proctor, NOON)
    room_service.withdraw(session, second, "Twice.", lead, NOON)
    rows = session.scalars(select(Irregularity).order_by(Irregularity.id)).all()
    assert [(row.text, row.withdrawn_reason, row.withdrawn_by_id) for row in rows] == [
        ("Froze.", "Wrong seat.", proctor.id),
        ("Froze.", "Twice.", lead.id),
    ]


def test_a_no_show_is_taken_back_by_a_lead_on_the_same_day(session, room, proctor, lead):
    appointment = make.booked(session, room)
    facility.record_no_show(session, appointment, "late", "", proctor, NOON)
    with pytest.raises(errors.Forbidden):
        room_service.take_back_no_show(session, appointment, proctor, NOON)
    with pytest.raises(room_rules.TooLateToTakeBack):
        room_service.take_back_no_show(session, appointment, lead, NOON + timedelta(days=1))
    room_service.take_back_no_show(session, appointment, lead, NOON + MINUTE)
    assert session.scalars(select(NoShow)).one().reversed_by_id == lead.id


def test_a_message_to_the_room_reaches_each_test_that_is_under_way_and_no_other(session, room, proctor):
    with pytest.raises(room_rules.NobodyTesting):
        room_service.tell_room(session, room, "Ten more minutes.", proctor, NOON)
    testing, paused, done = (begun(session, room, proctor, seat) for seat in (1, 2, 3))
    make.seated(session, room, 4, proctor)
    elsewhere = make.attempt(session, where=make.place(session))
    do(session, paused, proctor, Act.PAUSE, NOON, category="illness")
    service.submit(session, done, NOON)
    assert room_service.tell_room(session, room, " Please stay seated. ", proctor, NOON + MINUTE) == 2
    for attempt, texts in ((testing, ["Please stay seated."]), (paused, ["Please stay seated."]), (done, []), (elsewhere, [])):
        assert [message.text for message in service.messages_after(session, attempt.id, 0)] == texts
    with pytest.raises(service.EmptyMessage):
        room_service.tell_room(session, room, "  ", proctor, NOON)
    assert all("seated." not in str(entry.facts) for entry in session.scalars(select(AuditEntry)))


def test_the_seats_of_all_whose_test_is_over_are_freed_at_once(session, room, proctor):
    testing, one, two = (begun(session, room, proctor, seat) for seat in (1, 2, 3))
    for attempt in (one, two):
        service.submit(session, attempt, NOON)
    assert room_service.free_seats(session, room, proctor, NOON + MINUTE) == 2
    assert [row.appointment_id for row in facility.seatings(session, room.id)] == [testing.appointment_id]
    assert room_service.free_seats(session, room, proctor, NOON + MINUTE) == 0


def test_every_word_of_the_lists_is_found(app):
    with app.test_request_context():
        for category, kinds in room_rules.IRREGULARITIES.items():
            assert room_queries.category_words(category)
            assert all(room_queries.kind_words(category, kind) for kind in kinds)
        assert all(room_queries.standing_words(one)[0] for one in room_rules.Standing)
        assert len({room_queries.pause_words(one) for one in room_rules.PAUSE}) == len(room_rules.PAUSE)
        for one in ("city_badge", "driver_licence", "passport", "other"):
            assert room_queries.identity_words(one) != one
        for one in ("late", "wrong_id", "other_session", "left_before_start", "did_not_come"):
            assert room_queries.no_show_words(one) != one


# ---------------------------------------------------------------- the pages


class Room:
    def __init__(self, db, visit):
        self.now = clock.now()
        self.db = db
        with db.write() as session:
            self.place = make.room(session, self.now)
            self.proctor = make.proctor(session, self.place, Role.FACILITY_PROCTOR, self.now)
            self.lead = make.proctor(session, self.place, Role.LEAD_PROCTOR, self.now)
            self.testing = begun(session, self.place, self.proctor, 1, self.now)
            self.seated = make.seated(session, self.place, 2, self.proctor, self.now, name="Sela Seated", time_multiplier="1.5")
            self.expected = make.booked(session, self.place, self.now, name="Edda Éxpected").id
        self.base = f"/proctor/rooms/{self.place.id}"
        self.visitor = visit(self.proctor, Area.PROCTOR)
        self.visit = visit

    def page(self, path=""):
        return self.visitor.get(self.base + path).get_data(as_text=True)

    def post(self, path, **form):
        """The page to which the proctor comes back."""
        reply = self.visitor.post(self.base + path, form)
        assert reply.status_code == 303, reply.get_data(as_text=True)
        return self.visitor.get(reply.headers["Location"]).get_data(as_text=True)

    def attempt(self, attempt):
        with self.db.read() as session:
            return session.get_one(Attempt, attempt.id)


@pytest.fixture
def here(db, visit):
    return Room(db, visit)


def rows(page):
    """[(name, status), …] of the roster."""
    return re.findall(r'id="person-\d+"[^>]*>([^<]+)</a>.*?<span class="state[^"]*">([^<]+)<', page, re.S)


def test_the_roster_says_in_words_how_everyone_stands_and_what_was_approved(here):
    page = here.page()
    assert [status for name, status in rows(page) if name == "Edda Éxpected"] == ["expected"]
    assert sorted(status for _, status in rows(page)) == ["expected", "seated", "testing"]
    assert "time × 1.5" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=edda", ["Edda Éxpected"]),
        ("?q=EXPECTED", ["Edda Éxpected"]),
        ("?show=seated", ["Sela Seated"]),
        ("?q=sela&show=testing", []),
        ("?show=nonsense&q=sel", ["Sela Seated"]),
    ],
)
def test_the_filter_stands_in_the_address(here, query, names):
    page = here.page(query)
    assert [name for name, _ in rows(page)] == names
    if not names:
        assert "Nobody matches" in page


def test_check_in_at_the_desk_on_the_page_and_a_taken_seat_is_said_there(here):
    person = f"/people/{here.expected}"
    assert 'value="3" selected' in here.page(person)
    page = here.post(f"{person}/seat", identity="passport", seat="1")
    assert "Seat 1 is taken" in page
    assert "Check in" in page
    page = here.post(f"{person}/seat", identity="other", seat="3")
    assert "One more choice is needed" in page
    page = here.post(f"{person}/seat", identity="other", note="Tribal ID", seat="3")
    assert "Edda Éxpected has seat 3." in page
    assert "Tribal ID" in page
    assert ("Edda Éxpected", "seated") in rows(here.page())
    plan = here.page("/seats")
    assert re.search(r'data-seat="3".*?Edda Éxpected', plan, re.S)
    assert plan.count("seat--free") == 21


def test_a_pause_is_told_to_the_candidates_page_within_its_next_question(here, app):
    here.post("/pause", category="emergency", text="Please stay seated.")
    assert "The room is paused" in here.page()
    with here.db.read() as session:
        told = app.answers.told(session, session.get_one(Attempt, here.testing.id), 0)
    assert (told["state"], told["pause"]["reason"]) == ("paused_proctor", "Please stay seated.")
    here.post("/resume")
    assert here.attempt(here.testing).state == State.IN_PROGRESS


def test_a_press_that_another_was_faster_with_says_so(here):
    version = here.attempt(here.testing).version
    path = f"/people/{here.testing.appointment_id}"
    form = {"version": str(version), "category": "illness", "key": str(uuid.uuid4())}
    here.post(f"{path}/pause", **form)
    # The same press again is the same press; another's is refused by what moved meanwhile.
    assert "This has changed" not in here.post(f"{path}/pause", **form)
    assert "This has changed" in here.post(f"{path}/resume", **form | {"key": str(uuid.uuid4())})
    assert here.attempt(here.testing).state == State.PAUSED_PROCTOR


def test_a_proctors_press_is_no_sign_of_life_of_the_workstation(here):
    with here.db.write() as session:
        session.get_one(Attempt, here.testing.id).contact.http_at = here.now - 5 * MINUTE
    path = f"/people/{here.testing.appointment_id}"
    page = here.page(path)
    assert "Give back 6 minutes" in page or "Give back 5 minutes" in page
    version = here.attempt(here.testing).version
    for act in ("pause", "resume"):
        here.post(f"{path}/{act}", version=str(version), key=str(uuid.uuid4()), category="technical")
        version += 1
    assert ("no contact") in [status for _, status in rows(here.page())]


def test_a_no_show_is_recorded_and_a_lead_takes_it_back_on_the_page(here):
    person = f"/people/{here.expected}"
    page = here.post(f"{person}/no-show", reason="wrong_id", note="Library card alone.")
    assert "no valid identity document" in page
    assert "Library card alone." in page
    assert "Take the no-show back" not in page
    assert here.visitor.post(f"{here.base}{person}/take-back").status_code == 403
    lead = here.visit(here.lead, Area.PROCTOR)
    lead.post(f"{here.base}{person}/take-back")
    assert ("Edda Éxpected", "expected") in rows(here.page())


def test_a_proctor_of_the_room_proposes_an_end_and_a_lead_confirms_it(here):
    path = f"/people/{here.testing.appointment_id}"

    def ask(by, act, **form):
        version = here.attempt(here.testing).version
        return by.post(f"{here.base}{path}/{act}", {"version": str(version), "key": str(uuid.uuid4()), **form})

    lead = here.visit(here.lead, Area.PROCTOR)
    ask(here.visitor, "propose-end", category="unauthorised_aid", text="A phone under the desk.")
    page = here.page(path)
    assert f"{here.proctor.name} proposes to end this test" in page
    assert "A phone under the desk." in page
    assert "Confirm: end this test" not in page
    assert "end proposed" in here.page()
    assert here.attempt(here.testing).state == State.IN_PROGRESS
    assert ask(here.visitor, "confirm-end").status_code == 403
    assert "1 proposal to end a test waits for you." in lead.get("/proctor/").text
    assert "waits for you" not in here.visitor.get("/proctor/").text
    ask(here.visitor, "withdraw-end")
    assert "proposes to end" not in here.page(path)
    ask(here.visitor, "propose-end", category="illness")
    assert "Confirm: end this test" in lead.get(f"{here.base}{path}").text
    ask(lead, "confirm-end")
    assert here.attempt(here.testing).state == State.TERMINATED
    assert "stopped" in [status for _, status in rows(here.page())]


def test_a_lead_does_not_confirm_what_they_proposed_themselves(here):
    lead = here.visit(here.lead, Area.PROCTOR)
    path = f"{here.base}/people/{here.testing.appointment_id}"
    version = str(here.attempt(here.testing).version)
    lead.post(f"{path}/propose-end", {"version": version, "key": str(uuid.uuid4()), "category": "illness"})
    assert "Confirm: end this test" not in lead.get(path).text
    version = str(here.attempt(here.testing).version)
    reply = lead.post(f"{path}/confirm-end", {"version": version, "key": str(uuid.uuid4())})
    assert "A second person is needed" in lead.get(reply.headers["Location"]).text
    assert here.attempt(here.testing).state == State.IN_PROGRESS


def test_messages_to_a_seat_and_to_the_room_stand_on_the_pages(here):
    path = f"/people/{here.testing.appointment_id}"
    page = here.post(f"{path}/message", version="0", key=str(uuid.uuid4()), text="Please turn off the beeper.")
    assert "Please turn off the beeper." in page
    assert "Sent to the page of 1 candidate." in here.post("/message", text="Ten minutes to the bell.")
    assert "Ten minutes to the bell." in here.page(path)
    assert "The message has no text" in here.post("/message", text="")


def test_a_seat_is_freed_on_the_page_of_the_person_and_on_the_plan(here):
    with here.db.write() as session:
        service.submit(session, session.get_one(Attempt, here.testing.id), here.now)
    assert "Free 1 seat whose test is over" in here.page("/seats")
    page = here.post(f"/people/{here.testing.appointment_id}/free-seat")
    assert "The seat is free." in page
    assert "free seat 1" not in page
    plan = here.page("/seats")
    assert "whose test is over" not in plan
    assert plan.count("seat--free") == 23
    assert "0 seats are free again." in here.post("/free-seats")


def test_a_no_show_of_the_clock_says_so_on_the_page_and_in_the_report(here):
    with here.db.write() as session:
        place = session.get_one(TestSession, here.place.id)
        facility.close(session, place, here.now)
    assert "Nobody had checked in when the hours of this session ended." in here.page(f"/people/{here.expected}")
    assert "the end of the hours" in here.page("/report")


def test_a_report_that_is_not_complete_keeps_what_was_typed(here):
    reply = here.visitor.post(f"{here.base}/irregularities", {"what": "", "text": "The lights went out.", "began": "10:00"})
    page = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert "Choose what kind it was." in page
    assert "The lights went out." in page


def test_the_session_report_holds_all_of_the_day(here):
    here.visitor.post(f"{here.base}/code")
    here.post("/pause", category="building", text="Power.")
    here.post("/resume")
    here.post(f"/people/{here.expected}/no-show", reason="did_not_come")
    here.post(
        "/irregularities",
        about=str(here.testing.appointment_id),
        what="technical/testing_workstation",
        text="The mouse failed.",
        began=here.now.astimezone(ZoneInfo("America/Los_Angeles")).strftime("%H:%M"),
    )
    page = here.page("/report")
    for words in ("The mouse failed.", "did not come", "power, heat or water", "Passport", "Signatures", here.proctor.name, "Power."):
        assert words in page, words


def test_people_of_another_room_are_not_reached_through_this_one(here, db):
    with db.write() as session:
        elsewhere = make.booked(session, make.room(session, here.now), here.now).id
    assert here.visitor.get(f"{here.base}/people/{elsewhere}").status_code == 404
    assert here.visitor.post(f"{here.base}/people/{elsewhere}/seat", {"seat": "5", "identity": "passport"}).status_code == 404
    assert here.visitor.post(f"{here.base}/people/{here.expected}/nonsense").status_code == 404


def test_the_console_of_cameras_leads_to_the_room(here):
    lead = here.visit(here.lead, Area.PROCTOR)
    assert lead.get(f"/proctor/sessions/{here.place.id}").headers["Location"] == here.base
    assert f'href="{here.base}"' in lead.get("/proctor/").get_data(as_text=True)


@pytest.mark.both
def test_who_begins_in_the_very_moment_of_the_pause_is_paused_with_the_room(db):
    now = clock.now()
    with db.write() as session:
        room = make.room(session, now)
        proctor = make.proctor(session, room, Role.FACILITY_PROCTOR, now)
        attempt = make.seated(session, room, 1, proctor, now)
        token = accounts.sign_in(session, b"secret", proctor, Area.PROCTOR, "password", now)
        session.flush()
        facility.issue_start_code(session, b"secret", room, accounts.find_sign_in(session, b"secret", token, Area.PROCTOR, now), now)
    began = threading.Event()

    def begin():
        with db.write() as session:
            found = session.get_one(Attempt, attempt.id)
            facility.check_begin(session, found, facility.WORKSTATION, now)
            service.begin(session, found, "workstation-1", now)
            session.flush()
            # Begun, and not yet kept: the pause must wait for it, or would not see it.
            began.set()
            time.sleep(0.3)

    def pause():
        began.wait(10)
        with db.write() as session:
            place = session.get_one(TestSession, room.id)
            room_service.pause_room(session, place, "emergency", "", session.get_one(make.Person, proctor.id), now)

    threads = [threading.Thread(target=one) for one in (begin, pause)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with db.read() as session:
        assert session.get_one(Attempt, attempt.id).state == State.PAUSED_PROCTOR
        assert facility.room_is_paused(session, room.id)
