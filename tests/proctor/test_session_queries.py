"""A proctor's first page, and where a sign-in leads them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from testing_platform import clock
from testing_platform.accounts.rules import Area, Role
from testing_platform.delivery.rules import State
from testing_platform.examinations import service as examinations
from testing_platform.examinations.rules import Window
from testing_platform.proctor import room_service, session_queries
from tests import make
from tests.make import NOON

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("opens", "closes", "under_way", "expected"),
    [
        (timedelta(minutes=31), HOUR, False, False),
        (timedelta(minutes=30), HOUR, False, True),
        (-HOUR, HOUR, False, True),
        (-HOUR, timedelta(), False, False),
        (-HOUR, timedelta(), True, True),
    ],
)
def test_a_session_is_on_from_check_in_until_the_last_clock_stands(session, opens, closes, under_way, expected):
    place = make.place(session)
    if under_way:
        make.attempt(session, where=place)
    place.window = Window(NOON + opens, NOON + closes)
    session.flush()
    assert session_queries.is_on(session, place, NOON) is expected


def test_a_sign_in_leads_into_the_one_session_that_is_on_and_to_the_list_when_there_are_two(db, visit):
    now = clock.now()
    with db.write() as session:
        place = make.place(session, now)
        proctor = make.proctor(session, place, now=now)
        later = make.place(session, now + timedelta(days=1))
        later.window = Window(now + timedelta(days=1), now + timedelta(days=2))
        examinations.assign_proctor(session, later, proctor, now)
    visitor = visit(proctor, Area.PROCTOR)
    assert visitor.get("/proctor/now").headers["Location"] == f"/proctor/sessions/{place.id}"
    with db.write() as session:
        room = make.room(session, now)
        examinations.assign_proctor(session, room, session.get_one(make.Person, proctor.id), now)
    assert visitor.get("/proctor/now").headers["Location"] == "/proctor/"


def test_who_has_no_session_that_is_on_comes_to_the_list(db, visit):
    with db.write() as session:
        proctor = make.person(session, Role.PROCTOR, now=clock.now())
    visitor = visit(proctor, Area.PROCTOR)
    assert visitor.get("/proctor/now").headers["Location"] == "/proctor/"
    assert "No session is yours to watch" in visitor.get("/proctor/").text


@pytest.mark.parametrize(
    ("opens", "closes", "said"),
    [
        ((2026, 11, 1, 18), (2026, 11, 1, 23), "11/1/26, 10:00 AM – 3:00 PM"),
        ((2026, 11, 1, 18), (2026, 11, 2, 8), "11/1/26, 10:00 AM – 11/2/26, 12:00 AM"),
        # The same day of the room is two days of UTC.
        ((2026, 11, 1, 22), (2026, 11, 2, 3), "11/1/26, 2:00 PM – 7:00 PM"),
    ],
)
def test_hours_that_end_on_a_later_day_say_which(app, opens, closes, said):
    window = Window(*(datetime(*at, tzinfo=UTC) for at in (opens, closes)))
    with app.test_request_context():
        page = app.jinja_env.from_string('{% from "components/time.html" import hours %}{{ hours(window, "short") }}').render(window=window)
    assert re.sub(r"<[^>]+>", "", page).replace("\N{NARROW NO-BREAK SPACE}", " ") == said


def test_each_session_stands_in_the_words_of_its_own_kind(app, session):
    remote, room = make.place(session), make.room(session)
    proctor = make.proctor(session, room, Role.FACILITY_PROCTOR)
    make.attempt(session, state=State.AWAITING, where=remote)
    make.attempt(session, where=remote)
    make.seated(session, room, 1, proctor)
    make.booked(session, room)
    room_service.pause_room(session, room, "noise", "", proctor, NOON)
    with app.test_request_context():
        home, hall = (session_queries.in_short(session, place, False, NOON) for place in (remote, room))
    assert (home.url, home.booked, home.standing) == (f"/proctor/sessions/{remote.id}", 2, ["1 testing", "0 handed in"])
    assert home.needs == ["1 candidate waits for you."]
    assert (hall.url, hall.booked) == (f"/proctor/rooms/{room.id}", 2)
    assert hall.standing == ["1 expected", "1 seated", "0 testing", "0 handed in"]
    assert hall.needs == ["The room is paused."]
