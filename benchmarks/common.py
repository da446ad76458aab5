"""What both benchmarks need: servers in a temporary folder, attempts already begun, cameras and viewers in processes of their own."""

import asyncio
import contextlib
import json
import multiprocessing
import os
import secrets
import socket
import statistics
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
from flask import Flask
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from testing_platform import clock, models
from testing_platform.accounts import service as accounts
from testing_platform.accounts.rules import Role
from testing_platform.bus import open_database
from testing_platform.delivery import service as delivery
from testing_platform.delivery import tokens
from testing_platform.delivery.models import Ticket
from testing_platform.delivery.rules import State
from testing_platform.demo import bank as demo_bank
from testing_platform.demo import setup
from testing_platform.demo.client import ProctorClient
from testing_platform.demo.figures import Figure
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Examination
from testing_platform.examinations.rules import Mode, Window
from testing_platform.itembank import service as itembank
from testing_platform.itembank.models import Bank
from testing_platform.migrations import upgrade
from testing_platform.proctor.wire import EVIDENCE_STILL, LIVE_STILL, Frame
from testing_platform.settings import PREFIX, Settings
from testing_platform.storage import Folder, Vault

assert models.metadata.tables

HERE = Path(__file__).parent
ITEMS = 60
STILL_BYTES = 12_000
HEARTBEAT_SECONDS = 10
EVIDENCE_SECONDS = 30
DAY = {
    "time_limit_minutes": 75,
    "check_in_opens_minutes": 30,
    "contact_patience_seconds": 20,
    "same_device_return_seconds": 120,
    "late_grace_seconds": 5,
    "proctor_grant_minutes": 10,
    "lead_grant_minutes": 60,
    "automatic_hold_cap_minutes": 10,
    "abandoned_after_minutes": 60,
}


# ------------------------------------------------------------ figures of a run


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass
class Report:
    """Rows for people, or one JSON document."""

    name: str
    as_json: bool
    rows: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str) -> None:
        if not self.as_json:
            click.echo(text)

    def row(self, case: str, value: float, unit: str, times_ms: Sequence[float] = ()) -> None:
        self.rows.append(
            {
                "case": case,
                "value": round(value, 3),
                "unit": unit,
                "p50_ms": round(percentile(times_ms, 0.5), 2) if times_ms else None,
                "p99_ms": round(percentile(times_ms, 0.99), 2) if times_ms else None,
            }
        )

    def end(self, ratio: float) -> None:
        if self.as_json:
            click.echo(json.dumps({"bench": self.name, "rows": self.rows, "ratio": round(ratio, 3)}))
            return
        click.echo("")
        width = max(len(row["case"]) for row in self.rows)
        click.echo(f"{'':{width}}  {'value':>10} {'unit':<16} {'p50 ms':>8} {'p99 ms':>8}")
        for row in self.rows:
            times = [f"{row[name]:>8.2f}" if row[name] is not None else " " * 8 for name in ("p50_ms", "p99_ms")]
            click.echo(f"{row['case']:{width}}  {row['value']:>10g} {row['unit']:<16} {times[0]} {times[1]}")
        click.echo(f"\nratio {ratio:.2f}")


def own_settings_only() -> None:
    """What this shell sets for an installation must not reach the servers that are measured."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


# ------------------------------------------------------------ servers


def refuse_served(port: int) -> None:
    """A server that was there before would be measured instead of ours."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise click.ClickException(f"port {port} is served already: stop that server, or choose others with --port")


def wait_for(port: int, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise click.ClickException(f"nothing answers on port {port}; the lines above say why")


class Server:
    """A child process with its children, and the processor time they took."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(command, env=os.environ | environment, cwd=HERE, stdout=subprocess.DEVNULL)

    def cpu(self) -> float:
        """Seconds since its start."""
        return cpu_of(self.process.pid)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()


def cpu_of(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in (task / "children").read_text().split():
                    total += cpu_of(int(child))
    return total


class Others:
    """How much of the machine processes that are not ours used meanwhile: with much of it, only the pairs of a run say something."""

    def __init__(self) -> None:
        self._before = self._read()

    @staticmethod
    def _read() -> tuple[float, float]:
        ticks = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
        return busy, sum(ticks) / os.sysconf("SC_CLK_TCK")

    def share(self) -> float:
        """Of all processor time since this was made, in percent. Asked while our children still live."""
        busy, every = (after - before for after, before in zip(self._read(), self._before, strict=True))
        return 100 * max(0.0, busy - cpu_of(os.getpid())) / max(every, 0.01)


def check_used(seconds: float, what: str) -> None:
    """A run in which the measured server did nothing measured something else."""
    if seconds <= 0.02:
        raise click.ClickException(f"the run does not count: {what} used no processor time, so something else answered")


def bare() -> Flask:
    """The limit: an empty route of the same framework on the same server."""
    app = Flask("bare")

    @app.post("/empty")
    def empty() -> str:
        return ""

    return app


# ------------------------------------------------------------ data


@dataclass(frozen=True)
class Begun:
    """An attempt that has begun, with what its page would have been given."""

    attempt: int
    token: str
    ticket: str


@dataclass(frozen=True)
class Room:
    session: int
    begun: list[Begun]
    tickets: list[str]  # for consoles


def fill(settings: Settings, sizes: list[int], consoles: int = 0) -> list[Room]:
    """An administration with one session for each size, every attempt begun, through the services that the pages call."""
    db, now, secret = open_database(settings), clock.now(), settings.secret
    vault = Vault(settings.vault_key, Folder(settings.data / "objects"))
    upgrade(db)
    rooms: list[Room] = []
    with db.write() as session:
        bank = Bank(name="Bench", created_at=now)
        session.add(bank)
        session.flush()
        codes = [f"B-{number:02}" for number in range(ITEMS)]
        setup.fill_staff(session, now)
        kept = []
        for code in codes:
            options = {key: f"Option {key} of {code}" for key in "abcd"}
            draft = itembank.ItemDraft(code, "CST", f"The stem of {code}", options, ("b",), "Because.", "easy")
            kept.append(itembank.keep_item(session, bank, draft, {}, now))
        demo_bank.activate(session, kept, now)
        form = itembank.compose_form(session, bank, "A", codes, timedelta(minutes=75), now)
        bulletin = examinations.publish_bulletin(
            session, code="1229", title="Bench", open_on=now.date(), content={"test_day": DAY}, now=now
        )
        examination = Examination(bulletin_id=bulletin.id, title="Bench")
        session.add(examination)
        session.flush()
        administration = examinations.plan_administration(session, examination, form, DAY, now)
        proctor = accounts.add_person(session, name="Bench Proctor", email="proctor@example.org", roles={Role.PROCTOR}, now=now)

        def ticket(**of: int) -> str:
            token = secrets.token_urlsafe(16)
            session.add(Ticket(token_hash=tokens.hashed(secret, token), person_id=proctor.id, expires_at=now + timedelta(hours=2), **of))
            return token

        for number, size in enumerate(sizes):
            place = examinations.open_session(
                session,
                administration,
                title=f"Room {number}",
                mode=Mode.REMOTE,
                window=Window(now, now + timedelta(hours=8)),
                zone=settings.zone,
                now=now,
            )
            examinations.assign_proctor(session, place, proctor, now)
            begun = []
            for seat in range(size):
                person = accounts.add_person(
                    session, name=f"Bench {number} {seat}", email=f"{number}-{seat}@example.org", roles={Role.CANDIDATE}, now=now
                )
                attempt = delivery.check_in(session, examinations.book(session, person, place, {}, now), vault.new_key(), now)
                attempt.state = State.ADMITTED
                delivery.begin(session, attempt, f"device {seat}", now)
                begun.append(Begun(attempt.id, tokens.make(secret, attempt.id, 1, now + timedelta(hours=8)), ticket(attempt_id=attempt.id)))
            rooms.append(Room(place.id, begun, [ticket(session_id=place.id) for _ in range(consoles)]))
    db.close()
    return rooms


def still_of(size: int = STILL_BYTES) -> bytes:
    """A JPEG of exactly this many bytes: a comment fills it up."""
    picture = Figure(1).still(0)
    spare = size - len(picture) - 4
    return picture[:2] + b"\xff\xfe" + struct.pack(">H", spare + 2) + secrets.token_bytes(spare).replace(b"\xff", b"\0") + picture[2:]


# ------------------------------------------------------------ helpers in processes of their own


class Helper:
    """A process that runs `work(told, tell, …)`: `told()` is the last command, `tell` answers."""

    def __init__(self, work: Callable[..., Coroutine[Any, Any, None]], *given: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, other = spawn.Pipe()
        self.process = spawn.Process(target=_run, args=(work, other, *given), daemon=True)
        self.process.start()
        other.close()

    def ask(self, command: str, **facts: Any) -> Any:
        self.pipe.send((command, facts))
        return self.wait()

    def wait(self) -> Any:
        """The helper's next word."""
        if not self.pipe.poll(120):
            raise click.ClickException("a helper process does not answer")
        try:
            return self.pipe.recv()
        except EOFError:
            raise click.ClickException("a helper process ended; the lines above say why") from None

    def cpu(self) -> float:
        return cpu_of(self.process.pid or 0)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(("stop", {}))
        self.process.join(5)
        if self.process.is_alive():
            self.process.terminate()


def _run(work: Callable[..., Coroutine[Any, Any, None]], pipe: Connection, *given: Any) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work(pipe, *given))


async def commands(pipe: Connection) -> "asyncio.Queue[tuple[str, dict[str, Any]]]":
    found: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    def read() -> None:
        try:
            found.put_nowait(pipe.recv())
        except EOFError:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            found.put_nowait(("stop", {}))

    asyncio.get_running_loop().add_reader(pipe.fileno(), read)
    return found


async def open_camera(live: str, origin: str, ticket: str) -> tuple[ClientConnection, int]:
    """A candidate's live socket after its welcome, and its stream epoch."""
    socket = await connect(
        live + "/live/candidate",
        subprotocols=["tp.candidate.v1"],
        origin=origin,
        compression=None,  # type: ignore[list-item,arg-type]
        open_timeout=30,
        ping_interval=None,
        proxy=None,
    )
    await socket.send(json.dumps({"t": "hello", "ticket": ticket, "device": "bench-" + secrets.token_hex(6), "event": 0}))
    welcome = json.loads(await socket.recv())
    if welcome["t"] != "welcome":
        raise click.ClickException(f"live refused a camera: {welcome}")
    return socket, welcome["stream"]["epoch"]


@dataclass(eq=False)
class Camera:
    socket: ClientConnection
    epoch: int
    seq: int = 0
    unacknowledged: int = 0


async def cameras(pipe: Connection, live: str, origin: str, tickets: list[str]) -> None:
    """Cameras that beat and keep evidence always, and send live stills while told to; commands: `frames`, `count`, `more`, `stop`."""
    picture, told, seen = still_of(), await commands(pipe), Counter[str]()
    every: list[Camera] = []
    frames_per_second = 0.0

    async def listen(camera: Camera) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in camera.socket:
                # Cheaper than reading the JSON, and enough.
                if message[7:16] == "frame_ack":
                    camera.unacknowledged -= 1
                    seen["shown"] += 1
                elif message[7:16] == "chunk_ack":
                    seen["kept"] += 1
                elif message[7:9] == "hb":
                    seen["beats"] += 1
        seen["closed"] += 1

    async def join(tickets: list[str]) -> None:
        gate = asyncio.Semaphore(40)

        async def one(ticket: str) -> None:
            async with gate:
                camera = Camera(*await open_camera(live, origin, ticket))
            every.append(camera)
            tasks.append(asyncio.create_task(listen(camera)))

        await asyncio.gather(*(one(ticket) for ticket in tickets))

    async def around(seconds: Callable[[], float], work: Callable[[Camera], Coroutine[Any, Any, None]]) -> None:
        """Let each camera do this once in so many seconds, evenly spread."""
        loop, at, due = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time()
        while True:
            span = seconds()
            if not span or not every:
                await asyncio.sleep(0.05)
                due = loop.time()
                continue
            due = max(due + span / len(every), loop.time() - 0.2)
            await asyncio.sleep(due - loop.time())
            at = (at + 1) % len(every)
            with contextlib.suppress(ConnectionClosed):
                await work(every[at])

    async def beat(camera: Camera) -> None:
        await camera.socket.send(json.dumps({"t": "hb", "at": round(time.perf_counter() * 1000), "waiting": 0, "buffered": 0}))

    async def evidence(camera: Camera) -> None:
        camera.seq += 1
        await camera.socket.send(Frame(EVIDENCE_STILL, 0, camera.epoch, camera.seq, int(time.time() * 1000), picture).pack())

    async def show(camera: Camera) -> None:
        if camera.unacknowledged >= 2:
            seen["held back"] += 1
            return
        camera.seq += 1
        camera.unacknowledged += 1
        await camera.socket.send(Frame(LIVE_STILL, 0, camera.epoch, camera.seq, int(time.time() * 1000), picture).pack())

    tasks: list[asyncio.Task[None]] = []
    await join(tickets)
    tasks += [
        asyncio.create_task(around(lambda: HEARTBEAT_SECONDS, beat)),
        asyncio.create_task(around(lambda: EVIDENCE_SECONDS, evidence)),
        asyncio.create_task(around(lambda: 1 / frames_per_second if frames_per_second else 0, show)),
    ]
    pipe.send("ready")
    while True:
        command, facts = await told.get()
        match command:
            case "frames":
                frames_per_second = facts["each_second"]
            case "more":
                await join(facts["tickets"])
            case "stop":
                break
        pipe.send(dict(seen))
    for task in tasks:
        task.cancel()


async def viewers(pipe: Connection, live: str, origin: str, watched: list[tuple[str, list[int] | str, float]]) -> None:
    """Consoles (ticket, tiles, seconds to draw one picture); commands: `measure` with seconds → the ages in ms of the frames drawn meanwhile, for each console; `stop`."""
    told = await commands(pipe)
    ages: list[list[float]] = [[] for _ in watched]
    consoles = [ProctorClient(origin, live=live, origin=origin) for _ in watched]

    def keep(number: int) -> Callable[[Frame], None]:
        return lambda frame: ages[number].append(time.time() * 1000 - frame.capture_ms)

    tasks = [
        asyncio.create_task(console.console(ticket, tiles, drawn=keep(number), seconds_to_draw=slow))
        for number, (console, (ticket, tiles, slow)) in enumerate(zip(consoles, watched, strict=True))
    ]
    pipe.send("ready")
    while True:
        command, facts = await told.get()
        if command == "stop":
            break
        for one in ages:
            one.clear()
        await asyncio.sleep(facts["seconds"])
        pipe.send([list(one) for one in ages])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for console in consoles:
        await console.close()


async def flood(pipe: Connection, origin: str) -> None:
    """As many stills as a server takes, at most two unacknowledged on each socket; command `run` with address, tickets and seconds → stills acknowledged."""
    told, picture = await commands(pipe), still_of()
    open_ones: dict[str, list[tuple[ClientConnection, int]]] = {}
    pipe.send("ready")

    async def one(socket: ClientConnection, epoch: int, number: int, until: float) -> int:
        done = 0
        frame = Frame(LIVE_STILL, 0, epoch, number, int(time.time() * 1000), picture).pack()
        await socket.send(frame)
        while time.monotonic() < until:
            await socket.send(frame)
            await socket.recv()
            done += 1
        await socket.recv()
        return done

    number = 0
    while True:
        command, facts = await told.get()
        if command == "stop":
            break
        address = facts["address"]
        if address not in open_ones:
            if facts["tickets"]:
                open_ones[address] = [await open_camera(address, origin, ticket) for ticket in facts["tickets"]]
            else:
                open_ones[address] = [
                    (await connect(address, compression=None, ping_interval=None, proxy=None), 0) for _ in range(facts["count"])
                ]
        number += 1
        until = time.monotonic() + facts["seconds"]
        pipe.send(sum(await asyncio.gather(*(one(socket, epoch, number, until) for socket, epoch in open_ones[address]))))


async def bare_socket(pipe: Connection, port: int) -> None:
    """The limit: a websockets server that takes a message and answers a short one."""
    told = await commands(pipe)

    async def answer(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                await socket.send(message[:32])

    async with serve(answer, "127.0.0.1", port, compression=None, max_size=512 * 1024, max_queue=4, write_limit=65536, backlog=2048):
        pipe.send("ready")
        await told.get()


@contextlib.contextmanager
def ending(*things: Any) -> Iterator[list[Any]]:
    """Stops what was put into the list, the last first."""
    started = list(things)
    try:
        yield started
    finally:
        for thing in reversed(started):
            thing.stop()
