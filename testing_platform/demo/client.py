"""A candidate and a proctor as programs: the pages' part of the two protocols, over HTTP and the live socket alone.

Each step is a method of its own, so that a benchmark uses what it measures and a crowd whole days.
"""

import asyncio
import contextlib
import json
import random
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Origin, Subprotocol

from testing_platform.proctor.wire import EVIDENCE_STILL, LIVE_STILL, MOST_BYTES, Frame, unpack

MOST_EVENTS = 100
UNACKNOWLEDGED_STILLS = 2
OVER = 4011


class Away(Exception):
    """The server was not reached or cannot answer now; trying again later is right."""

    def __init__(self, why: str, retry_after: float = 0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Refused(Exception):
    """The server answered, and the answer is no."""

    def __init__(self, status: int, reply: Any) -> None:
        self.status, self.reply = status, reply
        code = reply.get("code") or reply.get("status") if isinstance(reply, dict) else ""
        super().__init__(f"{status} {code or ''}".strip())


# ------------------------------------------------------------ parts without input and output


def delay(failures: int, chance: random.Random, retry_after: float = 0) -> float:
    """Seconds until the next try after `failures` in a row: half a second, doubling up to 15, spread so that many do not return together."""
    return max(retry_after, min(15.0, 0.5 * 2 ** max(0, failures - 1)) * chance.uniform(0.5, 1.0))


@dataclass
class Journal:
    """The events of one device that the server has not acknowledged."""

    device: str = field(default_factory=lambda: str(uuid.uuid4()))
    last: int = 0
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)

    def note(self, slot: int, state: str, option: str | None = None, elapsed_ms: int = 0) -> int:
        self.last += 1
        self.waiting[self.last] = {"seq": self.last, "slot": slot, "option": option, "state": state, "elapsed_ms": elapsed_ms}
        return self.last

    def batch(self) -> list[dict[str, Any]]:
        """What to send next, oldest first."""
        return [self.waiting[seq] for seq in sorted(self.waiting)[:MOST_EVENTS]]

    def answered(self, sent: list[dict[str, Any]], reply: dict[str, Any]) -> list[int]:
        """Drop what this reply settles: all up to `acked`, and of the batch what lies outside of the gaps. Returns what was refused, which is dropped too."""
        refused = [one["seq"] for one in reply.get("refused", [])]
        settled = {one["seq"] for one in sent if not any(first <= one["seq"] <= last for first, last in reply["gaps"])} | set(refused)
        for seq in [seq for seq in self.waiting if seq <= reply["acked"] or seq in settled]:
            del self.waiting[seq]
        return refused


@dataclass
class Contact:
    """What the page knows of the server's clock and of the line, in milliseconds."""

    patience: float = 20_000
    last: float | None = None
    offset: float = 0.0
    shortest: float = float("inf")

    def heard(self, server_now: float, sent: float, received: float) -> None:
        """A reply; `sent` and `received` are readings of this machine's own running clock. The shortest exchange tells the offset best."""
        if received - sent <= self.shortest:
            self.shortest = received - sent
            self.offset = server_now - (sent + received) / 2
        self.last = max(self.last or 0.0, server_now)

    def server_now(self, running: float) -> float:
        return running + self.offset

    def covered_at(self, running: float) -> int | None:
        """The instant, in the server's time, from which the questions are covered; none while contact is good enough."""
        if self.last is None or self.server_now(running) - self.last < self.patience:
            return None
        return round(self.last + self.patience)


def running_ms() -> float:
    return time.perf_counter() * 1000


@dataclass
class Form:
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


class Page(HTMLParser):
    """The few things a program needs of a page: the CSRF token, links, forms and data blocks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.csrf = ""
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.data: dict[str, Any] = {}
        self._block: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta" and found.get("name") == "csrf-token":
            self.csrf = found.get("content", "")
        elif tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif tag == "script" and found.get("type") == "application/json":
            self._block = found.get("id", "")
        elif tag == "input" and self.forms and found.get("name"):
            if found.get("type") in ("radio", "checkbox"):
                self.forms[-1].choices.setdefault(found["name"], []).append(found.get("value", ""))
            else:
                self.forms[-1].fields[found["name"]] = found.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._block is not None:
            self.data[self._block] = json.loads(data)
            self._block = None


# ------------------------------------------------------------ a browser


@dataclass
class Reply:
    status: int
    url: str
    body: Any


class Browser:
    """Cookies, the CSRF token of the last page, and refusals told from a server that is away."""

    def __init__(self, base: str, connector: aiohttp.BaseConnector | None = None) -> None:
        self.base = base.rstrip("/")
        self.http = aiohttp.ClientSession(
            connector=connector,
            connector_owner=connector is None,
            timeout=aiohttp.ClientTimeout(total=15),
            raise_for_status=False,
        )
        self.csrf = ""
        # While the line is lost nothing is called and nothing is heard.
        self.offline = False

    async def close(self) -> None:
        await self.http.close()

    async def call(self, method: str, path: str, **more: Any) -> Reply:
        """Raises Away or Refused."""
        if self.offline:
            raise Away("the line is lost")
        try:
            async with self.http.request(method, path if "://" in path else self.base + path, **more) as reply:
                is_json = reply.content_type == "application/json"
                body = await reply.json() if is_json else await reply.text()
                if reply.status >= 500:
                    raise Away(str(reply.status), float(reply.headers.get("Retry-After", 0)))
                if reply.status >= 400:
                    raise Refused(reply.status, body)
                return Reply(reply.status, str(reply.url), body)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise Away(type(problem).__name__) from problem

    async def page(self, path: str, **more: Any) -> tuple[Page, str]:
        """A page and where its address finally was."""
        reply = await self.call("GET", path, **more)
        return self._read(reply)

    def _read(self, reply: Reply) -> tuple[Page, str]:
        page = Page(reply.body if isinstance(reply.body, str) else "")
        self.csrf = page.csrf or self.csrf
        return page, urlsplit(reply.url).path

    async def submit(self, path: str, fields: dict[str, str] | None = None) -> tuple[Page, str]:
        """Send a form with the token of the page it stands on."""
        return self._read(await self.call("POST", path, data={"csrf_token": self.csrf, **(fields or {})}))

    async def post_json(self, path: str, said: dict[str, Any] | None = None) -> Any:
        return (await self.call("POST", path, json=said or {}, headers={"X-CSRFToken": self.csrf})).body

    async def follow_link(self, path: str) -> str:
        """Use a one-time link; returns where it led."""
        page, where = await self.page(path)
        if "/in/" in where and page.forms:
            page, where = await self.submit(where)
        await self.page(where)
        return where


Still = Callable[[int, int], bytes]


async def _talk(live: str, path: str, subprotocol: str, origin: str, hello: dict[str, Any]) -> tuple[ClientConnection, dict[str, Any]]:
    """An open live socket after its welcome. Raises Refused when there is none."""
    socket = await connect(
        live + path,
        subprotocols=[Subprotocol(subprotocol)],
        origin=Origin(origin),
        compression=None,
        max_size=MOST_BYTES,
        open_timeout=10,
        close_timeout=2,
        ping_interval=None,
        proxy=None,
    )
    await socket.send(json.dumps(hello))
    first = json.loads(await asyncio.wait_for(socket.recv(), 15))
    if first.get("t") != "welcome":
        await socket.close()
        raise Refused(403, first)
    return socket, first


def live_address(base: str) -> str:
    return re.sub("^http", "ws", base.rstrip("/"))


class CandidateClient(Browser):
    """One candidate at one browser."""

    def __init__(
        self,
        base: str,
        *,
        live: str = "",
        origin: str = "",
        still: Still | None = None,
        seed: int = 0,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        super().__init__(base, connector)
        self.live = live or live_address(base)
        self.origin = origin or base.rstrip("/")
        self.still = still
        self.chance = random.Random(seed)
        self.journal = Journal()
        self.contact = Contact()
        self.attempt = 0
        self.player: dict[str, Any] = {}
        self.slots: dict[int, list[str]] = {}
        self.status = "before"
        self.messages: list[dict[str, Any]] = []
        self.socket: ClientConnection | None = None
        self.rate: dict[str, Any] = {}
        self.policy: dict[str, Any] = {}
        self.sync = asyncio.Event()
        # Kept until they are acknowledged, over as many connections as that takes.
        self.page_events: dict[int, dict[str, Any]] = {}
        self.evidence: dict[tuple[int, int], bytes] = {}
        self._event = 0
        self._stills_on_the_way: set[int] = set()

    # ------------------------------------------------------------ before the test

    async def sign_in(self, code: str) -> None:
        await self.page("/candidate/sign-in")
        await self.submit("/candidate/sign-in", {"code": code})

    async def check_in(self) -> str:
        """Begin check-in, or go on with what was begun; returns the step at which the candidate stands."""
        page, _ = await self.page("/candidate/")
        forms = [form for form in page.forms if "/check-in" in form.action]
        if forms:
            page, where = await self.submit(forms[0].action)
        else:
            own = [link for link in page.links if re.match(r"/candidate/attempts/\d+", link)]
            if not own:
                raise Refused(404, {"code": "no-test"})
            page, where = await self.page(own[0])
        self.attempt = int(where.split("/")[3])
        return where.rsplit("/", 1)[-1]

    async def step(self) -> str:
        """Where the server says that this candidate belongs now: consent, system-check, photo, waiting, rules, test, receipt."""
        _, where = await self.page(f"/candidate/attempts/{self.attempt}")
        return where.rsplit("/", 1)[-1] if "/attempts/" in where else ""

    async def consent(self, prefer: Callable[[str, list[str]], str] = lambda kind, choices: choices[0]) -> None:
        path = f"/candidate/attempts/{self.attempt}/consent"
        page, _ = await self.page(path)
        choices = next(form.choices for form in page.forms if form.choices)
        await self.submit(path, {name: prefer(name.removeprefix("consent-"), ids) for name, ids in choices.items()})

    async def system_check(self) -> None:
        await self.measure_clock()
        began = time.perf_counter()
        await self.call(
            "POST",
            f"/api/candidate/attempts/{self.attempt}/probe",
            data=bytes(131072),
            headers={"X-CSRFToken": self.csrf, "Content-Type": "application/octet-stream"},
        )
        seconds = max(time.perf_counter() - began, 1e-3)
        await self.post_json(
            f"/api/candidate/attempts/{self.attempt}/system-check",
            {
                "browser": "A simulated browser",
                "camera": {"ok": True, "error": None, "label": "Drawn camera", "width": 640, "height": 480},
                "clock_offset_ms": round(self.contact.offset - (time.time() * 1000 - running_ms()), 1),
                "rtt_ms": round(self.contact.shortest, 1),
                "upload_kbps": round(131072 * 8 / 1000 / seconds),
                "screen": {"width": 1366, "height": 768},
            },
        )

    async def measure_clock(self, tries: int = 5) -> None:
        for _ in range(tries):
            sent = running_ms()
            body = (await self.call("GET", "/api/clock")).body
            self.contact.heard(body["server_now"], sent, running_ms())

    async def photo(self) -> None:
        assert self.still is not None
        await self.call(
            "POST",
            f"/api/candidate/attempts/{self.attempt}/photo",
            data=self.still(640, 480),
            headers={"X-CSRFToken": self.csrf, "Content-Type": "image/jpeg"},
        )

    async def place(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", f"/api/candidate/attempts/{self.attempt}/place")).body
        return found

    async def begin(self) -> None:
        await self.page(f"/candidate/attempts/{self.attempt}/rules")
        await self.submit(f"/candidate/attempts/{self.attempt}/begin")

    # ------------------------------------------------------------ the test

    async def open_test(self) -> dict[str, Any]:
        """The player's data; the test is taken over when another browser had it. Raises Refused when there is no test to open."""
        path = f"/candidate/attempts/{self.attempt}/test"
        page, where = await self.page(path)
        if any(form.action.endswith("/take-over") for form in page.forms):
            page, where = await self.submit(f"/candidate/attempts/{self.attempt}/take-over")
            # Where the proctor looks first, the test opens all the same and stays covered.
        if "player" not in page.data:
            raise Refused(409, {"code": where})
        self.player = page.data["player"]
        self.slots = {
            int(name.removeprefix("slot-")): options
            for form in page.forms
            for name, options in form.choices.items()
            if name.startswith("slot-")
        }
        self.status = self.player["status"]
        self.contact.patience = self.player["patience_seconds"] * 1000
        return self.player

    @property
    def covered(self) -> bool:
        return self.contact.covered_at(running_ms()) is not None

    async def _api(self, method: str, name: str, said: dict[str, Any] | None = None, query: str = "") -> dict[str, Any]:
        sent = running_ms()
        headers = {"Authorization": f"Attempt {self.player['token']}"}
        try:
            reply = (await self.call(method, self.player["urls"][name] + query, json=said, headers=headers)).body
        except Refused as refusal:
            if refusal.status == 409 and isinstance(refusal.reply, dict):
                self.status = refusal.reply.get("status", self.status)
            raise
        if "server_now" in reply:
            self.contact.heard(reply["server_now"], sent, running_ms())
        return dict(reply)

    def _mine(self) -> dict[str, Any]:
        return {"device": self.journal.device, "epoch": self.player["epoch"]}

    async def save(self) -> bool:
        """Send what the journal holds, one batch; says whether something is left. Raises Away or Refused, and the journal stays as it was."""
        batch = self.journal.batch()
        if not batch:
            return False
        try:
            reply = await self._api("POST", "responses", {**self._mine(), "events": batch})
        except Refused as refusal:
            if refusal.status != 422:
                raise
            reply = refusal.reply
        self.journal.answered(batch, reply)
        self.status = reply["status"]
        return bool(self.journal.waiting)

    async def save_all(self, patience: float = 60) -> None:
        """Send until nothing is left, with a growing pause after each failure. Raises Away when `patience` seconds did not do."""
        failures, until = 0, time.monotonic() + patience
        while self.journal.waiting:
            try:
                await self.save()
                failures = 0
            except Away as away:
                failures += 1
                pause = delay(failures, self.chance, away.retry_after)
                if time.monotonic() + pause > until:
                    raise
                await asyncio.sleep(pause)

    async def ask_state(self) -> dict[str, Any]:
        """Contact; then what to do about it is the caller's: `status` is kept."""
        known = max((one["number"] for one in self.messages), default=0)
        reply = await self._api("GET", "state", query=f"?device={self.journal.device}&messages={known}")
        self._keep_messages(reply.get("messages", []))
        self.status = reply["status"]
        return reply

    def _keep_messages(self, found: list[dict[str, Any]]) -> None:
        known = {one["number"] for one in self.messages}
        self.messages += [one for one in found if one["number"] not in known]

    async def resume(self, covered_at: int) -> str:
        reply = await self._api("POST", "resume", {**self._mine(), "covered_at": covered_at})
        self.status = reply["status"]
        return self.status

    async def stay_in_contact(self) -> None:
        """One round of what the page does each few seconds: ask for the state, and go on when contact was lost and is back."""
        covered_at = self.contact.covered_at(running_ms())
        await self.ask_state()
        if self.status == "covered" or (self.status == "running" and covered_at is not None):
            await self.resume(covered_at or round(self.contact.server_now(running_ms())))

    async def submit_test(self) -> str:
        """Hand in; the address of the receipt."""
        reply = await self._api("POST", "submit", self._mine())
        self.status = "submitted"
        return str(reply["receipt"])

    async def write(self, text: str) -> None:
        await self._api("POST", "messages", {"text": text})

    # ------------------------------------------------------------ the live socket

    async def ticket(self) -> str:
        return str((await self.post_json(f"/api/candidate/attempts/{self.attempt}/ticket"))["ticket"])

    def notice(self, kind: str, **data: Any) -> None:
        """Something the page noticed about itself; journalled until the server has it."""
        self._event += 1
        self.page_events[self._event] = {"t": "event", "n": self._event, "kind": kind, "at": round(time.time() * 1000), "data": data}

    async def live_once(self, ticket: str = "") -> int:
        """One connection from hello to its end; returns the close code. Raises Away or Refused when there was none."""
        if self.offline:
            raise Away("the line is lost")
        try:
            socket, welcome = await _talk(
                self.live,
                "/live/candidate",
                "tp.candidate.v1",
                self.origin,
                {
                    "t": "hello",
                    "ticket": ticket or await self.ticket(),
                    "event": self._event - len(self.page_events),
                    "device": self.journal.device,
                },
            )
        except (OSError, TimeoutError, WebSocketException, ValueError) as problem:
            raise Away(type(problem).__name__) from problem
        self.socket, self.policy = socket, welcome["policy"]
        self.rate = {name: self.policy[name] for name in ("fps", "width", "height")}
        self._stills_on_the_way.clear()
        sender = asyncio.create_task(self._send_forever(socket, welcome["stream"]["epoch"]))
        try:
            async for message in socket:
                await self._told(socket, json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.socket = None
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sender
            await socket.close()
        return socket.close_code or 1006

    async def live_forever(self) -> None:
        """Connect again whenever the line ends, until the attempt is over."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                if await self.live_once() == OVER:
                    return
            except Away:
                pass
            except Refused as refusal:
                if refusal.status == 409:
                    return
            failures = 1 if time.monotonic() - began > 30 else failures + 1
            await asyncio.sleep(delay(failures + 1, self.chance))

    async def lose_line(self, seconds: float) -> None:
        """Nothing goes out and nothing comes in for a while."""
        self.offline = True
        try:
            if self.socket is not None:
                self.socket.transport.abort()
            await asyncio.sleep(seconds)
        finally:
            self.offline = False

    async def _send_forever(self, socket: ClientConnection, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        seq, sent_events = 0, 0
        now = loop.time()
        # Not all at the same beat.
        still_at, beat_at = now + self.chance.random() / self.rate["fps"], now
        evidence_at = now + self.chance.uniform(0, self.policy["evidence_seconds"])
        for data in list(self.evidence.values()):
            await socket.send(data)
        while True:
            now = loop.time()
            if now >= beat_at:
                beat_at = now + self.policy["heartbeat_seconds"]
                await socket.send(json.dumps({"t": "hb", "at": running_ms(), "waiting": len(self.journal.waiting), "buffered": 0}))
            for number in [n for n in self.page_events if n > sent_events]:
                sent_events = number
                await socket.send(json.dumps(self.page_events[number]))
            if self.still is not None and now >= still_at:
                still_at = max(still_at + 1 / self.rate["fps"], now)
                if len(self._stills_on_the_way) < UNACKNOWLEDGED_STILLS:
                    seq += 1
                    self._stills_on_the_way.add(seq)
                    picture = self.still(self.rate["width"], self.rate["height"])
                    await socket.send(Frame(LIVE_STILL, 0, epoch, seq, int(time.time() * 1000), picture).pack())
            if self.still is not None and now >= evidence_at:
                evidence_at = now + self.policy["evidence_seconds"]
                seq += 1
                picture = self.still(self.policy["width"], self.policy["height"])
                self.evidence[epoch, seq] = Frame(EVIDENCE_STILL, 0, epoch, seq, int(time.time() * 1000), picture).pack()
                await socket.send(self.evidence[epoch, seq])
            due = min(beat_at, *((still_at, evidence_at) if self.still is not None else ()), now + 1)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _told(self, socket: ClientConnection, said: dict[str, Any]) -> None:
        match said.get("t"):
            case "frame_ack":
                self._stills_on_the_way.discard(said["seq"])
            case "hb":
                self.contact.heard(said["server_now"], said["at"], running_ms())
            case "chunk_ack":
                self.evidence.pop((said["epoch"], said["seq"]), None)
            case "nack":
                self._stills_on_the_way.discard(said["seq"])
                self.evidence = {key: data for key, data in self.evidence.items() if key[1] != said["seq"]}
            case "event_ack":
                self.page_events = {n: one for n, one in self.page_events.items() if n > said["up_to"]}
            case "command":
                match said["action"]:
                    case "sync":
                        self.sync.set()
                    case "message":
                        self._keep_messages([said["data"]])
                    case "rate":
                        self.rate = said["data"]
                await socket.send(json.dumps({"t": "command_ack", "id": said["id"]}))


class ProctorClient(Browser):
    """One proctor at one browser, signed in by a one-time link or, in the demo, through a door."""

    def __init__(self, base: str, *, live: str = "", origin: str = "", connector: aiohttp.BaseConnector | None = None) -> None:
        super().__init__(base, connector)
        self.live = live or live_address(base)
        self.origin = origin or base.rstrip("/")
        self.rows: dict[int, dict[str, Any]] = {}
        self.tiles: dict[int, int] = {}

    async def open_door(self, door: str = "proctor") -> None:
        """Only the demo has doors."""
        await self.page("/demo/")
        _, where = await self.submit(f"/demo/doors/{door}")
        # A browser would have been led through; this one is asked to continue.
        if "/in/" in where:
            await self.submit(where)
        await self.page("/proctor/")

    async def ask_rows(self, session_id: int) -> dict[int, dict[str, Any]]:
        found = (await self.call("GET", f"/api/proctor/sessions/{session_id}/rows")).body["rows"]
        self.rows = {row["id"]: row for row in found}
        return self.rows

    async def focus(self, attempt_id: int) -> dict[str, Any]:
        return dict((await self.call("GET", f"/api/proctor/attempts/{attempt_id}")).body)

    async def act(self, attempt_id: int, act: str, **fields: Any) -> dict[str, Any]:
        """One act on the version last seen; `reason` is a category and a text. Raises Refused, with the newer row when the attempt has moved."""
        said = {"act": act, "version": self.rows[attempt_id]["version"], "key": str(uuid.uuid4()), **fields}
        try:
            row: dict[str, Any] = (await self.post_json(f"/api/proctor/attempts/{attempt_id}/acts", said))["row"]
        except Refused as refusal:
            if refusal.status == 409 and isinstance(refusal.reply, dict) and "row" in refusal.reply:
                self.rows[attempt_id] = refusal.reply["row"]
            raise
        self.rows[attempt_id] = row
        return row

    async def ticket(self, session_id: int) -> str:
        return str((await self.post_json(f"/api/proctor/sessions/{session_id}/ticket"))["ticket"])

    async def console(
        self,
        ticket: str,
        tiles: list[int] | str = "all",
        *,
        drawn: Callable[[Frame], None] = lambda frame: None,
        seconds_to_draw: float = 0,
    ) -> int:
        """A console's socket until it ends; `drawn` is called with each picture, in the order in which a slow or quick screen draws them."""
        try:
            socket, _ = await _talk(self.live, "/live/proctor", "tp.proctor.v1", self.origin, {"t": "hello", "ticket": ticket})
        except (OSError, TimeoutError, WebSocketException, ValueError) as problem:
            raise Away(type(problem).__name__) from problem
        arrived: asyncio.Queue[Frame] = asyncio.Queue()
        helpers = [asyncio.create_task(self._beat_forever(socket))]
        if seconds_to_draw:
            helpers.append(asyncio.create_task(self._draw_forever(socket, arrived, drawn, seconds_to_draw)))
        try:
            await socket.send(json.dumps({"t": "subscribe", "tiles": tiles, "focus": None}))
            async for message in socket:
                if isinstance(message, str):
                    self._heard(json.loads(message))
                elif seconds_to_draw:
                    arrived.put_nowait(unpack(message))
                else:
                    drawn(unpack(message))
                    await socket.send('{"t": "credit", "n": 1}')
        except ConnectionClosed:
            pass
        finally:
            for helper in helpers:
                helper.cancel()
            await socket.close()
        return socket.close_code or 1006

    async def _beat_forever(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(10)
            await socket.send('{"t": "hb"}')

    async def _draw_forever(
        self, socket: ClientConnection, arrived: "asyncio.Queue[Frame]", drawn: Callable[[Frame], None], seconds: float
    ) -> None:
        while True:
            frame = await arrived.get()
            await asyncio.sleep(seconds)
            drawn(frame)
            await socket.send('{"t": "credit", "n": 1}')

    def _heard(self, said: dict[str, Any]) -> None:
        if said.get("t") == "snapshot":
            self.rows = {}
        self.rows.update({row["id"]: row for row in said.get("rows", [])})
        self.tiles.update({int(attempt): tile for attempt, tile in said.get("tiles", {}).items()})


# ------------------------------------------------------------ as light as a load generator has to be


class RawSaver(asyncio.Protocol):
    """Saves one answer after another on one kept connection, from a request prepared beforehand; calls `saved` with the status and the body of each reply."""

    def __init__(self, saved: Callable[["RawSaver", int, bytes], None]) -> None:
        self.saved = saved
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._got = b""
        self._before = self._after = b""

    @classmethod
    async def open(cls, host: str, port: int, saved: Callable[["RawSaver", int, bytes], None]) -> "RawSaver":
        _, protocol = await asyncio.get_running_loop().create_connection(lambda: cls(saved), host, port)
        return protocol

    def prepare(self, path: str, host: str, token: str = "", device: str = "", epoch: int = 1) -> None:
        """The request around its number; the number is padded with spaces, which JSON allows, so that the length stays the same."""
        body = json.dumps(
            {"device": device, "epoch": epoch, "events": [{"seq": 0, "slot": 0, "option": "b", "state": "answered", "elapsed_ms": 8120}]}
        )
        before, after = body.split('"seq": 0, "slot": 0')
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Attempt {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(before) + len(after) + len(self._number(1, 1))}\r\n\r\n"
        )
        self._before, self._after = (head + before).encode(), after.encode()

    @staticmethod
    def _number(seq: int, slot: int) -> bytes:
        return b'"seq": %10d, "slot": %3d' % (seq, slot)

    def save(self, seq: int, slot: int) -> None:
        assert self.transport is not None
        self.transport.write(self._before + self._number(seq, slot) + self._after)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, problem: Exception | None) -> None:
        self.lost = True

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._got[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._got) < end + 4 + length:
            return
        body, self._got = self._got[end + 4 : end + 4 + length], self._got[end + 4 + length :]
        self.saved(self, int(head[9:12]), body)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()
