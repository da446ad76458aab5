"""A real Chromium with a camera, and the pages as a person uses them."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from testing_platform import clock
from testing_platform.accounts.rules import Role
from testing_platform.delivery import service
from testing_platform.delivery.models import Attempt, Response
from tests.postgres import Postgres
from tests.stack import Stack, running

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or "chromium"
# The first are Playwright's own, which a second flag of this name replaces. The last three draw pages of their own beside each window, and take
# three quarters of the processor time of opening one.
WITHOUT = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,"
    "PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,"
    "PreconnectToSearch,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"
)
FLAGS = [
    f"--disable-features={WITHOUT}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
# A busy machine draws a page late; what must be quick says its own time.
expect.set_options(timeout=20_000)
CLIP = ROOT.parent / "shared" / "media" / "clips" / "one_face_a.mjpeg"


def write_y4m(path: Path, frames: list[np.ndarray], fps: int = 10) -> Path:
    height, width = frames[0].shape[:2]
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            out.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person before the camera: a clip where there is one, else the astronaut of scikit-image, moved and with noise."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    rng = np.random.default_rng(7)
    if CLIP.exists():
        data = CLIP.read_bytes()
        starts = [i for i in range(len(data) - 2) if data[i : i + 3] == b"\xff\xd8\xff"]
        pictures = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
        frames = [cv2.resize(cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR), (640, 480)) for one in pictures[:60]]
    else:
        from skimage.data import astronaut

        face = cv2.cvtColor(cv2.resize(astronaut()[:400, 60:460], (480, 480)), cv2.COLOR_RGB2BGR)
        frames = []
        for n in range(60):
            room = np.full((480, 640, 3), 150, np.uint8)
            x = 80 + round(8 * np.sin(n / 9))
            room[:, x : x + 480] = face
            frames.append(room)
    noisy = [np.clip(frame + rng.normal(0, 1.5, (480, 640, 1)), 0, 255).astype(np.uint8) for frame in frames]
    return write_y4m(path, noisy)


# What runs for a journey ends with the last of them: the other tests have the machine to themselves.
@pytest.fixture(scope="package")
def stack_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True) as found:
        yield found


@pytest.fixture(scope="package")
def stack_on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack"), log_level="warning", demo=True, database=postgres.empty()) as found:
        yield found


@pytest.fixture
def stack(kind: str, request: pytest.FixtureRequest) -> Stack:
    found: Stack = request.getfixturevalue(f"stack_on_{kind}")
    return found


@pytest.fixture(scope="package")
def pw() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def chromium(pw: Playwright, camera: Path) -> Iterator[Browser]:
    browser = pw.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"])
    yield browser
    browser.close()


@dataclass
class Person:
    """One browser window, and what went wrong in it."""

    context: BrowserContext
    page: Page
    stack: Stack
    troubles: list[str] = field(default_factory=list)
    attempt_id: int = 0

    def watch(self, page: Page) -> Page:
        page.on("pageerror", lambda problem: self.troubles.append(f"error: {problem}"))
        page.on("console", lambda message: self.troubles.append(f"console: {message.text}") if _is_trouble(message) else None)
        return page

    def violations(self) -> list[dict[str, Any]]:
        """What axe-core finds on the page as it stands."""
        self.page.evaluate(f"{(ROOT / 'node_modules/axe-core/axe.min.js').read_text()}; 0")
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        found = self.page.evaluate("options => axe.run(document, options).then(result => result.violations)", options)
        return [{"id": one["id"], "nodes": [node["html"][:200] for node in one["nodes"]]} for one in found]

    def fits(self) -> bool:
        """No sideways scroll at the width that the page has."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def _is_trouble(message: Any) -> bool:
    """A policy violation or a script's error; a request that failed because the test cut the line is none."""
    return message.type == "error" and not any(
        word in message.text for word in ("net::ERR_", "WebSocket connection", "Failed to load resource", "status of 50")
    )


class Candidate(Person):
    def sign_in(self, code: str) -> None:
        self.page.goto(f"{self.stack.url}/candidate/sign-in")
        self.page.locator("#code").fill(code)
        self.page.locator("main form button").first.click()
        expect(self.page).to_have_url(f"{self.stack.url}/candidate/")

    def check_in(self) -> None:
        page = self.page
        page.locator("main form button, main a.usa-button").first.click()
        page.wait_for_url("**/consent")
        self.attempt_id = int(page.url.split("/")[-2])
        for name in page.locator("input[type=radio]").evaluate_all("all => [...new Set(all.map(one => one.name))]"):
            page.locator(f"input[name='{name}'] + label").first.click()
        page.locator("main button[type=submit]").last.click()
        page.wait_for_url("**/system-check")
        page.get_by_role("button", name="Start the check").click()
        page.locator("[data-next]").click(timeout=30_000)
        page.wait_for_url("**/photo")
        page.get_by_role("button", name="Take photo").click()
        page.get_by_role("button", name="Use this photo").click()
        page.wait_for_url("**/waiting")

    def begin(self) -> None:
        self.page.wait_for_url("**/rules", timeout=15_000)
        self.page.get_by_role("button", name="Begin").click()
        self.page.wait_for_url("**/test")
        self.ready()

    def ready(self) -> None:
        expect(self.page.locator("[data-cover]")).to_be_hidden(timeout=15_000)

    def choose(self, number: int) -> None:
        """The option of that position, 1 to 4, of the question that is shown."""
        self.page.locator("fieldset:visible .usa-radio label").nth(number - 1).click()

    def next(self) -> None:
        self.page.locator("[data-do=next]").click()

    def saved(self) -> None:
        expect(self.page.locator("[data-saved]")).to_contain_text("All answers saved", timeout=15_000)

    def hand_in(self) -> None:
        self.page.locator("[data-do=review]:visible").last.click()
        self.page.locator("[data-do=ask_submit]").click()
        self.page.locator("[data-do=submit]").click()
        self.page.wait_for_url("**/receipt", timeout=20_000)

    def attempt(self) -> Attempt:
        with self.stack.db.read() as session:
            return session.get_one(Attempt, self.attempt_id)

    def chosen(self) -> dict[int, str]:
        with self.stack.db.read() as session:
            return service.chosen(session, self.attempt_id)

    def events(self) -> list[Response]:
        with self.stack.db.read() as session:
            return list(session.query(Response).where(Response.attempt_id == self.attempt_id).order_by(Response.device, Response.seq))

    def admit_in_database(self) -> None:
        """For journeys in which the proctor is not the point."""
        with self.stack.db.write() as session:
            attempt = session.get_one(Attempt, self.attempt_id)
            service.move(session, attempt, service.Event.ADMIT, service.Who.PROCTOR, clock.now())

    def clock_seconds(self) -> int:
        text = self.page.locator("[data-clock-time]").inner_text()
        parts = [int(part) for part in text.split(":")]
        return sum(part * 60**power for power, part in enumerate(reversed(parts)))


class Proctor(Person):
    def open_console(self, role: Role = Role.PROCTOR, number: int = 0) -> None:
        self.page.goto(self.stack.link(role, number))
        self.page.get_by_role("button").filter(has_text="Continue").or_(self.page.locator("main form button")).first.click()
        self.page.wait_for_url(re.compile(r"/proctor/(sessions/\d+)?$"))
        if self.page.url.endswith("/proctor/"):
            # A lead has the room as well, and chooses.
            self.page.locator("main a[href*='/proctor/sessions/']").first.click()
        self.page.wait_for_url("**/proctor/sessions/*")

    def tile(self, name: str) -> Any:
        return self.page.locator("li.tile", has_text=name)

    def waiting(self, name: str) -> Any:
        return self.page.locator("li.queue__item", has_text=name)

    def act(self, name: str, **fields: str) -> None:
        self.page.locator(f"[data-part=focus] [data-act={name}]").click()
        dialog = self.page.locator("dialog#act")
        for field_name, value in fields.items():
            control = dialog.locator(f"[name={field_name}]")
            if control.evaluate("one => one.tagName") == "SELECT":
                control.select_option(value)
            else:
                control.fill(value)
        dialog.locator("form button:visible").first.click()
        expect(dialog).to_be_hidden()


@pytest.fixture
def window(chromium: Browser, stack: Stack) -> Iterator[Any]:
    """`window(Candidate)`, `window(Proctor, width=320)`: a fresh browser profile; troubles in any of them fail the test."""
    opened: list[Person] = []

    def make(kind: type[Person], width: int = 1280, height: int = 900, **more: Any) -> Person:
        context = chromium.new_context(viewport={"width": width, "height": height}, permissions=["camera"], **more)
        context.set_default_timeout(20_000)
        person = kind(context, context.new_page(), stack)
        person.watch(person.page)
        opened.append(person)
        return person

    yield make
    troubles = [trouble for person in opened for trouble in person.troubles]
    for person in opened:
        person.context.close()
    assert troubles == []


@pytest.fixture
def taking(window: Any, stack: Stack) -> Any:
    """A candidate who has begun, for journeys that start there."""

    def make(name: str | None = None, **more: Any) -> Candidate:
        candidate = window(Candidate, **more)
        _, code = stack.candidate(name)
        candidate.sign_in(code)
        candidate.check_in()
        candidate.admit_in_database()
        candidate.begin()
        return candidate  # type: ignore[no-any-return]

    return make
