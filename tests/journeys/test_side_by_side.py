"""(a) Candidate and proctor side by side, from sign-in to receipt."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Candidate, Proctor

pytestmark = pytest.mark.journey


def moving(canvas) -> bool:
    """Whether the picture changes: two looks a moment apart differ."""
    look = (
        "one => { const c = document.createElement('canvas'); c.width = 80; c.height = 60; const x = c.getContext('2d'); "
        "x.drawImage(one, 0, 0, 80, 60); return [...x.getImageData(0, 0, 80, 60).data]; }"
    )
    seen = []
    for _ in range(6):
        seen.append(tuple(canvas.evaluate(look)))
        time.sleep(0.7)
    return len(set(seen)) >= 3 and max(max(picture[0::4]) for picture in seen) > 60


@pytest.mark.both
def test_a_candidate_takes_the_test_while_a_proctor_watches(window, stack):
    _, code = stack.candidate("Ana Side")
    candidate, proctor = window(Candidate), window(Proctor)
    proctor.open_console()
    candidate.sign_in(code)
    candidate.check_in()

    # The queue shows the photo beside the live picture; admit.
    waiting = proctor.waiting("Ana Side")
    expect(waiting.locator("[data-part=photo]")).to_be_visible()
    assert moving(waiting.locator("[data-part=live] canvas"))
    waiting.locator("[data-part=admit]").click()
    candidate.begin()
    begun = candidate.attempt()
    assert begun.started_at is not None
    assert candidate.clock_seconds() == pytest.approx(75 * 60, abs=10)

    # Her tile moves; her answers arrive.
    tile = proctor.tile("Ana Side")
    expect(tile).to_contain_text(re.compile("in progress", re.I))
    assert moving(tile.locator("canvas"))
    candidate.choose(2)
    candidate.saved()
    tile.locator(".tile__open").click()
    expect(proctor.page.locator("[data-part=answered]")).to_contain_text("1 of 60")

    # Pause stops the clock and covers the questions; the reason is read.
    proctor.act("pause", category="look_at_room", text="Please show me your desk.")
    expect(candidate.page.locator("[data-panel=paused]")).to_be_visible(timeout=5_000)
    expect(candidate.page.locator("[data-panel=paused]")).to_contain_text("Please show me your desk.")
    expect(candidate.page.locator("fieldset").first).not_to_be_visible()
    held = candidate.attempt()
    time.sleep(3)
    assert candidate.attempt().held_since == held.held_since
    proctor.act("resume")
    candidate.ready()
    given_back = candidate.attempt().given.total_seconds()
    assert given_back >= 3
    assert candidate.attempt().deadline == begun.deadline + candidate.attempt().given

    # Time given, with its sentence in the ledger; a message and its reply.
    proctor.act("give_time", minutes="5", category="technical", text="The pause.")
    expect(proctor.page.locator("[data-part=ledger]")).to_contain_text("gave 5 minutes")
    assert candidate.attempt().given.total_seconds() == pytest.approx(given_back + 300, abs=0.01)
    proctor.page.locator("[data-part=compose]").fill("Everything is fine.")
    proctor.page.locator("[data-part=focus] [data-part=send]").click()
    expect(candidate.page.locator("[data-banner]")).to_contain_text("Everything is fine.", timeout=5_000)
    candidate.page.locator("[data-banner-open]").click()
    reply = candidate.page.locator("dialog[open] textarea")
    reply.fill("Thank you!")
    candidate.page.locator("dialog[open] form button[type=submit], dialog[open] [data-do=send]").first.click()
    expect(proctor.page.locator("[data-part=messages]")).to_contain_text("Thank you!", timeout=5_000)
    candidate.page.keyboard.press("Escape")

    # Hand in; the receipt shows counts and a code, and nothing about what is right.
    candidate.next()
    candidate.choose(1)
    candidate.saved()
    candidate.hand_in()
    page = candidate.page.locator("main").inner_text()
    closed = candidate.attempt()
    assert closed.receipt_code in page
    assert "2 of 60" in page
    assert not re.search(r"correct|score of|you passed|you failed", page, re.I)
    expect(proctor.page.locator("[data-part=focus] [data-part=state]")).to_contain_text(
        re.compile("submitted|handed in", re.I), timeout=5_000
    )

    # The mail is in the outbox with the same code, and evidence was kept, encrypted.
    from sqlalchemy import select

    from testing_platform.notices.models import Notice
    from testing_platform.proctor.models import EvidenceStill

    for _ in range(50):
        with stack.db.read() as session:
            mails = session.scalars(select(Notice).where(Notice.person_id == closed.person_id)).all()
            stills = session.scalars(select(EvidenceStill).where(EvidenceStill.attempt_id == closed.id)).all()
        if mails and stills:
            break
        time.sleep(0.2)
    assert closed.receipt_code in mails[0].text
    stored = (stack.settings.data / "objects" / stills[0].object_name).read_bytes()
    assert b"JFIF" not in stored
    assert b"\xff\xd8\xff" not in stored[:64]
