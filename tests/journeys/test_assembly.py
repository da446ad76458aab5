"""Two parallel forms from a blueprint, and one of them locked, as an analyst does it."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.itembank import forms
from testing_platform.itembank.models import Form
from tests.itembank.assembly import made
from tests.itembank.assembly.stored import forms_bank
from tests.journeys.test_pages import look_at_both as look
from tests.journeys.test_passing_score import sign_in
from tests.stack import running

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One of its own, with the worker: a search that takes long is taken up by it."""
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True) as found:
        yield found


@pytest.fixture(scope="module")
def blueprints(stack):
    """A blueprint that the bank can meet, and one with a reliability that no choice of its items has."""
    expected = {"shares": {"easy": 0.8, "medium": 0.7, "hard": 0.6}, "seconds": 50}
    with stack.db.write() as session:
        bank = forms_bank(session)
        wishes = ({}, {"name": "R", "title": "A reliable test", "reliability": {"least": 0.97}})
        return [forms.keep_blueprint(session, bank, made.document(expected=expected, **wish), clock.now()).id for wish in wishes]


def test_an_analyst_assembles_two_parallel_forms_and_locks_one(window, stack, blueprints):
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page = analyst.page
    page.goto(f"{stack.url}/analyst/blueprints")
    look(analyst, "blueprints")
    page.get_by_role("link", name="A test").click()
    look(analyst, "blueprint")
    expect(page.get_by_label("Parallel forms")).to_have_value("2")
    page.locator("#seed").fill("5")
    # By the keyboard alone from here to the form's page.
    page.keyboard.press("Enter")
    page.wait_for_url("**/assemblies/*", timeout=60_000)
    expect(page.locator(".strips__mean")).to_have_count(2)
    look(analyst, "assembly")
    page.get_by_role("link", name="Form T-A").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/forms/*")
    expect(page.locator("main")).to_contain_text("not locked")
    look(analyst, "form")
    page.get_by_text("of the answers, where an item allows it").click()
    page.get_by_role("button", name="Keep the order").click()
    expect(page.locator("#shuffle-options")).to_be_checked()
    page.get_by_role("button", name="Lock this form").click()
    expect(page.locator("main")).to_contain_text("is locked")
    expect(page.get_by_role("button", name="Lock this form")).to_have_count(0)
    look(analyst, "form-locked")
    assert analyst.troubles == []
    with stack.db.read() as session:
        newest = session.scalars(select(Form).where(Form.name == "T-A").order_by(Form.id.desc())).first()
        other = session.scalars(select(Form).where(Form.name == "T-B").order_by(Form.id.desc())).first()
        assert newest.locked_at is not None
        assert other.locked_at is None


def test_what_cannot_be_had_is_searched_for_while_the_analyst_waits_and_then_told(window, stack, blueprints):
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page = analyst.page
    page.goto(f"{stack.url}/analyst/blueprints/{blueprints[1]}")
    page.get_by_label("Parallel forms").fill("1")
    page.get_by_role("button", name="Assemble").click()
    page.wait_for_url("**/assemblies/*", timeout=60_000)
    expect(page.locator("progress")).to_be_visible()
    look(analyst, "search")
    expect(page.locator("main")).to_contain_text("No forms were found that meet everything", timeout=180_000)
    expect(page.locator("main")).to_contain_text("Expected reliability")
    look(analyst, "unmet")
    assert analyst.troubles == []
