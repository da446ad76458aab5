from datetime import timedelta

import pytest

from testing_platform.proctor import rules
from tests.make import NOON

INTERVAL, PATIENCE = timedelta(seconds=10), timedelta(seconds=20)


@pytest.mark.parametrize(
    ("seconds_ago", "expected"),
    [
        (None, rules.Link.NONE),
        (-1, rules.Link.ONLINE),  # heard after this look began
        (0, rules.Link.ONLINE),
        (15, rules.Link.ONLINE),
        (15.1, rules.Link.DEGRADED),
        (19.9, rules.Link.DEGRADED),
        (20, rules.Link.OFFLINE),  # the instant in which the page covers the questions
        (3600, rules.Link.OFFLINE),
    ],
)
def test_link(seconds_ago, expected):
    last = None if seconds_ago is None else NOON - timedelta(seconds=seconds_ago)
    assert rules.link(last, NOON, INTERVAL, PATIENCE) is expected


@pytest.mark.parametrize(
    ("kind", "category", "good"),
    [
        ("pause", "illness", True),
        ("pause", "other", True),
        ("pause", "", False),
        ("pause", "asked_to_stop", False),
        ("end", "asked_to_stop", True),
        ("end", "Illness", False),
        ("time", "our_fault", True),
        ("return", "photo_unclear", True),
        ("return", "photo unclear", False),
    ],
)
def test_a_reason_comes_from_its_own_list(kind, category, good):
    if good:
        assert rules.check_reason(kind, category) == category
    else:
        with pytest.raises(rules.ReasonMissing) as refusal:
            rules.check_reason(kind, category)
        assert refusal.value.facts == {"kind": kind, "categories": list(rules.REASONS[kind])}


def test_two_signatures_are_two_people():
    rules.check_two_people(1, 2)
    with pytest.raises(rules.SamePerson):
        rules.check_two_people(1, 1)
