from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing_platform.scoring.dates import add_months, may_file_again_on
from testing_platform.scoring.interviews import FaultyPlan, Plan, Slot, assign, free, read, slots, working_days

ZONE = "America/Los_Angeles"
PLACE = ZoneInfo(ZONE)
TODAY = date(2026, 12, 1)
FORM = {
    "location": "Room 210, 100 Main Street",
    "first_on": "2026-12-07",
    "last_on": "2026-12-08",
    "opens": "09:00",
    "closes": "12:00",
    "minutes": "30",
    "boards": "2",
    "respond_by": "2026-12-04",
}


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2018-12-01", 24, "2020-12-01"),
        ("2020-02-29", 24, "2022-02-28"),
        ("2019-06-15", 24, "2021-06-15"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-31", 1, "2027-01-31"),
    ],
)
def test_months_are_the_calendars(day, months, expected):
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("2018-12-01T17:00:00Z", "2020-12-01"),  # nine in the morning
        ("2018-12-02T07:59:59Z", "2020-12-01"),  # a second before midnight in the City is still the first
        ("2018-12-02T08:00:00Z", "2020-12-02"),
        ("2020-03-01T07:30:00Z", "2022-02-28"),  # the evening of February 29
    ],
)
def test_the_retest_date_counts_from_the_local_day_of_the_start(started, expected):
    assert may_file_again_on(datetime.fromisoformat(started), ZONE, 24) == date.fromisoformat(expected)


def plan(**more):
    return read({**FORM, **more}, TODAY)


def local(found):
    return [(slot.board, slot.starts_at.astimezone(PLACE).strftime("%d %H:%M")) for slot in found]


def test_a_plan_is_cut_into_slots_by_time_then_board():
    found = slots(plan(last_on="2026-12-07", closes="10:00"), ZONE)
    assert local(found) == [(1, "07 09:00"), (2, "07 09:00"), (1, "07 09:30"), (2, "07 09:30")]
    assert all(slot.ends_at - slot.starts_at == timedelta(minutes=30) for slot in found)


def test_a_rest_shorter_than_an_interview_gives_no_slot_and_nobody_is_interviewed_in_the_break():
    found = slots(plan(last_on="2026-12-07", boards="1", closes="14:50", break_from="12:00", break_until="13:00"), ZONE)
    assert [at[3:] for _, at in local(found)] == ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "13:00", "13:30", "14:00"]


def test_nine_in_the_morning_stays_nine_across_the_clock_change():
    days = (date(2026, 10, 30), date(2026, 11, 2))  # the clocks went back on November 1
    found = slots(Plan("Here", days, time(9), time(9, 30), 30, 1, date(2026, 10, 1)), ZONE)
    assert local(found) == [(1, "30 09:00"), (1, "02 09:00")]
    assert [slot.starts_at.hour for slot in found] == [16, 17]


@pytest.mark.parametrize(
    ("day", "opens", "closes", "count"),
    [
        (date(2027, 3, 14), time(0), time(4), 6),  # an hour of the night is missing
        (date(2026, 11, 1), time(0), time(4), 10),  # and here one comes twice
        (date(2027, 3, 15), time(0), time(4), 8),
    ],
)
def test_in_the_night_of_the_change_each_interview_keeps_its_length(day, opens, closes, count):
    found = slots(Plan("Here", (day,), opens, closes, 30, 1, day), ZONE)
    assert len(found) == count
    assert all(a.ends_at <= b.starts_at for a, b in pairwise(found))


@given(
    st.sets(st.dates(date(2026, 1, 1), date(2028, 1, 1)), min_size=1, max_size=5),
    st.integers(0, 22),
    st.integers(1, 8),
    st.integers(5, 90),
    st.integers(1, 4),
)
def test_no_board_ever_has_two_at_once(days, hour, hours, minutes, boards):
    found = slots(Plan("Here", tuple(sorted(days)), time(hour), time(min(23, hour + hours), 30), minutes, boards, date(2026, 1, 1)), ZONE)
    for board in range(1, boards + 1):
        own = sorted(slot for slot in found if slot.board == board)
        assert all(a.ends_at <= b.starts_at for a, b in pairwise(own))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"location": " "}, {"location": "missing"}),
        ({"location": "\0"}, {"location": "unreadable"}),
        ({"first_on": "soon"}, {"first_on": "unreadable"}),
        ({"first_on": "2026-12-01"}, {"first_on": "past"}),
        ({"first_on": "9999-12-30"}, {"first_on": "too-far"}),
        ({"opens": "09:00+01:00"}, {"opens": "unreadable"}),
        ({"last_on": "2026-12-06"}, {"last_on": "before-first"}),
        ({"last_on": "2027-12-06"}, {"last_on": "too-many"}),
        ({"first_on": "2026-12-12", "last_on": "2026-12-13"}, {"first_on": "no-day"}),
        ({"closes": "09:00"}, {"closes": "before-start"}),
        ({"break_from": "10:00"}, {"break_until": "missing"}),
        ({"break_from": "08:00", "break_until": "10:00"}, {"break_from": "outside"}),
        ({"minutes": "0"}, {"minutes": "out-of-range"}),
        ({"boards": "21"}, {"boards": "out-of-range"}),
        ({"respond_by": "2026-11-30"}, {"respond_by": "past"}),
        ({"respond_by": "2026-12-07"}, {"respond_by": "too-late"}),
        ({"minutes": "x", "boards": "", "without": "Christmas"}, {"minutes": "unreadable", "boards": "missing", "without": "unreadable"}),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_field_by_field(change, fault):
    with pytest.raises(FaultyPlan) as refusal:
        plan(**change)
    assert refusal.value.facts["faults"] == fault


@pytest.mark.parametrize("typed", ["Room 210, 100 Main Street", " Room 210,\r\n100  Main\tStreet", "Room\x0b210,\0 100 Main Street"])
def test_a_place_is_one_line_that_a_calendar_can_hold(typed):
    assert plan(location=typed).location == "Room 210, 100 Main Street"


def test_weekends_and_named_days_are_left_out():
    found = working_days(date(2026, 12, 4), date(2026, 12, 9), [date(2026, 12, 8)], weekends=False)
    assert [day.day for day in found] == [4, 7, 9]
    assert plan(first_on="2026-12-05", last_on="2026-12-06", weekends="1").days == (date(2026, 12, 5), date(2026, 12, 6))
    assert plan(last_on="2026-12-10", without="2026-12-08, 2026-12-09").days == (date(2026, 12, 7), date(2026, 12, 10))


NINE = datetime(2026, 12, 7, 17, tzinfo=UTC)
HALF = timedelta(minutes=30)


def slot(n, board=1):
    return Slot(NINE + n * HALF, board, NINE + (n + 1) * HALF)


def test_a_slot_that_began_or_overlaps_a_taken_one_of_its_board_is_not_free():
    taken = [Slot(NINE + timedelta(minutes=45), 1, NINE + timedelta(minutes=60))]
    assert free([slot(0), slot(1), slot(1, 2), slot(2)], taken, NINE) == [slot(1, 2), slot(2)]
    assert free([slot(0)], [], NINE) == []
    assert free([slot(0)], [], NINE - HALF) == [slot(0)]


def test_each_in_turn_gets_the_first_slot_in_which_they_have_no_other_interview():
    waiting = [("ann", [slot(0)]), ("ben", []), ("cy", []), ("dee", [])]
    assert assign(waiting, [slot(0), slot(1), slot(2)]) == [("ann", slot(1)), ("ben", slot(0)), ("cy", slot(2))]
