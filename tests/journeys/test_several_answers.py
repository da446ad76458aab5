"""A question with several answers: ticked by pointer and by keyboard, no more than may be, and found again on another page load."""

import pytest
from playwright.sync_api import expect

from testing_platform import clock
from testing_platform.delivery.models import Attempt
from testing_platform.itembank.models import Form, FormSlot
from tests import make
from tests.journeys.conftest import Candidate
from tests.journeys.test_pages import look

pytestmark = pytest.mark.journey


@pytest.mark.parametrize("width", [1280, 320])
def test_two_answers_are_ticked_and_a_third_is_not(window, stack, width):
    candidate = window(Candidate, width=width)
    _, code = stack.candidate()
    candidate.sign_in(code)
    candidate.check_in()
    with stack.db.write() as session:
        attempt = session.get_one(Attempt, candidate.attempt_id)
        given = session.get_one(Form, attempt.form_id)
        form = Form(
            bank_id=given.bank_id, name=f"Several {width}", number=1, time_limit=given.time_limit, digest="-", created_at=clock.now()
        )
        form.slots = [FormSlot(slot=slot.slot, item_version_id=slot.item_version_id) for slot in given.slots[:3]]
        session.add(form)
        session.flush()
        make.several(session, form, 1, most=2, now=clock.now())
        attempt.form_id = form.id
    candidate.admit_in_database()
    candidate.begin()

    page = candidate.page
    question = page.locator("fieldset:visible")
    boxes = question.locator("input[type=checkbox]")
    expect(question.locator(".question__how")).to_have_text("Choose up to 2 answers.")
    question.locator("label").nth(2).click()
    boxes.nth(0).focus()
    page.keyboard.press("Space")
    candidate.saved()
    assert candidate.chosen() == {1: "a c"}

    page.keyboard.press("b")
    expect(page.locator("[data-note]:visible")).to_contain_text("You may choose 2 answers")
    expect(boxes.nth(1)).not_to_be_checked()
    look(candidate, "several-answers")

    page.keyboard.press("c")
    page.keyboard.press("b")
    candidate.saved()
    assert candidate.chosen() == {1: "a b"}
    page.reload()
    candidate.ready()
    assert [box.is_checked() for box in boxes.all()] == [True, True, False, False]
    page.keyboard.press("1")
    page.keyboard.press("2")
    candidate.saved()
    assert candidate.chosen() == {}
    candidate.hand_in()
