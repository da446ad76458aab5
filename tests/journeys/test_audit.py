"""The auditor's day: an anchor for the safe, the whole trail verified while the page waits, and a candidate's receipt."""

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete, select

from testing_platform.accounts.rules import Role
from testing_platform.audit.models import AuditEntry
from tests.journeys.conftest import Person

pytestmark = pytest.mark.journey


def test_an_auditor_verifies_the_trail_and_a_receipt(window, stack, taking):
    candidate = taking("Ray Ceipt")
    candidate.choose(1)
    candidate.saved()
    candidate.hand_in()
    code = candidate.attempt().receipt_code

    auditor = window(Person)
    page = auditor.page
    page.goto(stack.link(Role.AUDITOR))
    page.locator("main form button").first.click()
    page.wait_for_url("**/auditor/")

    page.get_by_role("link", name="Check a receipt").click()
    page.get_by_label("Receipt code").fill(code.lower())
    page.keyboard.press("Enter")
    expect(page.get_by_text("The receipt holds")).to_be_visible()
    expect(page.get_by_text("Ray Ceipt")).to_have_count(0)
    assert auditor.violations() == []

    page.get_by_role("link", name="Verify the trail").click()
    page.get_by_role("button", name="Hand out this anchor").click()
    anchor = page.locator("th.anchor code").first.inner_text()
    page.get_by_label("An anchor handed out earlier").fill(anchor)
    page.keyboard.press("Enter")
    # The worker reads; the page shows by itself what it found.
    expect(page.get_by_text("none was changed, removed or put in.")).to_be_visible(timeout=20_000)
    expect(page.locator("main .muted", has_text="against an anchor")).to_be_visible()

    number = int(anchor.partition(":")[0])
    with stack.db.write() as session:
        broken = session.scalars(select(AuditEntry.number).where(AuditEntry.number < number).order_by(AuditEntry.number.desc())).first()
        session.execute(delete(AuditEntry).where(AuditEntry.number == broken))
    page.get_by_role("button", name="Verify the whole trail now").click()
    expect(page.get_by_role("link", name=f"Entry {broken:,} is missing")).to_be_visible(timeout=20_000)
    assert auditor.violations() == []
    assert auditor.fits()
    page.goto(f"{stack.url}/auditor/")
    expect(page.get_by_role("link", name="The trail does not hold")).to_be_visible()
