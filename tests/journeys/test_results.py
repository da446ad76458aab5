"""From the second signature to the interview in the calendar, with the real worker, at a desk's and a narrow phone's width."""

import time
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from testing_platform import clock
from testing_platform.accounts import service as accounts
from testing_platform.accounts.rules import Area, Role
from testing_platform.notices.models import Notice
from testing_platform.scoring import service as scoring
from testing_platform.scoring.models import PassingScoreDecision
from tests import make
from tests.journeys.conftest import Person
from tests.journeys.test_pages import look_at_both as look
from tests.stack import running

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One of its own: the other journeys test in the newest session, and here it is ended."""
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True) as found:
        yield found


def sign_in(person, stack, who, area):
    with stack.db.write() as session:
        token = accounts.make_link(session, stack.settings.secret, session.get_one(accounts.Person, who), area, clock.now())
    person.page.goto(f"{stack.url}/{area}/in/{token}")
    person.page.locator("main form button").first.click()
    person.page.wait_for_url(f"**/{area}/")


def test_from_the_second_signature_to_the_interview(window, stack):
    now = clock.now()
    with stack.db.write() as session:
        where = make.place(session, now)
        passing, failing = (make.handed_in(session, where, right, now) for right in (6, 1))
        passing.person.name, failing.person.name = "Wren Walnut", "Lark Linden"
        people = [(one.person_id, one.id) for one in (passing, failing)]
        number = make.proposed(session, where, 4, now).id
        scheduler_id, administration_id = make.person(session, Role.SCHEDULER, now=now).id, where.administration_id

    scheduler = window(Person)
    page = scheduler.page
    sign_in(scheduler, stack, scheduler_id, Area.SCHEDULER)
    expect(page.locator(f"a[href*='/administrations/{administration_id}']")).to_have_count(0)
    look(scheduler, "scheduler-before")
    candidate, other = (window(Person) for _ in range(2))
    for one, (person_id, attempt_id) in zip((candidate, other), people, strict=True):
        sign_in(one, stack, person_id, Area.CANDIDATE)
        expect(one.page.get_by_text("See my result")).to_have_count(0)
        one.page.goto(f"{stack.url}/candidate/attempts/{attempt_id}/result")
        expect(one.page.locator("h1")).to_have_text("There is no result yet")
    look(candidate, "result-none")

    with stack.db.write() as session:
        decision = session.get_one(PassingScoreDecision, number)
        scoring.approve(session, decision, make.person(session, Role.APPROVER), clock.now())

    for one in (candidate, other):
        one.page.goto(f"{stack.url}/candidate/")
        one.page.get_by_role("link", name="See my result").click()
    expect(candidate.page.locator("h1")).to_have_text("You passed")
    expect(other.page.locator("h1")).to_have_text("You did not pass this test")
    look(candidate, "result-pass")
    look(other, "result-fail")

    # The worker writes one mail to each.
    def mails():
        with stack.db.read() as session:
            return sorted(session.scalars(select(Notice.template).where(Notice.person_id.in_([one for one, _ in people]))))

    until = time.monotonic() + 30
    while mails() != ["result-fail/1", "result-pass/1"] and time.monotonic() < until:
        time.sleep(0.25)
    assert [template for template in mails() if template.startswith("result")] == ["result-fail/1", "result-pass/1"]

    page.goto(f"{stack.url}/scheduler/")
    page.locator(f"main table a[href='/scheduler/administrations/{administration_id}']").click()
    expect(page.locator("h1")).to_have_text("1 person passed")
    expect(page.get_by_text("Lark Linden")).to_have_count(0)
    look(scheduler, "scheduler-list")
    with page.expect_download() as download:
        page.get_by_role("link", name="Excel").click()
    assert download.value.suggested_filename.endswith("interview-candidates.xlsx")

    page.get_by_role("link", name="Plan interviews for 1 person").click()
    day = (now + timedelta(days=14)).date()
    page.get_by_label("Place").fill("Room 210")
    for name in ("First day", "Last day"):
        page.get_by_label(name, exact=True).fill(day.isoformat())
    page.get_by_label("Candidates call by").fill((day - timedelta(days=4)).isoformat())
    page.get_by_text("Also on Saturdays and Sundays").click()
    page.get_by_label("Boards at the same time").fill("0")
    # The browser's own check stands before ours: the plan is not sent with a number out of range.
    page.get_by_role("button", name="Show the preview").click()
    expect(page.locator("#preview")).to_have_count(0)
    page.get_by_label("Boards at the same time").fill("2")
    page.get_by_role("button", name="Show the preview").click()
    expect(page.locator("#preview")).to_contain_text("Wren Walnut")
    look(scheduler, "scheduler-preview")
    candidate.page.reload()
    expect(candidate.page.get_by_text("Room 210")).to_have_count(0)
    page.get_by_role("button", name="Invite 1 person").click()
    expect(page.get_by_text("1 invitation is on its way.")).to_be_visible()
    look(scheduler, "scheduler-invited")
    candidate.page.reload()
    expect(candidate.page.get_by_text("Room 210")).to_be_visible()
    look(candidate, "result-interview")
    with stack.db.read() as session:
        letter = session.scalars(select(Notice).where(Notice.person_id == people[0][0], Notice.template == "interview-invitation/1")).one()
    assert "BEGIN:VEVENT" in (letter.calendar or "")
