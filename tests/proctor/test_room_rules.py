from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from testing_platform.delivery.rules import State
from testing_platform.proctor import room_rules as rules
from testing_platform.proctor.room_rules import Standing

NOON = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("no_show", "seated", "state", "silent_for", "expected"),
    [
        (False, False, None, None, Standing.EXPECTED),
        (True, False, None, None, Standing.NO_SHOW),
        (True, False, State.ADMITTED, 900, Standing.NO_SHOW),
        # Was seated, and left before the start; the no-show was taken back.
        (False, False, State.ADMITTED, 900, Standing.EXPECTED),
        # Before the test nothing is expected to be heard.
        (False, True, State.ADMITTED, 900, Standing.SEATED),
        (False, True, State.CHECKING_IN, None, Standing.SEATED),
        (False, True, State.IN_PROGRESS, 19, Standing.TESTING),
        (False, True, State.IN_PROGRESS, 20, Standing.SILENT),
        (False, True, State.IN_PROGRESS, None, Standing.SILENT),
        (False, True, State.PAUSED_PROCTOR, 5, Standing.PAUSED),
        (False, True, State.PAUSED_PROCTOR, 60, Standing.SILENT),
        (False, True, State.SUBMITTED, 900, Standing.HANDED_IN),
        (False, True, State.SEALED, 900, Standing.HANDED_IN),
        (False, True, State.TERMINATED, 900, Standing.ENDED),
        (False, True, State.ABANDONED, 900, Standing.ENDED),
        (False, False, State.REFUSED, 900, Standing.ENDED),
    ],
)
def test_standing(no_show, seated, state, silent_for, expected):
    last = None if silent_for is None else NOON - silent_for * SECOND
    found = rules.standing(no_show=no_show, seated=seated, state=state, last_contact=last, patience=20 * SECOND, now=NOON)
    assert found is expected


def test_every_state_of_an_attempt_has_a_standing():
    for state in State:
        for seated in (True, False):
            rules.standing(no_show=False, seated=seated, state=state, last_contact=NOON, patience=20 * SECOND, now=NOON)


@pytest.mark.parametrize(("silent", "minutes"), [(0, 0), (14, 0), (15, 1), (60, 1), (61, 2), (180, 3), (181, 4), (599.5, 10)])
def test_a_measured_silence_is_given_back_in_whole_minutes_that_cover_it(silent, minutes):
    assert rules.lost_minutes(timedelta(seconds=silent)) == minutes


@pytest.mark.parametrize(("taken", "seats", "expected"), [([], 24, 1), ([1, 2, 4], 24, 3), ([2], 2, 1), ([1, 2], 2, None)])
def test_the_next_seat_is_the_first_free_one(taken, seats, expected):
    assert rules.next_seat(taken, seats) == expected


@pytest.mark.parametrize(
    ("typed", "name", "number", "found"),
    [
        ("", "Ana Alder", "C-1229-0001", True),
        ("an", "Ana Alder", "C-1229-0001", True),
        ("ald an", "Ana Alder", "C-1229-0001", True),
        ("lder", "Ana Alder", "C-1229-0001", False),
        ("jose", "José Ñandú", "C-1229-0001", True),
        ("nandu", "José Ñandú", "C-1229-0001", True),
        ("JOSÉ", "Jose Alder", "C-1229-0001", True),
        ("0001", "Ana Alder", "C-1229-0001", True),
        ("C-1229-0001", "Ana Alder", "C-1229-0001", True),
        ("c1229 0001", "Ana Alder", "C-1229-0001", True),
        ("0002", "Ana Alder", "C-1229-0001", False),
        ("o'neill", "Pat O’Neill", None, True),
        ("ana bob", "Ana Alder", "C-1229-0001", False),
        ("smith-jones", "Ana Smith-Jones", None, True),
    ],
)
def test_a_candidate_is_found_by_what_a_person_at_a_desk_types(typed, name, number, found):
    assert rules.matches(typed, name, number) is found


def test_the_taxonomy_is_whole():
    assert {category: len(kinds) for category, kinds in rules.IRREGULARITIES.items()} == {
        "environment": 5,
        "examinee": 7,
        "staff": 5,
        "technical": 5,
        "security": 4,
        "accommodation": 2,
        "other": 1,
    }


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, None),
        ({"ended_at": NOON}, None),
        ({"ended_at": NOON - 10 * MINUTE}, None),
        ({"kind": "weather", "category": "examinee"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"category": "nothing"}, "kind"),
        ({"text": "  "}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"began_at": None}, "began"),
        ({"began_at": NOON + 2 * MINUTE}, "began"),
        ({"ended_at": NOON - 11 * MINUTE}, "ended"),
        ({"ended_at": NOON + HOUR}, "ended"),
    ],
)
def test_a_report_is_complete_or_says_what_is_missing(changed, field):
    report = {"category": "environment", "kind": "noise", "text": " A drill. ", "began_at": NOON - 10 * MINUTE, "ended_at": None, **changed}
    if field is None:
        assert rules.check_report(**report, now=NOON) == "A drill."
        return
    with pytest.raises(rules.IncompleteReport) as refusal:
        rules.check_report(**report, now=NOON)
    assert refusal.value.facts == {"field": field}


@pytest.mark.parametrize(
    ("recorded", "now", "fine"),
    [
        # 11:59 pm and 12:01 am in the room; the day there is what counts, not the day in UTC.
        ("2026-11-22T07:59:00+00:00", "2026-11-22T07:59:59+00:00", True),
        ("2026-11-21T17:00:00+00:00", "2026-11-22T07:59:00+00:00", True),
        ("2026-11-22T07:59:00+00:00", "2026-11-22T08:01:00+00:00", False),
        ("2026-11-21T20:00:00+00:00", "2026-11-22T20:00:00+00:00", False),
    ],
)
def test_a_no_show_is_taken_back_on_the_same_day_in_the_room(recorded, now, fine):
    asked = (datetime.fromisoformat(recorded), datetime.fromisoformat(now), PACIFIC)
    if fine:
        rules.check_take_back(*asked)
    else:
        with pytest.raises(rules.TooLateToTakeBack):
            rules.check_take_back(*asked)
