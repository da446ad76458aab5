"""`python -m testing_platform.demo.crowd`: simulated candidates and a simulated proctor, so that a console has someone to watch.

They come over HTTP and the live socket like everyone; only their admission codes are taken from the database.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import click
import structlog

from testing_platform import models
from testing_platform.bus import open_database
from testing_platform.demo import setup
from testing_platform.demo.client import Away, CandidateClient, ProctorClient, Refused, delay
from testing_platform.demo.figures import Figure, Scene
from testing_platform.settings import Settings
from testing_platform.web.logs import configure

assert models.metadata.tables

log = structlog.get_logger("crowd")
T = TypeVar("T")

ARRIVE_WITHIN = 18.0
# Who begins in this time after the start is given a test that has been going on for a while.
HEAD_START_WITHIN = 90.0
LEFT_WAITING = 3
ADMITTED_AFTER_ALL = 600.0
# A visitor who sits at both windows is quicker than this; one who came as a candidate alone must not wait for ever.
VISITOR_PATIENCE = 45.0
ROUND = 3.0
# What someone's camera shows, from how many seconds after the start and for how long: a few flags in the first minutes, then one now and then.
HAPPENINGS = ((60.0, Scene.AWAY, 12.0), (110.0, Scene.VISITED, 10.0), (200.0, Scene.AWAY, 11.0))
HAPPENS_EACH = (240.0, 480.0)

QUESTIONS = (
    "May I drink some water?",
    "My dog is barking. Is that all right?",
    "Can I use scratch paper?",
    "Is there a break?",
    "Does a question without an answer count against me?",
    "Can you still see me?",
    "I heard the doorbell. May I stay seated?",
    "Can I go back to an earlier question?",
)
REPLIES = (
    "Yes, that is fine.",
    "Yes. Please stay where I can see you.",
    "That is all right, go on.",
    "Yes, I can see you well.",
    "Please look at the rules on your screen, or call the help desk if you are not sure.",
)
NOTES = ("Please move a little closer to the camera.", "Please turn on a light in front of you.", "Your picture is a little dark.")
PAGE_EVENTS = (("focus_lost", "focus_back"), ("fullscreen_exit", "focus_back"))


async def patiently(step: Callable[[], Awaitable[T]], chance: random.Random) -> T:
    """Try until the server is there. Raises Refused when it says no."""
    failures = 0
    while True:
        try:
            return await step()
        except Away as away:
            failures += 1
            await asyncio.sleep(delay(failures, chance, away.retry_after))


class Member:
    """One simulated candidate, from arrival to receipt."""

    def __init__(
        self, person_id: int, code: str, base: str, connector: aiohttp.BaseConnector, *, arrives_in: float, head_start_until: float
    ) -> None:
        self.person_id = person_id
        self.code = code
        self.arrives_in = arrives_in
        self.head_start_until = head_start_until
        self.chance = random.Random(f"crowd {person_id}")
        self.figure = Figure(person_id)
        self.began = time.monotonic()
        self.client = CandidateClient(base, still=self._still, seed=person_id, connector=connector)
        self.pace = self.chance.uniform(15, 30)
        self.scene = Scene.ALONE
        self.people_only = False
        self.unsaved = asyncio.Event()
        self.helpers: list[asyncio.Task[Any]] = []

    def _still(self, width: int, height: int) -> bytes:
        return self.figure.still(time.monotonic() - self.began, width, height, self.scene)

    async def show(self, scene: Scene, seconds: float) -> None:
        self.scene = scene
        await asyncio.sleep(seconds)
        self.scene = Scene.ALONE

    async def _try(self, step: Callable[[], Awaitable[T]]) -> T:
        return await patiently(step, self.chance)

    async def run(self) -> None:
        try:
            await asyncio.sleep(self.arrives_in)
            await self._try(lambda: self.client.sign_in(self.code))
            await self._try(self.client.check_in)
            if await self._check_in():
                await self._take_test()
        except Refused as refusal:
            log.info("candidate.left", attempt=self.client.attempt, why=str(refusal))
        finally:
            for helper in self.helpers:
                helper.cancel()
            await asyncio.gather(*self.helpers, return_exceptions=True)
            await self.client.close()

    def _prefer(self, kind: str, choices: list[str]) -> str:
        if kind != "detectors" or "people_only" not in choices:
            return choices[0]
        self.people_only = self.chance.random() < 0.15
        return "people_only" if self.people_only else choices[0]

    async def _check_in(self) -> bool:
        """From wherever this candidate stands to the test; false when there is no test to take any more."""
        client, refusals = self.client, 0
        while True:
            step = await self._try(client.step)
            # Within the first seconds the room fills; later arrivals read what they are asked.
            await asyncio.sleep(self.chance.uniform(0.2, 1) if time.monotonic() < self.head_start_until else self.chance.uniform(2, 9))
            try:
                match step:
                    case "consent":
                        await self._try(lambda: client.consent(self._prefer))
                    case "system-check":
                        await self._try(client.system_check)
                    case "photo":
                        await self._try(client.photo)
                    case "waiting":
                        self._help(client.live_forever)
                        while not (await self._try(client.place))["next"]:
                            await asyncio.sleep(3)
                    case "rules":
                        self._help(client.live_forever)
                        await asyncio.sleep(self.chance.uniform(1, 6))
                        await self._try(client.begin)
                    case "test":
                        return True
                    case _:
                        return False
            except Refused as refusal:
                # The proctor may have moved this candidate between the look and the step: look again.
                refusals += 1
                if refusal.status in (401, 404) or refusals > 5:
                    raise

    def _help(self, work: Callable[[], Any]) -> None:
        if not any(helper.get_name() == work.__name__ and not helper.done() for helper in self.helpers):
            self.helpers.append(asyncio.create_task(work(), name=work.__name__))

    # ------------------------------------------------------------ the test

    async def _take_test(self) -> None:
        client = self.client
        await self._try(client.open_test)
        for work in (
            client.live_forever,
            self._stay_in_contact,
            self._save_forever,
            self._lose_line_now_and_then,
            self._notice_now_and_then,
        ):
            self._help(work)
        given = {int(slot): answer["option"] for slot, answer in client.player["answers"].items() if answer["option"]}
        self._head_start(given)
        while client.status not in ("submitted", "ended", "moved"):
            open_slots = [slot for slot in client.slots if slot not in given]
            if not open_slots:
                break
            await asyncio.sleep(self.chance.uniform(self.pace * 0.7, self.pace * 1.5))
            if self.chance.random() < 0.03:
                await asyncio.sleep(self.chance.uniform(40, 90))  # looks out of the window
            if client.status != "running" or client.covered:
                continue
            # Mostly in order, sometimes leaving one for later.
            slot = open_slots[1] if len(open_slots) > 1 and self.chance.random() < 0.1 else open_slots[0]
            self._answer(slot, given)
            if self.chance.random() < 0.012:
                with contextlib.suppress(Away, Refused):
                    await client.write(self.chance.choice(QUESTIONS))
        await self._hand_in()

    def _answer(self, slot: int, given: dict[int, str]) -> None:
        journal, elapsed = self.client.journal, int(self.pace * 1000)
        options = self.client.slots[slot]
        if self.chance.random() < 0.06:
            journal.note(slot, "struck", self.chance.choice(options), 2000)
        given[slot] = self.chance.choice(options)
        journal.note(slot, "answered", given[slot], elapsed)
        if self.chance.random() < 0.12:
            journal.note(slot, "flagged")
        if given and self.chance.random() < 0.08:
            back = self.chance.choice(sorted(given))
            given[back] = self.chance.choice(self.client.slots[back])
            journal.note(back, "answered", given[back], 6000)
            journal.note(back, "unflagged")
        self.unsaved.set()

    def _head_start(self, given: dict[int, str]) -> None:
        if given or time.monotonic() > self.head_start_until:
            return
        for slot in list(self.client.slots)[: self.chance.randint(2, len(self.client.slots) * 4 // 5)]:
            given[slot] = self.chance.choice(self.client.slots[slot])
            self.client.journal.note(slot, "answered", given[slot], int(self.chance.uniform(8, 40) * 1000))
            if self.chance.random() < 0.12:
                self.client.journal.note(slot, "flagged")
        self.unsaved.set()

    async def _hand_in(self) -> None:
        client = self.client
        while client.status not in ("submitted", "ended", "moved"):
            await asyncio.sleep(self.chance.uniform(5, 20))
            if client.status != "running" or client.covered or client.journal.waiting:
                self.unsaved.set()
                continue
            try:
                await self._try(client.submit_test)
            except Refused:
                await asyncio.sleep(5)
        log.info("candidate.through", attempt=client.attempt, status=client.status)

    async def _save_forever(self) -> None:
        client, failures = self.client, 0
        while True:
            await self.unsaved.wait()
            self.unsaved.clear()
            try:
                while await client.save():
                    pass
                failures = 0
            except Away as away:
                failures += 1
                await asyncio.sleep(delay(failures, self.chance, away.retry_after))
                self.unsaved.set()
            except Refused as refusal:
                log.info("answer.refused", attempt=client.attempt, why=str(refusal))

    async def _stay_in_contact(self) -> None:
        """State each ten seconds, or at once when the server says that something changed."""
        client = self.client
        while True:
            with contextlib.suppress(TimeoutError):
                # A covered page tries more often: the candidate looks at a sentence that says so.
                await asyncio.wait_for(
                    client.sync.wait(), 2 if client.covered or client.status == "covered" else client.player["state_seconds"]
                )
            client.sync.clear()
            try:
                await client.stay_in_contact()
            except (Away, Refused):
                continue
            if client.journal.waiting:
                self.unsaved.set()

    async def _lose_line_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / 540) + 20)
            seconds = self.chance.uniform(8, 40)
            log.debug("line.lost", attempt=self.client.attempt, seconds=round(seconds))
            await self.client.lose_line(seconds)
            self.client.sync.set()

    async def _notice_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / 900) + 30)
            left, back = self.chance.choice(PAGE_EVENTS)
            self.client.notice(left)
            await asyncio.sleep(self.chance.uniform(2, 12))
            self.client.notice(back)


@dataclass
class Seen:
    """What the simulated proctor remembers of an attempt: since when it is as it is, and how long to let it be."""

    what: tuple[str, bool]
    since: float
    patience: float


@dataclass
class Proctor:
    """Lets people in, answers them, and leaves something to do for a visitor."""

    client: ProctorClient
    # Attempts of the crowd; the others are visitors'.
    own: Callable[[], set[int]]
    left_waiting: int
    chance: random.Random = field(default_factory=random.Random)
    seen: dict[int, Seen] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)

    async def run(self) -> None:
        while True:
            try:
                await patiently(self.client.open_door, self.chance)
                page, _ = await patiently(lambda: self.client.page("/proctor/"), self.chance)
                sessions = [int(part[2]) for link in page.links if (part := link.strip("/").split("/"))[:2] == ["proctor", "sessions"]]
                if sessions:
                    await self._watch(max(sessions))
            except Refused as refusal:
                log.info("proctor.refused", why=str(refusal))
            await asyncio.sleep(10)

    async def _watch(self, session_id: int) -> None:
        pause_at = time.monotonic() + self.chance.uniform(100, 200)
        while True:
            rows = await patiently(lambda: self.client.ask_rows(session_id), self.chance)
            for act in self.due(list(rows.values()), time.monotonic()):
                await self._do(*act)
            if time.monotonic() >= pause_at:
                pause_at = time.monotonic() + self.chance.uniform(200, 400)
                await self._pause_someone(rows)
            await asyncio.sleep(ROUND)

    def due(self, rows: list[dict[str, Any]], now: float) -> list[tuple[int, str, dict[str, Any]]]:
        """Which acts are due: (attempt, act, fields)."""
        own = self.own()
        for row in rows:
            what = (row["state"], row["unread"] > 0)
            known = self.seen.get(row["id"])
            if known is None or known.what != what:
                patience = self.chance.uniform(5, 15) if row["id"] in own else VISITOR_PATIENCE
                if row["state"] == "paused_proctor":
                    patience = self.chance.uniform(20, 40)
                self.seen[row["id"]] = Seen(what, now, patience)
        queue = sorted((row for row in rows if row["state"] == "awaiting" and row["id"] in own), key=lambda row: row["waiting_since"] or 0)
        stay = {row["id"] for row in queue[: self.left_waiting]}
        acts: list[tuple[int, str, dict[str, Any]]] = []
        for row in rows:
            seen = self.seen[row["id"]]
            waited = now - seen.since
            match row["state"]:
                case "awaiting" if waited >= (ADMITTED_AFTER_ALL if row["id"] in stay else seen.patience / (4 if row["id"] in own else 1)):
                    acts.append((row["id"], "admit", {}))
                case "awaiting_resume" if waited >= seen.patience:
                    acts.append((row["id"], "resume", {"note": "Spoke with the candidate."}))
                case "paused_proctor" if row["id"] in self.paused and waited >= seen.patience:
                    acts.append((row["id"], "resume", {"note": "Settled."}))
            if row["unread"] and waited >= seen.patience:
                acts.append((row["id"], "message", {"text": self.chance.choice(REPLIES)}))
        return acts

    async def _do(self, attempt_id: int, act: str, fields: dict[str, Any]) -> None:
        try:
            await self.client.act(attempt_id, act, **fields)
            if act == "resume":
                self.paused.discard(attempt_id)
        except Away:
            pass
        except Refused as refusal:
            # Someone else was quicker, or the session was taken away from this proctor.
            if refusal.status in (401, 403):
                raise

    async def _pause_someone(self, rows: dict[int, dict[str, Any]]) -> None:
        running = [
            row["id"] for row in rows.values() if row["state"] == "in_progress" and row["link"] == "online" and row["id"] in self.own()
        ]
        if not running:
            return
        attempt_id, note = self.chance.choice(running), self.chance.choice(NOTES)
        self.paused.add(attempt_id)
        await self._do(attempt_id, "pause", {"reason": {"category": "look_at_room", "text": note}})


class Crowd:
    def __init__(self, settings: Settings, count: int) -> None:
        self.settings = settings
        self.count = count
        self.db = open_database(settings)
        self.base = settings.public_url.rstrip("/")
        self.chance = random.Random(count)
        self.members: dict[asyncio.Task[None], Member] = {}

    def _codes(self, count: int) -> list[tuple[int, str]]:
        with self.db.write() as session:
            codes = setup.crowd_codes(session, self.settings, count)
            people = setup.still_to_test(session, "crowd")
            return [(person.id, code) for person, code in zip(people, codes, strict=False)]

    async def _wait_for_server(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with http.get(self.base + "/healthz") as reply:
                        if reply.status == 200:
                            return
                await asyncio.sleep(0.3)

    async def _fill(self, connector: aiohttp.BaseConnector, first: bool) -> None:
        """Let someone come for every empty place."""
        here = {member.person_id for member in self.members.values()}
        try:
            codes = await asyncio.to_thread(self._codes, self.count)
        except Exception as problem:
            log.warning("codes", kind=type(problem).__name__)
            return
        began = time.monotonic()
        for person_id, code in [one for one in codes if one[0] not in here][: self.count - len(here)]:
            arrives_in = self.chance.uniform(0, ARRIVE_WITHIN) if first else self.chance.uniform(3, 20)
            member = Member(
                person_id, code, self.base, connector, arrives_in=arrives_in, head_start_until=began + HEAD_START_WITHIN if first else 0
            )
            self.members[asyncio.create_task(member.run())] = member

    async def happen_forever(self) -> None:
        """Now and then someone leaves the picture for a moment, or is not alone in it: something for the detectors to notice and a visitor to decide."""
        begun, planned, shown = time.monotonic(), list(HAPPENINGS), set[int]()
        while True:
            after, scene, seconds = (
                planned.pop(0)
                if planned
                else (time.monotonic() - begun + self.chance.uniform(*HAPPENS_EACH), self.chance.choice((Scene.AWAY, Scene.VISITED)), 11.0)
            )
            await asyncio.sleep(max(0.0, begun + after - time.monotonic()))
            seen = [m for m in self.members.values() if m.client.status == "running" and not m.people_only and not m.client.offline]
            if chosen := [m for m in seen if m.person_id not in shown] or seen:
                member = self.chance.choice(chosen)
                shown.add(member.person_id)
                log.debug("happening", attempt=member.client.attempt, scene=scene)
                await member.show(scene, seconds)

    async def run(self) -> None:
        await self._wait_for_server()
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=60)
        proctor = Proctor(
            ProctorClient(self.base, connector=connector),
            lambda: {m.client.attempt for m in self.members.values()},
            min(LEFT_WAITING, self.count // 6),
        )
        watching = asyncio.create_task(proctor.run())
        happening = asyncio.create_task(self.happen_forever())
        try:
            await self._fill(connector, first=True)
            log.info("crowd.ready", candidates=len(self.members))
            while True:
                await asyncio.sleep(5)
                for task in [task for task in self.members if task.done()]:
                    del self.members[task]
                    if problem := task.exception():
                        log.error("candidate", kind=type(problem).__name__, exc_info=problem)
                if watching.done():
                    log.error("proctor", exc_info=watching.exception())
                    watching = asyncio.create_task(proctor.run())
                if len(self.members) < self.count:
                    await self._fill(connector, first=False)
        finally:
            for task in (watching, happening, *self.members):
                task.cancel()
            await asyncio.gather(watching, happening, *self.members, return_exceptions=True)
            await proctor.client.close()
            await connector.close()
            self.db.close()


async def _until_told(settings: Settings, count: int) -> None:
    crowd = asyncio.create_task(Crowd(settings, count).run())
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, crowd.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await crowd


@click.command()
@click.option("--count", type=click.IntRange(1, 100), default=24, show_default=True, help="How many simulated candidates.")
def main(count: int) -> None:
    """Simulated candidates for a running demo."""
    settings = Settings.load()
    configure(settings.log_level)
    asyncio.run(_until_told(settings, count))


if __name__ == "__main__":
    main()
