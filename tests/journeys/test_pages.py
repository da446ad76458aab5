"""Every page at the widths of a desk and of a narrow phone: axe-core finds nothing, nothing scrolls sideways, no policy is broken."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from testing_platform.accounts.rules import Role
from tests.journeys.conftest import Candidate, Person, Proctor

pytestmark = pytest.mark.journey
WIDTHS = [1280, 320]
# A folder to put pictures of every page into, for a person to look at.
PICTURES = os.environ.get("JOURNEY_PICTURES")


def look(person: Person, name: str) -> None:
    person.page.wait_for_load_state()
    if PICTURES:
        width = person.page.viewport_size["width"]
        person.page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)
    assert person.violations() == [], name
    assert person.fits(), f"{name} scrolls sideways"


def look_at_both(person: Person, name: str) -> None:
    """On the way through one story: at the width that the window has, and at a narrow phone's."""
    look(person, name)
    had = person.page.viewport_size
    assert had is not None
    person.page.set_viewport_size({"width": 320, "height": had["height"]})
    look(person, name)
    person.page.set_viewport_size(had)


@pytest.mark.parametrize("width", WIDTHS)
def test_candidate_pages(window, stack, width):
    name = f"Page Visitor {width}"
    _, code = stack.candidate(name, time_multiplier="1.5")
    candidate = window(Candidate, width=width, height=900 if width > 400 else 640)
    page = candidate.page
    page.goto(f"{stack.url}/demo/")
    look(candidate, "doors")
    page.goto(f"{stack.url}/candidate/sign-in")
    look(candidate, "sign-in")
    page.locator("#code").fill("WRONG-CODE")
    page.locator("main form button").first.click()
    look(candidate, "sign-in-wrong")
    candidate.sign_in(code)
    look(candidate, "home")
    page.locator("main form button, main a.usa-button").first.click()
    page.wait_for_url("**/consent")
    candidate.attempt_id = int(page.url.split("/")[-2])
    look(candidate, "consent")
    page.locator("main button[type=submit]").last.click()
    look(candidate, "consent-missing")
    for group in page.locator("input[type=radio]").evaluate_all("all => [...new Set(all.map(one => one.name))]"):
        page.locator(f"input[name='{group}'] + label").first.click()
    page.locator("main button[type=submit]").last.click()
    page.wait_for_url("**/system-check")
    look(candidate, "system-check")
    page.get_by_role("button", name="Start the check").click()
    expect(page.locator("[data-next]")).to_be_visible(timeout=30_000)
    look(candidate, "system-check-done")
    page.locator("[data-next]").click()
    page.wait_for_url("**/photo")
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_role("button", name="Use this photo")).to_be_visible()
    look(candidate, "photo")
    page.get_by_role("button", name="Use this photo").click()
    page.wait_for_url("**/waiting")
    look(candidate, "waiting")
    candidate.admit_in_database()
    page.wait_for_url("**/rules", timeout=15_000)
    look(candidate, "rules")
    candidate.begin()
    candidate.choose(2)
    candidate.saved()
    look(candidate, "test")
    page.locator("[data-do=flag]").click()
    page.locator("[data-opens=navigator]").click()
    look(candidate, "navigator")
    page.keyboard.press("Escape")
    page.locator("[data-opens=settings]").click()
    look(candidate, "settings")
    page.keyboard.press("Escape")
    page.locator("[data-do=messages]:visible").first.click()
    look(candidate, "messages")
    page.keyboard.press("Escape")
    page.locator("[data-do=review]:visible").last.click()
    page.locator("[data-comments] summary").click()
    page.locator("#comment").fill("Two answers are right.")
    page.get_by_role("button", name="Send this comment").click()
    expect(page.locator("[data-comments-say]")).to_have_text("Thank you. Your comment on question 1 is kept.")
    look(candidate, "review")
    page.locator("[data-do=ask_submit]").click()
    look(candidate, "confirm")
    page.locator("[data-do=submit]").click()
    page.wait_for_url("**/receipt", timeout=20_000)
    look(candidate, "receipt")


@pytest.mark.parametrize("width", WIDTHS)
def test_proctor_pages(window, stack, taking, width):
    taking(f"Watched {width}")
    proctor = window(Proctor, width=width, height=900 if width > 400 else 640)
    proctor.page.goto(f"{stack.url}/proctor/sign-in")
    look(proctor, "staff-sign-in")
    proctor.page.goto(stack.link(Role.LEAD_PROCTOR))
    look(proctor, "staff-link")
    proctor.page.locator("main form button").first.click()
    proctor.page.wait_for_url("**/proctor/")
    look(proctor, "proctor-home")
    proctor.page.locator("main a[href*='/proctor/sessions/']").first.click()
    expect(proctor.tile(f"Watched {width}")).to_be_visible()
    proctor.page.wait_for_timeout(2500)
    look(proctor, "console")
    proctor.tile(f"Watched {width}").locator(".tile__open").click()
    proctor.page.wait_for_timeout(2500)
    look(proctor, "console-focus")
    proctor.page.locator("[data-part=focus] [data-act=give_time]").click()
    look(proctor, "console-act")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("role", "paths"),
    [
        (Role.ANALYST, ["/analyst/", "/analyst/administrations/1", "/analyst/bulletins", "/analyst/bulletins/1", "/analyst/forms/1"]),
        (Role.OPERATOR, ["/operator/"]),
        (Role.AUDITOR, ["/auditor/", "/auditor/trail", "/auditor/entries/1", "/auditor/check", "/auditor/receipt"]),
        (None, ["/demo/outbox", "/no-such-page", "/candidate/in/used-up", "/analyst/sign-in"]),
    ],
)
def test_staff_pages(window, stack, width, role, paths):
    person = window(Person, width=width, height=900)
    if role:
        person.page.goto(stack.link(role))
        person.page.locator("main form button").first.click()
        person.page.wait_for_load_state()
    for path in paths:
        person.page.goto(stack.url + path)
        look(person, (str(role) if role else "nobody") + path.replace("/", "-"))


def test_zoomed_to_400_percent_the_test_still_fits(taking):
    """1280 px at 400 % are 320 × 225 px: WCAG 1.4.10."""
    candidate = taking("Zoe Zoom", width=320, height=225)
    candidate.choose(1)
    candidate.saved()
    assert candidate.fits()
    assert candidate.violations() == []


def test_the_whole_test_by_keyboard_alone(window, stack):
    """From the code to the receipt without a pointer."""
    _, code = stack.candidate("Kay Board")
    candidate = window(Candidate)
    page = candidate.page

    def to(selector: str) -> None:
        """Tab until the focus stands on it."""
        for _ in range(120):
            if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector} on {page.url}")

    page.goto(f"{stack.url}/candidate/sign-in")
    to("input[name=code]")
    page.keyboard.type(code.lower())
    page.keyboard.press("Enter")
    page.wait_for_url("**/candidate/")
    to("main form button, main a.usa-button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/consent")
    candidate.attempt_id = int(page.url.split("/")[-2])
    for group in page.locator("input[type=radio]").evaluate_all("all => [...new Set(all.map(one => one.name))]"):
        to(f"input[name='{group}']")
        page.keyboard.press("Space")
    to("main button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/system-check")
    expect(page.get_by_role("button", name="Start the check")).to_be_enabled()
    to("[data-start]")
    page.keyboard.press("Enter")
    expect(page.locator("[data-next]")).to_be_visible(timeout=30_000)
    to("[data-next]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/photo")
    expect(page.locator("[data-take]")).to_be_enabled()
    to("[data-take]")
    page.keyboard.press("Enter")
    expect(page.locator("[data-use]")).to_be_visible()
    to("[data-use]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/waiting")
    candidate.admit_in_database()
    page.wait_for_url("**/rules", timeout=15_000)
    to("main button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/test")
    candidate.ready()
    to("fieldset:not([hidden]) input[type=radio]")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    to("[data-do=next]")
    page.keyboard.press("Enter")
    to("[data-do=flag]")
    page.keyboard.press("Enter")
    candidate.saved()
    assert candidate.chosen() == {1: "b"}
    to("[data-do=review]")
    page.keyboard.press("Enter")
    to("[data-do=ask_submit]")
    page.keyboard.press("Enter")
    to("[data-do=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/receipt", timeout=20_000)
