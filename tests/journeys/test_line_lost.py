"""(b)–(e): the line goes, a tab closes, a device changes, `live` dies. No answer is lost and the clock stays right."""

import time

import pytest
from playwright.sync_api import expect

from testing_platform.delivery.models import TimeEntry
from tests.journeys.conftest import Candidate, Proctor

pytestmark = pytest.mark.journey


def ledger(candidate):
    with candidate.stack.db.read() as session:
        return session.query(TimeEntry).where(TimeEntry.attempt_id == candidate.attempt_id).all()


def test_ten_seconds_offline_and_a_closed_tab_lose_no_answer_and_the_clock_ran(taking):
    candidate = taking("Ben Offline")
    candidate.choose(1)
    candidate.saved()
    deadline = candidate.attempt().deadline
    candidate.context.set_offline(True)
    for option in (2, 3, 4):
        candidate.next()
        candidate.choose(option)
    expect(candidate.page.locator("[data-saved]")).to_contain_text("3 answers waiting")
    time.sleep(10)
    # Ten seconds are less than the patience: nothing is covered.
    expect(candidate.page.locator("[data-cover]")).to_be_hidden()
    candidate.context.set_offline(False)
    candidate.saved()
    assert candidate.chosen() == {1: "a", 2: "b", 3: "c", 4: "d"}

    # Answers that never left the computer when the tab closed are sent by the next page.
    candidate.context.set_offline(True)
    candidate.next()
    candidate.choose(2)
    candidate.page.wait_for_timeout(300)
    candidate.page.close()
    candidate.context.set_offline(False)
    candidate.page = candidate.watch(candidate.context.new_page())
    candidate.page.goto(f"{candidate.stack.url}/candidate/attempts/{candidate.attempt_id}/test")
    candidate.ready()
    candidate.saved()
    assert candidate.chosen() == {1: "a", 2: "b", 3: "c", 4: "d", 5: "b"}
    answered = [event for event in candidate.events() if event.state == "answered"]
    assert len(answered) == 5
    assert candidate.attempt().deadline == deadline
    assert ledger(candidate) == []


def test_forty_seconds_offline_cover_the_questions_at_twenty_and_give_back_exactly_the_covered_span(taking):
    candidate = taking("Cleo Covered")
    candidate.choose(1)
    candidate.saved()
    deadline = candidate.attempt().deadline
    candidate.page.evaluate("""() => {
        const cover = document.querySelector("[data-cover]");
        window.covered = [];
        new MutationObserver(() => window.covered.push([!cover.hidden, Date.now()])).observe(cover, {attributes: true, attributeFilter: ["hidden"]});
    }""")
    candidate.context.set_offline(True)
    cut_at = time.time()
    candidate.next()
    candidate.choose(3)
    expect(candidate.page.locator("[data-panel=contact]")).to_be_visible(timeout=32_000)
    covered_after = time.time() - cut_at
    # The last contact was up to ten seconds before the line was cut.
    assert 9 <= covered_after <= 21.5
    words = candidate.page.locator("[data-panel=contact]").inner_text()
    assert "not your fault" in words
    assert candidate.stack.settings.help_phone in words
    expect(candidate.page.locator("fieldset").first).not_to_be_visible()
    time.sleep(max(0, 40 - (time.time() - cut_at)))
    candidate.context.set_offline(False)
    candidate.ready()
    shown = candidate.page.evaluate("window.covered")
    span = (next(at for on, at in reversed(shown) if not on) - next(at for on, at in shown if on)) / 1000
    given = (candidate.attempt().deadline - deadline).total_seconds()
    assert given == pytest.approx(span, abs=0.6)
    assert [entry.cause for entry in ledger(candidate)] == ["technical"]
    candidate.saved()
    assert candidate.chosen() == {1: "a", 2: "c"}


@pytest.mark.both
def test_a_second_device_makes_the_older_one_read_only(window, stack, taking):
    first = taking("Dora Device")
    first.choose(1)
    first.saved()
    with stack.db.write() as session:
        from testing_platform import clock
        from testing_platform.accounts import service as accounts
        from testing_platform.accounts.models import Person
        from testing_platform.accounts.rules import Area

        token = accounts.make_link(
            session, stack.settings.secret, session.get(Person, first.attempt().person_id), Area.CANDIDATE, clock.now()
        )
    second = window(Candidate)
    second.attempt_id = first.attempt_id
    second.page.goto(f"{stack.url}/candidate/in/{token}")
    second.page.locator("main form button").first.click()
    second.page.goto(f"{stack.url}/candidate/attempts/{first.attempt_id}/test")
    expect(second.page.locator("main")).to_contain_text("another device")
    second.page.locator("main form button").first.click()
    # The older page says where the test went, and takes no more answers.
    expect(first.page.locator("[data-panel=moved]")).to_be_visible(timeout=15_000)
    # The new one waits until a proctor has looked.
    expect(second.page.locator("[data-panel=waiting]")).to_be_visible()
    proctor = window(Proctor)
    proctor.open_console()
    proctor.tile("Dora Device").locator(".tile__open").click()
    proctor.act("resume")
    second.ready()
    second.next()
    second.choose(2)
    second.saved()
    assert second.chosen() == {1: "a", 2: "b"}
    assert second.attempt().epoch == 2


def test_live_killed_for_thirty_seconds_pauses_nobody_and_tiles_return(window, stack, taking):
    candidate = taking("Eli Live")
    proctor = window(Proctor)
    proctor.open_console()
    expect(proctor.tile("Eli Live")).to_be_visible()
    until = time.monotonic() + 30
    number = 0
    while time.monotonic() < until:
        stack.kill("live")
        candidate.choose(number % 4 + 1)
        candidate.saved()
        candidate.next()
        number += 1
        time.sleep(1.5)
    assert candidate.attempt().state == "in_progress"
    assert ledger(candidate) == []
    assert len(candidate.chosen()) == number
    stack.wait("/live/health")
    canvas = proctor.tile("Eli Live").locator("canvas")
    expect(canvas).to_be_visible(timeout=30_000)
    proctor.page.wait_for_function(
        "name => { const t = [...document.querySelectorAll('li.tile')].find(t => t.textContent.includes(name));"
        " const c = document.createElement('canvas'); c.width = 8; c.height = 8; const x = c.getContext('2d');"
        " x.drawImage(t.querySelector('canvas'), 0, 0, 8, 8); return Math.max(...x.getImageData(0, 0, 8, 8).data.slice(0, 200)) > 60; }",
        arg="Eli Live",
        timeout=30_000,
    )
    # Acts work over HTTP whatever becomes of live.
    proctor.tile("Eli Live").locator(".tile__open").click()
    proctor.act("pause", category="technical", text="")
    expect(candidate.page.locator("[data-panel=paused]")).to_be_visible(timeout=12_000)
