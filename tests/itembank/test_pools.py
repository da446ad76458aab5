"""The pages of frozen pools: frozen, looked at and drawn from, with a line in the trail for each."""

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.audit.models import AuditEntry
from testing_platform.itembank import forms
from testing_platform.itembank.assembly import loft
from testing_platform.itembank.form_models import LoftDraw, LoftPool
from testing_platform.itembank.models import Bank
from tests import make
from tests.itembank.assembly import made
from tests.itembank.assembly.made import document
from tests.itembank.assembly.stored import COUNT, forms_bank
from tests.make import NOON


@pytest.fixture
def blueprint(db):
    """The address of a blueprint of twelve items, of a bank with forty."""
    with db.write() as session:
        bank = session.get_one(Bank, forms_bank(session).id)
        told = document(expected={"shares": {"easy": 0.75, "medium": 0.7, "hard": 0.65}})
        return f"/analyst/blueprints/{forms.keep_blueprint(session, bank, told, NOON).id}"


@pytest.fixture
def enter(db, visit):
    def come(role):
        with db.write() as session:
            person = make.person(session, role, name=str(role).title())
        return visit(person, Area.ANALYST)

    return come


def text_of(page):
    assert page.status_code == 200, page.get_data(as_text=True)
    return " ".join(page.get_data(as_text=True).split())


def acts(db, *wanted):
    with db.read() as session:
        found = session.execute(select(AuditEntry.act, AuditEntry.actor_id).where(AuditEntry.act.in_(wanted)).order_by(AuditEntry.id))
        return [(act, actor is not None) for act, actor in found]


def test_a_pool_is_frozen_looked_at_and_drawn_from_on_pages(db, enter, blueprint):
    analyst, approver = enter(Role.ANALYST), enter(Role.APPROVER)
    assert "Freeze a pool" in text_of(analyst.get(blueprint))
    assert "Freeze a pool" not in text_of(approver.get(blueprint))
    reply = analyst.post(f"{blueprint}/pools", {"cap": "60", "seed": "3"})
    pool = reply.headers["Location"]
    assert (reply.status_code, pool in text_of(approver.get(blueprint))) == (303, True)
    page = text_of(approver.get(pool))
    assert f"{COUNT} items" in page
    assert "seed 3" in page
    assert "Analyst" in page
    assert "3 forms without overlap" in page
    assert "Draw and look at it" not in page
    first = analyst.post(f"{pool}/draws", {"seed": "9"}).headers["Location"]
    assert analyst.post(f"{pool}/draws", {"seed": "9"}).headers["Location"] == first
    page = text_of(analyst.get(first))
    assert "12 items" in page
    assert f'<a href="{pool}">' in page
    assert "put together by hand" not in page
    assert analyst.post(f"{pool}/draws", {"seed": "10"}).headers["Location"] != first
    page = text_of(approver.get(pool))
    assert page.count("seed 9") == page.count("seed 10") == 1
    with db.read() as session:
        kept = session.scalars(select(LoftPool)).one()
        times = forms.form_queries.drawn_items(session, kept.id)
        assert sum(times.values()) == 24
        assert page.count('data-label="Forms with it">1</td>') == sum(count == 1 for count in times.values())
        assert page.count('data-label="Share">0 %</td>') == COUNT - len(times)
        assert all(drawn.drawn_by for drawn in session.scalars(select(LoftDraw)))
    assert acts(db, "pool.frozen", "form.drawn") == [("pool.frozen", True), ("form.drawn", True), ("form.drawn", True)]


@pytest.mark.parametrize(("asked", "status"), [({"cap": "0", "seed": "1"}, 400), ({"cap": "60"}, 400), ({"cap": "60", "seed": "-2"}, 400)])
def test_numbers_that_no_pool_has_are_refused(enter, blueprint, asked, status):
    assert enter(Role.ANALYST).post(f"{blueprint}/pools", asked).status_code == status


def test_a_pool_that_cannot_keep_its_cap_is_refused_with_the_items_in_demand(db, enter, blueprint, monkeypatch):
    # In this process, where a refusal is the same.
    monkeypatch.setattr(forms, "freeze_apart", loft.freeze)
    reply = enter(Role.ANALYST).post(f"{blueprint}/pools", {"cap": "30", "seed": "1"})
    page = reply.get_data(as_text=True)
    assert reply.status_code == 409
    assert "The bank is too small for that cap" in page
    for name, typed in (("cap", 30), ("seed", 1)):
        assert f'name="{name}" type="number" value="{typed}"' in page
    assert acts(db, "pool.frozen") == []


def test_a_refusal_comes_back_from_the_process_that_rehearses():
    with pytest.raises(loft.PoolTooSmall) as refusal:
        forms.freeze_apart(document(), made.pool(13, 1), 0.5, 1)
    assert refusal.value.facts["cap"] == 0.5
