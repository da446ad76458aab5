"""Where an administration gives a frozen pool, each candidate is drawn a form of their own, and no item that is known outside."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from testing_platform.delivery import service as attempts
from testing_platform.delivery import withdrawals
from testing_platform.delivery.rules import State
from testing_platform.examinations import queries as examinations
from testing_platform.itembank import forms, lifecycle, queries
from testing_platform.itembank.assembly import loft
from testing_platform.itembank.form_models import LoftDraw
from testing_platform.itembank.models import Form, ItemVersion
from tests import drawn, make
from tests.itembank.assembly import made
from tests.itembank.assembly.stored import COUNT
from tests.make import NOON


@pytest.fixture
def frozen(session):
    return drawn.pool(session)


@pytest.fixture
def where(session, frozen):
    return drawn.place(session, frozen)


def codes(session, attempt):
    return [row.version.item.code for row in drawn.slots(session, attempt)]


def known_outside(session, version):
    lifecycle.compromise(session, version, make.person(session, Role.ANALYST), "Seen on a public page.", NOON)


def test_each_candidate_has_a_form_of_their_own_that_keeps_the_blueprint_and_whose_seed_draws_it_again(session, frozen, where):
    found = [make.attempt(session, where=where) for _ in range(5)]
    assert examinations.count_items(session, where.administration) == drawn.LENGTH
    assert len({frozenset(codes(session, one)) for one in found}) == len({one.form_id for one in found}) == 5
    offered = forms.frozen_pool(frozen).items
    by_code = {item.code: item for item in offered}
    for one in found:
        form = [by_code[code] for code in codes(session, one)]
        assert made.faults(frozen.blueprint.content, offered, [form]) == []
        kept = session.scalars(select(LoftDraw).where(LoftDraw.form_id == one.form_id)).one()
        assert (kept.for_candidate, kept.left_out, kept.form.locked_at) == (True, [], NOON)
        again = loft.FrozenPool.of(frozen.content).draw(kept.seed)
        assert [item.code for item in again] == codes(session, one)
    acts = session.scalars(select(AuditEntry.object).where(AuditEntry.act == "form.drawn"))
    assert list(acts) == [f"form:{one.form_id}" for one in found]


def test_check_in_that_is_begun_twice_draws_once(session, where):
    one = make.attempt(session, where=where, state=State.CHECKING_IN)
    again = attempts.check_in(session, session.get_one(make.Appointment, one.appointment_id), b"not a key", NOON)
    assert again.id == one.id
    assert session.scalar(select(func.count()).select_from(LoftDraw)) == 1


def test_an_item_that_is_known_outside_is_drawn_for_nobody_and_who_has_not_begun_is_drawn_another_form(session, where):
    waiting = make.attempt(session, where=where, state=State.ADMITTED)
    begun = make.attempt(session, where=where)
    shared = next(row.version for row in drawn.slots(session, waiting))
    had, kept = waiting.form_id, begun.form_id
    known_outside(session, shared)
    # Nothing is parted: neither the worker nor a first begin makes another administration.
    assert not withdrawals.due(session, NOON)

    attempts.begin(session, waiting, "this-browser", NOON)
    assert waiting.form_id != had
    assert begun.form_id == kept
    draw = session.scalars(select(LoftDraw).where(LoftDraw.form_id == waiting.form_id)).one()
    assert draw.left_out == [shared.item.code]
    assert session.get_one(Form, had).begun == 0
    assert session.get_one(Form, waiting.form_id).begun == 1
    for _ in range(6):
        assert shared.item.code not in codes(session, make.attempt(session, where=where))
    found = withdrawals.met(session, where.administration)
    assert (found is not None) == (shared.item.code in codes(session, begun))


def test_who_had_an_item_that_is_known_outside_now_is_counted(session, where):
    found = [make.attempt(session, where=where) for _ in range(4)]
    assert withdrawals.met(session, where.administration) is None
    version = drawn.slots(session, found[0])[0].version
    known_outside(session, version)
    met = withdrawals.met(session, where.administration)
    assert met.codes == [version.item.code]
    assert met.candidates == sum(version.item.code in codes(session, one) for one in found)


def test_enough_known_outside_leaves_no_form_and_says_so(session, where):
    frozen_items = session.scalars(
        select(ItemVersion).join(ItemVersion.item).where(ItemVersion.state == "active", ItemVersion.item.has(area="CST"))
    ).all()
    for version in frozen_items[:-2]:
        known_outside(session, version)
    with pytest.raises(loft.NoDraw):
        make.attempt(session, where=where)


def test_forms_of_candidates_count_as_one_form_and_stand_in_no_list(session, frozen, where):
    for _ in range(3):
        make.attempt(session, where=where)
    one = make.attempt(session, where=where)
    item = drawn.slots(session, one)[0].version.item
    met = {number for numbers in session.scalars(select(LoftDraw)) for number in (row.version.item_id for row in numbers.form.slots)}
    newest, times = forms.form_queries.forms_ago(session, frozen.blueprint.bank_id)
    assert (set(newest), set(newest.values()), set(times.values())) == (met, {1}, {1})
    assert len(met) < COUNT
    assert [form.id for form in queries.forms_with(session, item.id)] == [where.administration.form_id]
    assert forms.form_queries.draws_of(session, frozen) == []
    assert forms.form_queries.count_drawn(session, frozen) == 4
    assert queries.exposures(session, [item.id]) == {item.id: forms.form_queries.drawn_items(session, frozen.id)[item.code]}


def test_a_pool_that_nobody_was_given_and_a_form_drawn_to_look_at_count_as_no_form(session, frozen):
    """Else giving a pool would use up the whole bank for the next."""
    forms.pool_form(session, frozen, NOON)
    forms.draw(session, frozen, 5, NOON)
    assert forms.form_queries.forms_ago(session, frozen.blueprint.bank_id) == ({}, {})
    looked_at = forms.draw(session, frozen, 6, NOON).form
    looked_at.begun = 1
    session.flush()
    newest, _ = forms.form_queries.forms_ago(session, frozen.blueprint.bank_id)
    assert newest == dict.fromkeys((row.version.item_id for row in looked_at.slots), 1)


def test_what_is_given_is_changed_until_check_in_opens(session, frozen):
    place = drawn.place(session, frozen, opened=-timedelta(days=1))
    one, analyst = place.administration, drawn.analyst(session)
    other = make.administration(session).form
    service = drawn.examinations
    assert service.form_fixed(session, one, NOON) == ""
    service.give(session, one, other, NOON, analyst)
    assert (one.form_id, one.form.id) == (other.id, other.id)
    service.give(session, one, forms.pool_form(session, frozen, NOON), NOON, analyst)
    assert one.form_id == frozen.form_id
    assert examinations.count_items(session, one) == drawn.LENGTH
    opens = place.window.opens_at - service.rules.TestDay.of(one.test_day).check_in_opens
    assert service.form_fixed(session, one, opens - timedelta(seconds=1)) == ""
    with pytest.raises(service.FormFixed) as refusal:
        service.give(session, one, other, opens, analyst)
    assert refusal.value.facts == {"why": "check-in"}
    assert one.form_id == frozen.form_id
