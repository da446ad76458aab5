"""Each candidate meets the form in an order of their own where the form says so; what is stored does not know of it."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from testing_platform.delivery import orders, queries
from testing_platform.delivery import service as attempts
from testing_platform.delivery.orders import AttemptOrder
from testing_platform.delivery.rules import State
from testing_platform.examinations.models import Appointment
from testing_platform.itembank.form_models import FormPlan
from testing_platform.itembank.models import FormSlot, ItemVersion
from tests import make

SEEDS = [f"seed-{number}" for number in range(400)]


def test_sections_stay_in_order_and_passages_together():
    slots = [(1, None), (2, 7), (3, 7), (4, 7), (5, None), (6, None), (7, 9), (8, 9)]
    for seed in SEEDS:
        found = orders.order_of_slots(seed, slots, [(1, 5), (6, 8)])
        assert sorted(found[:5]) == [1, 2, 3, 4, 5]
        assert sorted(found[5:]) == [6, 7, 8]
        at = found.index(2)
        assert found[at : at + 3] == [2, 3, 4]
        assert found[found.index(7) + 1] == 8


def test_every_order_of_items_is_as_likely():
    """24 orders, 2,400 seeds: chi-square with 23 degrees of freedom stays under 60 (p < 0.0001)."""
    counts = Counter(tuple(orders.order_of_slots(f"s{n}", [(k, None) for k in range(1, 5)], [])) for n in range(2400))
    assert len(counts) == 24
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 60


def test_a_fixed_option_keeps_its_place():
    seen = {tuple(orders.order_of_options(seed, 3, list("abcd"), {"d"})) for seed in SEEDS}
    assert {order[3] for order in seen} == {"d"}
    assert len(seen) == 6


def test_two_slots_have_orders_of_their_own():
    assert len({tuple(orders.order_of_options("one", slot, list("abcd"), set())) for slot in range(60)}) > 12


@pytest.fixture
def where(session):
    place = make.place(session)
    form_id = place.administration.form_id
    session.add(FormPlan(form_id=form_id, sections=[], unscored=[], shuffle_items=True, shuffle_options=True))
    for row in session.scalars(select(FormSlot).where(FormSlot.form_id == form_id, FormSlot.slot > 3)):
        session.execute(ItemVersion.__table__.update().where(ItemVersion.id == row.item_version_id).values(shuffle=True))
    session.flush()
    session.expire_all()
    return place


def test_the_order_is_fixed_at_begin_and_stays(session, where):
    attempt = make.attempt(session, where=where)
    order = session.get_one(AttemptOrder, attempt.id)
    form = queries.slots(session, attempt.form_id)
    shown = orders.laid_out(session, attempt, form)
    assert shown == orders.laid_out(session, attempt, form)
    assert [slot["place"] for slot in shown] == [1, 2, 3, 4, 5, 6]
    assert sorted(slot["number"] for slot in shown) == [slot["number"] for slot in form]
    by_number = {slot["number"]: slot for slot in shown}
    for slot in form:
        expected = [option["key"] for option in slot["options"]]
        if slot["number"] > 3:
            expected = orders.order_of_options(order.seed, slot["number"], expected, set())
        assert [option["key"] for option in by_number[slot["number"]]["options"]] == expected


def test_two_candidates_have_two_seeds(session, where):
    one, other = (make.attempt(session, where=where) for _ in range(2))
    assert session.get_one(AttemptOrder, one.id).seed != session.get_one(AttemptOrder, other.id).seed


def test_without_a_word_of_the_form_all_meet_one_order(session):
    attempt = make.attempt(session)
    assert session.get(AttemptOrder, attempt.id) is None
    assert [slot["number"] for slot in orders.laid_out(session, attempt, queries.slots(session, attempt.form_id))] == [1, 2, 3, 4, 5, 6]


def test_answers_and_receipt_know_nothing_of_the_order(session, where):
    """The same choices give the same digest, whatever order they were met in."""
    now = make.NOON + timedelta(minutes=5)
    shuffled = make.handed_in(session, where, 4, now)
    assert shuffled.state == State.SUBMITTED
    assert attempts.chosen(session, shuffled.id) == {slot: "b" if slot <= 4 else "a" for slot in range(1, 7)}
    assert session.get_one(Appointment, shuffled.appointment_id).state == "booked"
