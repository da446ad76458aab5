"""A key that was wrong, found after the results: experts rule blind, an analyst rules, and nobody who passed is taken back."""

import random
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.scoring.models import PassingScoreDecision, QualifyingResult
from tests import make
from tests.journeys.conftest import Person
from tests.journeys.test_pages import look
from tests.scoring.test_rulings import answer
from tests.stack import running

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One of its own: the other journeys test in the newest session, and these are over."""
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True) as found:
        yield found


@pytest.fixture
def administration(stack):
    """Forty have handed in and have their results; the key of item 6 is b, and those who know more chose a."""
    before, chance = clock.now() - timedelta(hours=12), random.Random(6)
    with stack.db.write() as session:
        where = make.place(session, before)
        for n in range(40):
            found = make.attempt(session, where=where, now=before)
            for slot in range(1, make.ITEMS + 1):
                right = chance.random() < (0.9 if n >= 20 else 0.3)
                option = ("a" if right else "b") if slot == 6 else ("b" if right else "c")
                session.add(answer(found.id, slot, option, before))
            session.flush()
            make.attempts.submit(session, found, before)
        make.decided(session, where, 4, clock.now())
        return where.administration_id


def sign_in(stack, window, role, width, number=0):
    staff = window(Person, width=width, height=900)
    staff.page.goto(stack.link(role, number))
    staff.page.locator("main form button").first.click()
    staff.page.wait_for_url("**/analyst/**")
    return staff


def outcomes(stack, administration, number):
    with stack.db.read() as session:
        asked = select(QualifyingResult.attempt_id, QualifyingResult.outcome).join(PassingScoreDecision)
        asked = asked.where(PassingScoreDecision.administration_id == administration, PassingScoreDecision.number == number)
        return dict(session.execute(asked).all())


def test_a_wrong_key_is_found_ruled_on_and_rescored_and_nobody_who_passed_is_taken_back(window, stack, administration):
    base = f"{stack.url}/analyst/administrations/{administration}"
    analyst = sign_in(stack, window, Role.ANALYST, 1280)
    page = analyst.page
    page.goto(f"{base}/key/panel")
    expect(page.get_by_label("Ask the experts about item 6")).to_be_checked()
    look(analyst, "panel")
    page.get_by_role("button", name="Ask the experts").click()
    expect(page.get_by_text("0 of 2 rulings are in")).to_be_visible()

    for number, width in ((0, 320), (1, 1280)):
        expert = sign_in(stack, window, Role.ITEM_REVIEWER, width, number)
        expert.page.get_by_role("link", name="Key review").click()
        expert.page.get_by_role("link", name="Item 6").click()
        look(expert, "panel-item")
        # By the keyboard alone.
        expert.page.locator("#option-a").press("Space")
        expert.page.locator("#verdict-keep").press("Space")
        expert.page.get_by_label("Why").press_sequentially("Only a follows the rule.")
        expert.page.get_by_role("button", name="This is my ruling").press("Enter")
        expect(expert.page.get_by_text("You have ruled on")).to_be_visible()

    page.reload()
    expect(page.get_by_text("The experts agree")).to_be_visible()
    page.get_by_role("link", name="Rule on item 6").click()
    page.locator("label[for=option-b]").click()
    page.locator("label[for=option-a]").click()
    page.get_by_role("button", name="See what it does").click()
    look(analyst, "ruling")
    gained = int(page.locator("tr[data-cut='4'] [data-part=gained]").inner_text())
    lost = int(page.locator("tr[data-cut='4'] [data-part=lost]").inner_text())
    assert gained
    assert lost
    page.get_by_label("Reason").fill("Two experts say that a is right.")
    page.locator("label[for=superseding-yes]").click()
    page.get_by_role("button", name="Keep this ruling").click()
    expect(page.get_by_role("heading", name="What version 2 does, in both directions")).to_be_visible()
    page.get_by_role("button", name="Lock version 2").click()
    page.get_by_role("button", name="Make the raw scores").click()
    page.wait_for_url("**/passing-score")
    page.locator("#cut").fill("4")
    page.locator("#vacancies_now").fill("3")
    page.get_by_label("Why this passing score").fill("The key of item 6 was wrong.")
    for box in page.get_by_role("textbox", name="Where these rates come from").or_(page.get_by_label("Why the cut lies below")).all():
        if box.is_visible():
            box.fill("As before.")
    expect(page.get_by_label("Hold them harmless")).to_be_checked()
    page.get_by_role("button", name="Propose this passing score").click()
    page.wait_for_url("**/decision?number=2")

    approver = sign_in(stack, window, Role.APPROVER, 1280)
    page = approver.page
    page.goto(f"{base}/decision?number=2")
    assert [page.locator(f"[data-part={name}]").inner_text() for name in ("gained", "lost", "held")] == [str(gained), "0", str(lost)]
    page.get_by_role("link", name="Who is affected, by name").click()
    look(approver, "changes")
    expect(page.get_by_text("passes, held harmless")).to_have_count(lost)
    page.goto(f"{base}/decision?number=2")
    page.get_by_label("Type the passing score that you sign").fill("4")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("In force")).to_be_visible()
    before, after = (outcomes(stack, administration, number) for number in (1, 2))
    assert {one for one in before if before[one] == "PASS"} < {one for one in after if after[one] == "PASS"}
