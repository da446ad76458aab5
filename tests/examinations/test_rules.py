from datetime import timedelta
from decimal import Decimal

import pytest

from testing_platform.examinations import rules
from testing_platform.examinations.rules import FaultySetting, TestDay, Window
from tests.make import NOON, TEST_DAY

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("minutes", "inside"), [(-1, False), (0, True), (59, True), (60, False)])
def test_a_window_holds_its_first_instant_and_not_its_last(minutes, inside):
    assert (NOON + minutes * MINUTE in Window(NOON, NOON + 60 * MINUTE)) is inside


def test_the_numbers_of_a_test_day_come_from_the_bulletin_with_or_without_their_source():
    plain = TestDay.of(TEST_DAY)
    assert TestDay.of({name: {"value": value, "source": "Rule 4.1"} for name, value in TEST_DAY.items()}) == plain
    assert (plain.time_limit, plain.contact_patience, plain.lead_grant) == (75 * MINUTE, timedelta(seconds=20), 60 * MINUTE)


@pytest.mark.parametrize("name", sorted(TEST_DAY))
def test_each_number_of_a_test_day_has_to_be_there(name):
    with pytest.raises(FaultySetting) as refusal:
        TestDay.of({key: value for key, value in TEST_DAY.items() if key != name})
    assert refusal.value.facts == {"name": name, "value": None}


@pytest.mark.parametrize(
    "value", ["75", "", None, True, [75], {}, {"value": "75"}, {"value": True}, {"minutes": 75}, float("nan")], ids=str
)
def test_what_is_no_number_is_a_faulty_setting(value):
    with pytest.raises(FaultySetting) as refusal:
        TestDay.of(TEST_DAY | {"time_limit_minutes": value})
    assert refusal.value.facts["name"] == "time_limit_minutes"


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({}, "1"),
        ({"time_multiplier": "1.5"}, "1.5"),
        ({"time_multiplier": 1.1}, "1.1"),
        ({"time_multiplier": 2}, "2"),
        ({"time_multiplier": "10"}, "10"),
        ({"breaks": True}, "1"),
    ],
)
def test_multiplier(settings, factor):
    assert rules.multiplier(settings) == Decimal(factor)


@pytest.mark.parametrize("factor", ["0.999", "0", "-1.5", "10.001", "Infinity", "NaN", "one and a half", "", None])
def test_a_multiplier_never_takes_time_and_is_at_most_ten(factor):
    with pytest.raises(FaultySetting):
        rules.multiplier({"time_multiplier": factor})
