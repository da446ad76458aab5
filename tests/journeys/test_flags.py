"""(e) Two people before one camera: a flag for a proctor to look at, and a test that goes on as if there were none."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Error, expect
from sqlalchemy import select

from testing_platform.proctor.models import Flag
from tests.journeys.conftest import CHROMIUM, CLIP, FLAGS, Candidate, Proctor, write_y4m

NAME = "Rosalind Twoface"


ALONE, TOGETHER, FPS = 16, 160, 2  # seconds, from when the camera is opened


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera with a camera's noise: first one person before it, then two. From the clips where there are some, else from scikit-image's astronaut."""
    clips = [CLIP.parent / name for name in ("one_face_a.mjpeg", "two_faces.mjpeg")]
    if all(clip.exists() for clip in clips):
        first, second = ([_decoded(b"\xff\xd8\xff" + one) for one in clip.read_bytes().split(b"\xff\xd8\xff")[1:41]] for clip in clips)
    else:
        first, second = [_drawn(n, 1) for n in range(40)], [_drawn(n, 2) for n in range(40)]
    rng = np.random.default_rng(7)
    frames = [first[n % 40] for n in range(ALONE * FPS)] + [second[n % 40] for n in range(TOGETHER * FPS)]
    noisy = [np.clip(frame + rng.normal(0, 1.5, (240, 320, 1)), 0, 255).astype(np.uint8) for frame in frames]
    return write_y4m(tmp_path_factory.mktemp("two") / "two.y4m", noisy, FPS)


def _decoded(jpeg):
    return cv2.resize(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), (320, 240), interpolation=cv2.INTER_AREA)


def _drawn(n, people):
    from skimage.data import astronaut

    face = cv2.cvtColor(cv2.resize(astronaut()[:360, 80:380], (150, 180)), cv2.COLOR_RGB2BGR)
    room, sway = np.full((240, 320, 3), 150, np.uint8), round(3 * np.sin(n / 6))
    for left, one in [(4 + sway, face), (164 - sway, face[:, ::-1])][:people]:
        room[55:235, left : left + 150] = one
    return room


@pytest.fixture
def seen_twice(pw, stack, two_people):
    """A candidate's browser whose camera shows two people."""
    browser = pw.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={two_people}"])
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"])
    context.set_default_timeout(20_000)
    candidate = Candidate(context, context.new_page(), stack)
    candidate.watch(candidate.page)
    yield candidate
    assert candidate.troubles == []
    browser.close()


def text_of(reply):
    """What a call of the page's own was answered; of a page that was left meanwhile there is none."""
    if "/api/" not in reply.url:
        return ""
    try:
        return reply.text()
    except Error:
        return ""


def test_a_second_face_is_a_flag_that_a_proctor_dismisses_and_the_test_goes_on_untouched(stack, window, seen_twice):
    candidate, proctor, colleague = seen_twice, window(Proctor), window(Proctor)
    heard: list[str] = []
    candidate.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    candidate.page.on("response", lambda reply: heard.append(text_of(reply)))
    _, code = stack.candidate(NAME)
    candidate.sign_in(code)
    candidate.check_in()
    candidate.admit_in_database()
    candidate.begin()
    candidate.choose(2)
    candidate.next()
    candidate.saved()
    before = candidate.attempt()

    # The tile says it in a word, while it lasts.
    for one, number in ((proctor, 0), (colleague, 1)):
        one.open_console(number=number)
    tile = proctor.tile(NAME)
    expect(tile.locator("[data-part=flag]")).to_contain_text("2 people", timeout=30_000)
    proctor.page.locator("[data-filter=flags]").click()
    expect(proctor.page.locator("li.tile")).to_have_count(1)

    # One candidate, large: by keyboard to the flag, with three pictures that can be enlarged.
    tile.locator("button").click()
    focus = proctor.page.locator("[data-part=focus]")
    expect(focus.locator("[data-part=flags-jump]")).to_have_text("1 flag to look at")
    proctor.page.keyboard.press("f")
    card = focus.locator("div.flag")
    expect(card).to_be_focused()
    expect(card).to_contain_text("More than one person")
    pictures = card.locator(".flag__frames img")
    expect(pictures).to_have_count(3, timeout=30_000)
    for n in range(3):
        expect(pictures.nth(n)).to_have_js_property("complete", True)
        assert pictures.nth(n).evaluate("one => one.naturalWidth") in (320, 640)
    found = proctor.violations()
    assert found == [], found
    card.locator(".flag__frames button").nth(1).click()
    expect(proctor.page.locator("dialog#still img")).to_be_visible()
    proctor.page.keyboard.press("Escape")
    expect(focus.locator("[data-part=timeline] .flags__flag")).to_contain_text("nobody has looked at it yet")

    # A colleague looks at the same card and sees the decision come.
    colleague.tile(NAME).locator("button").click()
    theirs = colleague.page.locator("[data-part=focus] div.flag")
    expect(theirs.locator("[data-part=dismiss]")).to_be_visible()
    card.locator("[data-part=flag-note]").fill("Twins before one camera.")
    card.focus()
    proctor.page.keyboard.press("d")
    expect(card.locator("[data-part=flag-decided]")).to_have_text(re.compile(r"^Dismissed by .+: nothing to see\.$"))
    expect(theirs.locator("[data-part=flag-said]")).to_have_text("Note: Twins before one camera.", timeout=3_000)
    expect(theirs.locator("[data-part=dismiss]")).to_be_hidden()
    expect(proctor.page.locator("[data-part=focus] [data-part=flags-jump]")).to_have_text("1 flag, decided")
    expect(colleague.tile(NAME).locator("[data-part=flag]")).to_be_hidden()

    # The test has felt nothing of it, and its page was told nothing.
    after = candidate.attempt()
    assert {c.name: getattr(before, c.key) for c in before.__table__.columns} == {
        c.name: getattr(after, c.key) for c in after.__table__.columns
    }
    candidate.choose(3)
    candidate.next()
    candidate.saved()
    candidate.hand_in()
    assert candidate.chosen().keys() == {1, 2}
    assert heard
    assert not [one for one in heard if "flag" in one.replace("flagged", "").replace("unflagged", "") or "multiple_faces" in one]
    with stack.db.read() as session:
        flag = session.scalars(select(Flag).where(Flag.attempt_id == candidate.attempt_id)).one()
    assert (flag.outcome, flag.signal) == ("dismissed", "multiple_faces")
    assert flag.ended_at is None or flag.ended_at >= flag.began_at


@pytest.mark.parametrize("width", [320])
def test_flags_fit_a_narrow_window(stack, window, seen_twice, width):
    candidate, proctor = seen_twice, window(Proctor, width=width)
    _, code = stack.candidate(f"{NAME} {width}")
    candidate.sign_in(code)
    candidate.check_in()
    candidate.admit_in_database()
    candidate.begin()
    proctor.open_console()
    tile = proctor.tile(f"{NAME} {width}")
    expect(tile.locator("[data-part=flag]")).to_contain_text("2 people", timeout=30_000)
    assert proctor.fits()
    tile.locator("button").click()
    proctor.page.locator("[data-part=flags-jump]").click()
    expect(proctor.page.locator("div.flag")).to_be_focused()
    assert proctor.fits()
    assert proctor.violations() == []
