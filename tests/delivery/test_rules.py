from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing_platform.delivery import rules
from testing_platform.delivery.rules import Clock, Event, Said, State, Status, Who
from tests.make import NOON

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("multiplier", "given_minutes", "held_for", "expected_minutes"),
    [
        ("1", 0, None, 75),
        ("1.5", 0, None, 112.5),
        ("1", 10, None, 85),
        ("1.25", 10, None, 103.75),
        # A running hold moves the deadline by as long as it has lasted.
        ("1", 0, 4, 79),
    ],
)
def test_deadline(multiplier, given_minutes, held_for, expected_minutes):
    now = NOON + 30 * MINUTE
    clock = Clock(75 * MINUTE, Decimal(multiplier), NOON, given_minutes * MINUTE, now - held_for * MINUTE if held_for else None)
    assert clock.deadline_at(now) == NOON + timedelta(minutes=expected_minutes)


def test_before_begin_there_is_no_deadline_and_all_the_time_is_left():
    clock = Clock(75 * MINUTE, Decimal("1.5"))
    assert clock.deadline_at(NOON) is None
    assert clock.left(NOON) == timedelta(minutes=112, seconds=30)


@given(st.integers(1, 600), st.decimals("1", "3", places=3), st.integers(0, 10_000), st.integers(0, 3600))
def test_while_held_the_time_left_does_not_change(minutes, factor, given_seconds, held_seconds):
    since = NOON + 5 * SECOND
    clock = Clock(minutes * MINUTE, factor, NOON, given_seconds * SECOND, since)
    assert clock.left(since + held_seconds * SECOND) == clock.left(since)


@pytest.mark.parametrize(
    ("state", "event", "who", "expected"),
    [
        (State.AWAITING, Event.ADMIT, Who.PROCTOR, State.ADMITTED),
        (State.ADMITTED, Event.BEGIN, Who.CANDIDATE, State.IN_PROGRESS),
        (State.IN_PROGRESS, Event.LOSE_CONTACT, Who.CLOCK, State.PAUSED_TECHNICAL),
        (State.PAUSED_TECHNICAL, Event.REGAIN_CONTACT, Who.CLOCK, State.IN_PROGRESS),
        (State.PAUSED_TECHNICAL, Event.LONG_GAP, Who.CLOCK, State.AWAITING_RESUME),
        (State.AWAITING_RESUME, Event.RESUME, Who.PROCTOR, State.IN_PROGRESS),
        (State.IN_PROGRESS, Event.SUBMIT, Who.CANDIDATE, State.SUBMITTED),
        (State.IN_PROGRESS, Event.END, Who.LEAD, State.TERMINATED),
    ],
)
def test_moves(state, event, who, expected):
    assert rules.after(state, event, who) is expected


@pytest.mark.parametrize(
    ("state", "event", "who"),
    [
        (State.ADMITTED, Event.ADMIT, Who.PROCTOR),
        (State.AWAITING, Event.BEGIN, Who.CANDIDATE),
        (State.AWAITING_RESUME, Event.RESUME, Who.CANDIDATE),
        (State.PAUSED_PROCTOR, Event.RESUME, Who.CANDIDATE),
        (State.IN_PROGRESS, Event.END, Who.PROCTOR),
        (State.SUBMITTED, Event.SUBMIT, Who.CANDIDATE),
        (State.SUBMITTED, Event.TIME_IS_UP, Who.CLOCK),
        (State.PAUSED_PROCTOR, Event.TIME_IS_UP, Who.CLOCK),
    ],
)
def test_what_the_table_does_not_have_is_refused(state, event, who):
    with pytest.raises(rules.NotNow):
        rules.after(state, event, who)


@given(st.lists(st.tuples(st.sampled_from(Event), st.sampled_from(Who)), max_size=40))
def test_no_walk_leads_from_a_finished_test_back_to_an_open_one_without_two_people(walk):
    state, finished = State.CHECKING_IN, False
    for event, who in walk:
        try:
            state = rules.after(state, event, who)
        except rules.NotNow:
            continue
        if event is Event.REACTIVATE:
            finished = False
        if state in rules.OVER:
            finished = True
        assert not (finished and state not in rules.OVER)


def test_one_event_of_one_person_has_one_target():
    seen = set()
    for move in rules.MOVES:
        for source in move.sources:
            for who in move.who:
                assert (source, move.event, who) not in seen, (source, move.event, who)
                seen.add((source, move.event, who))


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_word_for_the_page(state):
    assert rules.status(state) in Status


def said(seq, slot, state="answered", option="a", *, device="one", epoch=1, order=None, counts=True):
    return Said(device, seq, epoch, slot, state, option, order if order is not None else seq, counts)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([said(1, 1, option="a"), said(2, 1, option="c")], "c"),
        # Order of arrival does not matter within a device: the sequence does.
        ([said(2, 1, option="c", order=1), said(1, 1, option="a", order=2)], "c"),
        ([said(1, 1, option="a"), said(2, 1, "cleared", None)], None),
        # A newer epoch decides, whatever its sequence.
        ([said(40, 1, option="a"), said(1, 1, option="d", device="two", epoch=2, order=90)], "d"),
        # What is late or aside decides nothing.
        ([said(1, 1, option="a"), said(2, 1, option="b", counts=False)], "a"),
        # A browser that lost its storage counts from 1 again in the same epoch.
        ([said(40, 1, option="a", order=5), said(1, 1, option="b", device="fresh", order=60)], "b"),
    ],
)
def test_the_answer_of_a_slot(events, expected):
    assert rules.sheet(events)[1].option == expected


def test_flags_and_crossed_out_options_follow_the_same_order():
    answer = rules.sheet([said(1, 3, "flagged", None), said(2, 3, "struck", "a"), said(3, 3, "struck", "b"), said(4, 3, "unstruck", "a")])[
        3
    ]
    assert answer.flagged
    assert answer.struck == {"b"}
    assert answer.option is None


def test_the_receipt_code_can_be_taken_again_from_the_answers():
    digest = rules.answers_digest(7, {2: "b", 1: "a"})
    assert digest == rules.answers_digest(7, {1: "a", 2: "b"})
    assert digest != rules.answers_digest(8, {1: "a", 2: "b"})
    assert rules.receipt_code(digest).replace("-", "").lower() == digest[:12]


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        (None, 0),
        (0, 0),
        # A reply that was lost on its way makes the page cover earlier, but no more than one interval.
        (-7, -7),
        (-60, -10),
        # A computer that slept covered later.
        (35, 35),
        (999, 60),
    ],
)
def test_the_span_given_back_is_the_covered_one(claimed, expected):
    held, now = NOON, NOON + 60 * SECOND
    found = rules.covered_from(held, None if claimed is None else held + claimed * SECOND, 10 * SECOND, now)
    assert found == held + expected * SECOND


@pytest.mark.parametrize(
    ("minutes", "before", "limit", "fits"),
    [(10, 0, 10, True), (1, 10, 10, False), (0, 0, 10, False), (-5, 0, 10, False), (50, 10, 60, True)],
)
def test_time_to_give(minutes, before, limit, fits):
    if fits:
        assert rules.check_grant(minutes, before * MINUTE, limit * MINUTE) == minutes * MINUTE
    else:
        with pytest.raises(rules.OverTheLimit):
            rules.check_grant(minutes, before * MINUTE, limit * MINUTE)
