"""The bank's pages as its people use them, and as somebody would who means harm or was too slow."""

import pytest

from testing_platform.accounts.rules import Area, Role
from testing_platform.itembank import forms
from testing_platform.itembank.models import Bank
from tests import make
from tests.itembank.assembly.made import document
from tests.itembank.assembly.stored import forms_bank
from tests.make import NOON


@pytest.fixture
def bank_id(db):
    with db.write() as session:
        return forms_bank(session).id


@pytest.fixture
def enter(db, visit):
    """Somebody with these roles, at the bank's door."""

    def come(*roles):
        with db.write() as session:
            person = make.person(session, *roles)
        return visit(person, Area.ANALYST)

    return come


def text_of(page):
    assert page.status_code == 200, page.get_data(as_text=True)
    return " ".join(page.get_data(as_text=True).split())


def test_the_bank_says_where_it_is_short_of_its_newest_blueprint(db, enter, bank_id):
    page = f"/analyst/bank/{bank_id}"
    writer = enter(Role.ITEM_WRITER)
    assert "Where the bank is short" not in text_of(writer.get(page))
    with db.write() as session:
        bank = session.get_one(Bank, bank_id)
        forms.keep_blueprint(session, bank, document(), NOON)
        told = document(title="Twice as many")
        told["section"][0]["cell"] = [{"area": "CST", "min": 6, "max": 12}, {"area": "CST", "level": "apply", "min": 2, "max": 12}]
        number = forms.keep_blueprint(session, bank, told, NOON).id
    shown = text_of(writer.get(page))
    assert "Twice as many, version 2" in shown
    assert "2 forms without overlap" in shown
    assert "2 short" in shown
    assert f"/analyst/blueprints/{number}" not in shown
    owner = enter(Role.ANALYST)
    assert f"/analyst/blueprints/{number}" in text_of(owner.get(page))
    blueprint = text_of(owner.get(f"/analyst/blueprints/{number}"))
    for line in ("2 forms without overlap", "2 short"):
        assert blueprint.count(line) == shown.count(line) == 1
