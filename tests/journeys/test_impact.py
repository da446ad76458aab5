"""How groups fare: refused to who sets the cut, shown to a validation analyst before and after the countersignature."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.scoring.impact_models import Demographics
from tests import make
from tests.journeys.conftest import Person
from tests.journeys.test_pages import look

pytestmark = pytest.mark.journey


@pytest.fixture
def administration(stack):
    """Thirty-two women and thirty-two men have handed in half a day ago, and a passing score of 4 is proposed."""
    before = clock.now() - timedelta(hours=12)
    with stack.db.write() as session:
        where = make.place(session, before)
        for n in range(64):
            woman = n % 2 == 0
            person = make.handed_in(session, where, (5 if n % 3 else 2) if woman else (5 if n % 5 else 3), before).person
            session.add(
                Demographics(
                    administration_id=where.administration_id, person_id=person.id, sex="F" if woman else "M", ethnicity=None, age_40=None
                )
            )
        make.proposed(session, where, 4, clock.now())
        make.person(session, Role.ANALYST, Role.VALIDATION_ANALYST, name="Both Roles")
        return where.administration_id


def sign_in(stack, window, number=0):
    person = window(Person)
    person.page.goto(stack.link(Role.VALIDATION_ANALYST, number))
    person.page.locator("main form button").first.click()
    person.page.wait_for_url("**/validation/")
    return person


def test_groups_are_hidden_from_who_sets_the_cut_and_weighed_by_who_does_not(window, stack, administration):
    base = f"{stack.url}/validation/administrations/{administration}"
    refused = sign_in(stack, window, 1)
    expect(refused.page.get_by_text("You also set passing scores")).to_be_visible()
    refused.page.goto(base)
    expect(refused.page.get_by_role("heading", name="Whoever sets the passing score sees no groups")).to_be_visible()

    analyst = sign_in(stack, window)
    page = analyst.page
    page.goto(base)
    expect(page.locator(".verdict__big")).to_have_text("0.81")
    look(analyst, "impact")
    page.set_viewport_size({"width": 320, "height": 900})
    look(analyst, "impact-narrow")
    page.goto(f"{base}/dif")
    look(analyst, "dif-narrow")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{base}/dif")
    look(analyst, "dif")
    page.locator(".outcomes tbody a").first.click()
    look(analyst, "dif-item")

    # By the keyboard alone, from the first page to the signature.
    page.goto(f"{stack.url}/validation/")
    page.locator(f"a[href='/validation/administrations/{administration}/countersign']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/countersign")
    look(analyst, "countersign")
    page.locator("#cuts").focus()
    for text in ("3, 5", "Another test is not at hand.", "With 3 more would pass than can be interviewed.", "4"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Countersigned by")).to_be_visible()
    look(analyst, "countersigned")
    page.goto(base)
    expect(page.locator(".verdict__big")).to_have_text("0.81")
    assert analyst.troubles == refused.troubles == []
