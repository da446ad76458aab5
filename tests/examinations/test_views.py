"""The analyst's page of a bulletin, whatever parts the bulletin has."""

import re

import pytest
from sqlalchemy import select

from testing_platform.accounts.rules import Area, Role
from testing_platform.demo import setup
from testing_platform.examinations.models import Bulletin
from tests import make

CONTENT = setup.read("bulletin_1229.toml")


@pytest.fixture
def page_of(db, visit):
    """The page of a bulletin with this content."""
    with db.write() as session:
        make.place(session)
        person = make.person(session, Role.ANALYST)
    visitor = visit(person, Area.ANALYST)

    def look(content):
        with db.write() as session:
            session.scalars(select(Bulletin)).one().content = content
        reply = visitor.get("/analyst/bulletins/1")
        assert reply.status_code == 200
        return reply.get_data(as_text=True)

    return look


def test_a_bulletin_is_shown_without_any_part_that_it_does_not_have(page_of):
    for part in CONTENT:
        page = page_of({name: found for name, found in CONTENT.items() if name != part})
        assert set(re.findall(r'href="#([\w-]+)"', page)) <= set(re.findall(r'\bid="([\w-]+)"', page)), part


def test_a_bulletin_that_has_nothing_but_its_name_says_so_little(page_of):
    page = page_of({})
    assert "Customer Service Specialist" in page
    assert "Numbers of the test day" not in page
    assert "None" not in page


def test_a_source_is_one_that_a_reader_can_find(page_of):
    assert not re.search(r"\bR\d+\b|rules of the field", page_of(CONTENT))


def test_words_that_are_there_in_one_language_are_shown_in_that_one(page_of):
    page = page_of({"consents": make.CONSENTS, "rules": make.RULES})
    assert "A proctor sees you." in page
    assert "It starts at Begin." in page
    assert page.count('lang="es"') == page_of({}).count('lang="es"')
