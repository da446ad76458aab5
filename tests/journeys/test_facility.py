"""A room of a City facility in real browsers: the code on the board, one pause for all, another workstation, keyboard and no script."""

import re
import time
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.delivery import facility
from testing_platform.delivery.models import Attempt, Response, TimeEntry
from testing_platform.demo import facility as demo
from testing_platform.demo import setup
from testing_platform.proctor import room_queries
from testing_platform.proctor.room_rules import Standing
from tests.journeys.conftest import Candidate, Person
from tests.journeys.test_pages import look

pytestmark = pytest.mark.journey
WIDTHS = [1280, 320]


class RoomProctor(Person):
    def come_in(self, role=Role.FACILITY_PROCTOR):
        self.page.goto(self.stack.link(role))
        self.page.locator("main form button").first.click()
        self.page.wait_for_url("**/proctor/rooms/*")
        self.base = self.page.url

    def make_code(self):
        self.page.goto(self.base)
        if self.page.get_by_role("button", name="Make the start code").count():
            self.page.get_by_role("button", name="Make the start code").click()
            self.page.wait_for_url("**/board")
            self.page.goto(self.base)
        return self.page.locator(".room-code__letters").inner_text()

    def person(self, name):
        self.page.goto(f"{self.base}?q={name}")
        self.page.locator("[data-row] a").first.click()
        self.page.wait_for_url("**/people/*")

    def status(self, name):
        return self.page.locator("[data-row]", has_text=name).locator(".state").first


class Seated(Candidate):
    def sit_down(self, number, code):
        page = self.page
        page.goto(f"{self.stack.url}/candidate/workstation")
        page.locator("#number").fill(number)
        page.locator("#code").fill(code)
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(re.compile(r"/candidate/workstation/\d+$"))
        self.attempt_id = int(page.url.rsplit("/", 1)[1])

    def start(self):
        self.page.get_by_role("link", name="Yes, this is me").click()
        self.begin()


@pytest.fixture
def seat(stack):
    """A fresh candidate of the room who was at the desk: (name, number, seat)."""

    def make(name):
        now = clock.now()
        with stack.db.write() as session:
            place = demo.open_room(session)
            person = setup.add_candidate(session, "room", now, place)
            person.name = name
            session.flush()
            roster = room_queries.roster(session, place, now)
            row = next(one for one in roster if one.name == name)
            free = room_queries.free_seats(place, roster)[0]
            proctor = setup.person_with(session, Role.FACILITY_PROCTOR)
            facility.seat(session, row.appointment, free, "passport", "", proctor, lambda: b"no pictures here", now)
            return person.candidate_number, free

    return make


def test_in_the_room_and_at_home_in_one_administration_with_one_pause_for_the_room(window, stack, taking, seat):
    number, place = seat("Rae Room")
    at_home = taking("Hale Home")
    proctor, candidate = window(RoomProctor), window(Seated)
    proctor.come_in()
    code = proctor.make_code()
    sockets, cameras = [], []
    candidate.page.on("websocket", lambda socket: sockets.append(socket.url))
    candidate.page.add_init_script(
        "const ask = navigator.mediaDevices.getUserMedia; navigator.mediaDevices.getUserMedia = (...all) => (window.asked = true, ask.apply(navigator.mediaDevices, all));"
    )
    candidate.sit_down(number, code.lower())
    expect(candidate.page.locator("h1")).to_have_text(f"You are Rae Room, seat {place}. Is this you?")
    candidate.start()
    candidate.choose(2)
    candidate.saved()
    cameras.append(candidate.page.evaluate("window.asked ?? false"))
    with stack.db.read() as session:
        one, two = (session.get_one(Attempt, who.attempt_id) for who in (candidate, at_home))
        assert one.session.administration_id == two.session.administration_id
        assert (one.mode, two.mode, one.form_id) == ("facility", "remote", two.form_id)
    proctor.page.goto(proctor.base)
    expect(proctor.status("Rae Room")).to_have_text("testing")

    # One press: covered within its next question to the server, the clock from the server's instant.
    before = candidate.attempt()
    proctor.page.locator("#text").fill("Please stay seated.")
    proctor.page.get_by_role("button", name="Pause the room").click()
    pressed = time.monotonic()
    expect(candidate.page.locator("[data-panel=paused]")).to_be_visible(timeout=12_000)
    assert time.monotonic() - pressed < 11.5
    expect(candidate.page.locator("[data-panel=paused]")).to_contain_text("Please stay seated.")
    expect(candidate.page.locator("fieldset").first).not_to_be_visible()
    # Home is another room.
    expect(at_home.page.locator("[data-cover]")).to_be_hidden()

    # Nobody begins meanwhile, and the page keeps the way open.
    waiting = window(Seated)
    later_number, _ = seat("Late Lee")
    waiting.sit_down(later_number, code)
    waiting.page.get_by_role("link", name="Yes, this is me").click()
    waiting.page.get_by_role("button", name="Begin").click()
    expect(waiting.page.locator(".usa-alert--warning").first).to_contain_text("The room is paused")
    assert waiting.attempt().started_at is None

    proctor.page.get_by_role("button", name="Let the room go on").click()
    candidate.ready()
    after = candidate.attempt()
    with stack.db.read() as session:
        entry = session.query(TimeEntry).where(TimeEntry.attempt_id == candidate.attempt_id).one()
    assert entry.cause == "room"
    # Spans are kept in whole milliseconds.
    assert after.deadline - before.deadline == entry.amount
    assert timedelta() <= entry.ended_at - entry.began_at - entry.amount < timedelta(milliseconds=1)
    waiting.page.get_by_role("button", name="Begin").click()
    waiting.page.wait_for_url("**/test")

    candidate.next()
    candidate.choose(1)
    candidate.saved()
    candidate.hand_in()
    candidate.page.get_by_role("button", name="Sign out and leave").click()
    expect(candidate.page).to_have_url(f"{stack.url}/candidate/workstation")
    proctor.page.goto(proctor.base)
    expect(proctor.status("Rae Room")).to_have_text("handed in")
    assert sockets == []
    assert cameras == [False]


def test_a_stuck_workstation_works_on_and_the_test_moves_with_every_answer(window, stack, seat):
    number, _ = seat("Mo Moved")
    proctor, stuck, fresh = window(RoomProctor), window(Seated), window(Seated)
    proctor.come_in()
    stuck.sit_down(number, proctor.make_code())
    stuck.start()
    for option in (1, 2, 3):
        stuck.choose(option)
        stuck.next()
    stuck.saved()
    deadline = stuck.attempt().deadline

    # The line goes: nothing is covered, the page says where the answer is, and the roster who was not heard.
    stuck.context.set_offline(True)
    stuck.choose(4)
    expect(stuck.page.locator("[data-saved]")).to_contain_text("saved on this computer", timeout=10_000)
    expect(stuck.page.locator("[data-saved]")).to_contain_text("Tell the proctor")
    proctor.page.goto(f"{proctor.base}?q=moved")
    expect(proctor.status("Mo Moved")).to_have_text("no contact", timeout=40_000)
    expect(stuck.page.locator("[data-cover]")).to_be_hidden()
    assert stuck.attempt().state == "in_progress"
    assert stuck.attempt().deadline == deadline

    # Another seat and a code, in one press; the test goes on there.
    proctor.person("moved")
    moved_to = proctor.page.locator("#take-over-seat").input_value()
    proctor.page.get_by_role("button", name="Move, and make a code").click()
    letters = proctor.page.locator(".take-over__letters").inner_text()
    fresh.page.goto(f"{stack.url}/candidate/workstation")
    fresh.page.get_by_role("link", name="Go on at this workstation").click()
    fresh.page.locator("#number").fill(number)
    fresh.page.locator("#code").fill(letters)
    fresh.page.get_by_role("button", name="Go on with my test").click()
    fresh.page.wait_for_url("**/test")
    fresh.attempt_id = stuck.attempt_id
    fresh.ready()
    expect(fresh.page.locator("[data-answered]").first).to_contain_text("3 of 60", timeout=5_000)
    fresh.page.locator("[data-opens=navigator]").click()
    fresh.page.locator('#navigator [data-go="2"]').click()
    assert fresh.page.locator("fieldset:visible input:checked").get_attribute("value") == "b"
    fresh.page.locator("[data-opens=navigator]").click()
    fresh.page.locator('#navigator [data-go="4"]').click()
    fresh.choose(1)
    fresh.saved()

    # The old computer comes back: read-only, and what it had kept is set aside.
    stuck.context.set_offline(False)
    expect(stuck.page.locator("[data-panel=moved]")).to_be_visible(timeout=20_000)
    expect(stuck.page.locator("[data-panel=moved]")).to_contain_text("can only be read")
    with stack.db.read() as session:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            aside = session.query(Response).where(Response.attempt_id == stuck.attempt_id, Response.standing == "aside").all()
            if aside:
                break
            session.rollback()
            time.sleep(0.3)
    assert [(row.slot, row.option) for row in aside if row.state == "answered"] == [(4, "d")]
    assert fresh.chosen() == {1: "a", 2: "b", 3: "c", 4: "a"}

    # What the workstation cost is proposed from the measured silence, and given back by one press.
    proctor.person("moved")
    expect(proctor.page.locator("h1 + p")).to_contain_text(f"seat {moved_to}")
    proctor.page.get_by_role("button", name=re.compile("Give back")).click()
    expect(proctor.page.locator("main")).to_contain_text("gave 1 minute")
    expect(proctor.page.get_by_role("button", name=re.compile("Give back"))).to_have_count(0)
    assert (stuck.attempt().deadline - deadline).total_seconds() == 60
    expect(fresh.page.locator("[data-banner]")).to_contain_text("1 more minute", timeout=12_000)


def test_a_message_to_a_seat_an_end_that_two_people_decide_and_a_free_seat(window, stack, seat):
    number, place = seat("Ed Ended")
    proctor, lead, candidate = window(RoomProctor), window(RoomProctor), window(Seated)
    proctor.come_in()
    candidate.sit_down(number, proctor.make_code())
    candidate.start()
    candidate.choose(1)
    candidate.saved()
    proctor.person("ended")
    proctor.page.locator("#message-text").fill("Your phone lies on the desk. Please give it to me.")
    proctor.page.get_by_role("button", name="Send", exact=True).click()
    expect(proctor.page.locator("main")).to_contain_text("Ed Ended")
    banner = candidate.page.locator("[data-banner]")
    expect(banner).to_contain_text("Please give it to me.", timeout=12_000)
    # Nobody writes back from a workstation.
    expect(banner.get_by_role("button", name="Read", exact=True)).to_be_visible()

    open_all(proctor.page)
    proctor.page.locator("#end-reason").select_option("unauthorised_aid")
    proctor.page.get_by_role("button", name="Propose to end").click()
    expect(proctor.page.locator("main")).to_contain_text("proposes to end this test")
    expect(proctor.page.get_by_role("button", name="Confirm: end this test")).to_have_count(0)
    look(proctor, "room-end-proposed")
    assert candidate.attempt().state == "in_progress"
    lead.page.goto(stack.link(Role.LEAD_PROCTOR))
    lead.page.locator("main form button").first.click()
    lead.page.wait_for_url("**/proctor/")
    expect(lead.page.locator("main")).to_contain_text("1 proposal to end a test waits for you.")
    lead.page.goto(proctor.page.url)
    lead.page.get_by_role("button", name="Confirm: end this test").click()
    candidate.page.wait_for_url("**/receipt")
    expect(candidate.page.locator("h1")).to_have_text("Your test was stopped")
    expect(candidate.page.get_by_role("heading", name="What happens next")).to_have_count(0)
    assert (candidate.attempt().state, candidate.chosen()) == ("terminated", {1: "a"})

    proctor.page.reload()
    proctor.page.get_by_role("button", name=f"free seat {place}").click()
    expect(proctor.page.locator("main")).to_contain_text("The seat is free.")
    proctor.page.goto(f"{proctor.base}/seats")
    expect(proctor.page.locator(f"[data-seat='{place}']")).to_contain_text("free")


def open_all(page):
    page.locator("details").evaluate_all("all => all.forEach(one => (one.open = true))")


def to(page, selector):
    for _ in range(150):
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector} on {page.url}")


def test_from_the_desk_to_the_receipt_by_keyboard_alone(window, stack):
    proctor, candidate = window(RoomProctor), window(Seated)
    proctor.come_in()
    code = proctor.make_code()
    with stack.db.write() as session:
        place = demo.open_room(session)
        person = setup.add_candidate(session, "room", clock.now(), place)
        person.name = "Key Only"
        number = person.candidate_number
    page = proctor.page
    page.goto(proctor.base)
    to(page, "input[name=q]")
    # Found as one types, without a press; the address holds it.
    page.keyboard.type("key onl")
    expect(page.locator("[data-row]")).to_have_count(1)
    assert "q=key" in page.url
    expect(page.locator("[data-found]")).to_have_text("1 candidate found.")
    to(page, "[data-row] a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/people/*")
    to(page, "input[name=identity]")
    page.keyboard.press("ArrowDown")
    to(page, "form[action$='/seat'] button")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Key Only has seat")
    page = candidate.page
    page.goto(f"{stack.url}/candidate/workstation")
    to(page, "#number")
    page.keyboard.type(number)
    to(page, "#code")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/candidate/workstation/\d+$"))
    candidate.attempt_id = int(page.url.rsplit("/", 1)[1])
    to(page, "main a.usa-button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rules")
    to(page, "main button[type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/test")
    candidate.ready()
    to(page, "fieldset:not([hidden]) input[type=radio]")
    page.keyboard.press("Space")
    candidate.saved()
    to(page, "[data-do=review]")
    page.keyboard.press("Enter")
    to(page, "[data-do=ask_submit]")
    page.keyboard.press("Enter")
    to(page, "[data-do=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/receipt", timeout=20_000)


def test_the_room_is_run_without_a_script(window, stack):
    proctor = window(RoomProctor, java_script_enabled=False)
    page = proctor.page
    proctor.come_in()
    proctor.make_code()
    page.locator("#q").fill("ironbark")
    page.get_by_role("button", name="Find").click()
    assert page.locator("[data-row]").count() == 1
    page.locator("[data-row] a").click()
    page.locator("label[for=identity-city_badge]").click()
    page.get_by_role("button", name="Checked: give this seat").click()
    expect(page.locator("main")).to_contain_text("Ivy Ironbark has seat")
    with stack.db.read() as session:
        rows = room_queries.roster(session, demo.open_room(session), clock.now())
        assert next(row for row in rows if row.name == "Ivy Ironbark").standing is Standing.SEATED


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_the_room_and_the_workstation(window, stack, seat, width):
    name = f"Wide {width}"
    number, _ = seat(name)
    height = 900 if width > 400 else 640
    proctor, candidate = window(RoomProctor, width=width, height=height), window(Seated, width=width, height=height)
    proctor.come_in()
    page = proctor.page
    if page.get_by_role("button", name="Make the start code").count():
        look(proctor, "room-no-code")
    code = proctor.make_code()
    look(proctor, "room-roster")
    for part in ("seats", "board", "irregularities", "report"):
        page.goto(f"{proctor.base}/{part}")
        look(proctor, f"room-{part}")
    page.goto(f"{proctor.base}?q=nobody-of-this-name")
    look(proctor, "room-nobody")
    for show in ("expected", "seated", "no_show"):
        page.goto(f"{proctor.base}?show={show}")
        page.locator("[data-row] a").first.click()
        page.wait_for_url("**/people/*")
        open_all(page)
        look(proctor, f"room-person-{show}")
    page.goto(f"{proctor.base}/irregularities")
    page.locator("#text").fill("A door fell shut.")
    page.locator("#what").select_option("environment/noise")
    page.get_by_role("button", name="File the report").click()
    page.wait_for_load_state()
    page.locator("article details summary").last.click()
    look(proctor, "room-irregularities-one")

    screen = candidate.page
    screen.goto(f"{stack.url}/candidate/workstation")
    look(candidate, "workstation")
    screen.locator("#number").fill(number)
    screen.locator("#code").fill("xxxxxx")
    screen.get_by_role("button", name="Continue").click()
    look(candidate, "workstation-wrong")
    screen.goto(f"{stack.url}/candidate/workstation/move")
    look(candidate, "workstation-move")
    candidate.sit_down(number, code)
    look(candidate, "workstation-confirm")
    screen.get_by_role("link", name="Yes, this is me").click()
    look(candidate, "workstation-rules")
    candidate.begin()
    candidate.choose(1)
    candidate.saved()
    look(candidate, "workstation-test")
    proctor.person(name)
    open_all(page)
    look(proctor, "room-person-testing")
    page.get_by_role("button", name="Move, and make a code").click()
    page.wait_for_load_state()
    look(proctor, "room-take-over")
    page.goto(proctor.base)
    page.get_by_role("button", name="Pause the room").click()
    page.wait_for_load_state()
    look(proctor, "room-paused")
    expect(candidate.page.locator("[data-panel=paused]")).to_be_visible(timeout=12_000)
    look(candidate, "workstation-paused")
    page.get_by_role("button", name="Let the room go on").click()
    candidate.ready()
    screen.locator("[data-do=messages]:visible").first.click()
    look(candidate, "workstation-help")
    screen.keyboard.press("Escape")
    candidate.hand_in()
    look(candidate, "workstation-receipt")
