"""Answers saved durably, against an empty route of a bare Flask app on the same server, while live and worker write at the rates of an exam."""

import asyncio
import contextlib
import http.client
import re
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
from common import (
    ITEMS,
    Begun,
    Helper,
    Others,
    Report,
    Server,
    cameras,
    check_used,
    ending,
    fill,
    median,
    own_settings_only,
    percentile,
    refuse_served,
    wait_for,
)
from sqlalchemy import text

from testing_platform.bus import open_database
from testing_platform.demo.client import RawSaver
from testing_platform.serve import web_command
from testing_platform.settings import Settings

CONNECTIONS = 16
# About what one candidate sends in one sitting; then the connection goes on as another candidate.
EVENTS_OF_A_SITTING = 150
CAMERAS = 100
CANDIDATES = 300
OPEN_LOOP = 100.0  # a second

ACKED = re.compile(rb'"acked":\s*(\d+)')
RUNNING = b'"status":"running"'


@dataclass
class Kept:
    """What the server has acknowledged."""

    events: dict[tuple[int, str], int] = field(default_factory=dict)
    failed: int = 0


@dataclass
class Sitting:
    """One connection: who answers on it now, and where they are."""

    saver: RawSaver
    seq: int = 0
    device: str = ""
    begun: Begun | None = None
    sent_at: float = 0.0
    waiting: list[float] = field(default_factory=list)

    def sit_down(self, begun: Begun, host: str) -> None:
        self.begun, self.device, self.seq = begun, str(uuid.uuid4()), 0
        self.saver.prepare(f"/api/attempts/{begun.attempt}/responses", host, begun.token, self.device)

    def send(self) -> None:
        self.seq += 1
        self.saver.save(self.seq, self.seq % ITEMS + 1)

    def check(self, status: int, body: bytes, kept: Kept) -> None:
        acked = ACKED.search(body)
        if status != 200 or acked is None or int(acked[1]) != self.seq or self.begun is None or RUNNING not in body:
            kept.failed += 1
            return
        kept.events[self.begun.attempt, self.device] = self.seq


async def closed_loop(port: int, begun: list[Begun] | None, seconds: float, kept: Kept) -> tuple[float, list[float]]:
    """Replies a second and their times in ms; without attempts the empty route is asked with the same bytes."""
    times: list[float] = []
    stop_at = time.perf_counter() + seconds
    sittings: dict[RawSaver, Sitting] = {}
    finished = asyncio.Event()
    running = CONNECTIONS
    queue = list(begun or [])

    def next_one(sitting: Sitting) -> None:
        if begun is not None and (sitting.begun is None or sitting.seq >= EVENTS_OF_A_SITTING):
            queue.append(queue.pop(0))
            sitting.sit_down(queue[-1], f"localhost:{port}")
        sitting.sent_at = time.perf_counter()
        sitting.send()

    def saved(saver: RawSaver, status: int, body: bytes) -> None:
        nonlocal running
        sitting, now = sittings[saver], time.perf_counter()
        times.append((now - sitting.sent_at) * 1000)
        if begun is not None:
            sitting.check(status, body, kept)
        elif status != 200:
            kept.failed += 1
        if now < stop_at:
            next_one(sitting)
        else:
            running -= 1
            saver.close()
            if not running:
                finished.set()

    for _ in range(CONNECTIONS):
        saver = await RawSaver.open("127.0.0.1", port, saved)
        sittings[saver] = Sitting(saver)
        if begun is None:
            saver.prepare("/empty", f"localhost:{port}", "1.1.1766400000." + "x" * 43, str(uuid.uuid4()))
    began = time.perf_counter()
    for sitting in sittings.values():
        next_one(sitting)
    await asyncio.wait_for(finished.wait(), seconds + 30)
    return len(times) / (time.perf_counter() - began), times


async def open_loop(port: int, begun: list[Begun], seconds: float, kept: Kept) -> list[float]:
    """Times in ms from when each answer was due, at a fixed rate over one connection for each candidate.

    A connection is opened with the first answer on it: gunicorn gives a thread to each that is open and still silent. That first round is not counted.
    """
    times: list[float] = []
    sittings: dict[RawSaver, Sitting] = {}
    opening: set[asyncio.Task[None]] = set()

    def send(sitting: Sitting) -> None:
        sitting.sent_at = sitting.waiting.pop(0)
        sitting.send()

    def saved(saver: RawSaver, status: int, body: bytes) -> None:
        sitting = sittings[saver]
        if sitting.seq > 1:
            times.append((time.perf_counter() - sitting.sent_at) * 1000)
        sitting.check(status, body, kept)
        sitting.sent_at = 0.0
        if sitting.waiting:
            send(sitting)

    async def open_and_send(number: int, due: float) -> None:
        saver = await RawSaver.open("127.0.0.1", port, saved)
        sitting = every[number] = sittings[saver] = Sitting(saver, waiting=[due, *early.pop(number, [])])
        sitting.sit_down(begun[number], f"localhost:{port}")
        send(sitting)

    every: dict[int, Sitting] = {}
    early: dict[int, list[float]] = {}
    began = time.perf_counter()
    for count in range(len(begun) + int(seconds * OPEN_LOOP)):
        due, number = began + count / OPEN_LOOP, count % len(begun)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if count < len(begun):
            task = asyncio.create_task(open_and_send(number, due))
            opening.add(task)
        elif number not in every:
            early.setdefault(number, []).append(due)
        else:
            every[number].waiting.append(due)
            if not every[number].sent_at:
                send(every[number])
    await asyncio.gather(*opening)
    until = time.perf_counter() + 20
    while any(one.sent_at for one in every.values()) and time.perf_counter() < until:
        await asyncio.sleep(0.01)
    kept.failed += sum(bool(one.sent_at) for one in every.values())
    for saver in sittings:
        saver.close()
    return times


def resume(port: int, begun: list[Begun]) -> None:
    """What each page does when it hears from the server again: filling and starting took longer than contact may be missed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for one in begun:
        headers = {"Authorization": f"Attempt {one.token}", "Content-Type": "application/json", "Host": f"localhost:{port}"}
        connection.request("POST", f"/api/attempts/{one.attempt}/resume", b"{}", headers)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise click.ClickException(f"attempt {one.attempt} cannot go on: {reply.status} {body[:200]!r}")
    connection.close()


def verify(settings: Settings, kept: Kept) -> int:
    """How many acknowledged events are in the database once. Raises click.ClickException for one that is missing or there twice."""
    db = open_database(settings)
    stored: dict[tuple[int, str], list[int]] = defaultdict(list)
    with db.read() as session:
        for attempt, device, seq in session.execute(text("SELECT attempt_id, device, seq FROM responses")):
            stored[attempt, device].append(seq)
    db.close()
    for place, acked in kept.events.items():
        found = stored[place]
        if len(found) != len(set(found)) or not set(found) >= set(range(1, acked + 1)):
            raise click.ClickException(
                f"an acknowledged answer is missing or stored twice: attempt {place[0]}, {acked} acknowledged, {len(found)} stored"
            )
    return sum(kept.events.values())


@contextlib.contextmanager
def database_of(kind: str) -> Iterator[str]:
    """The address of an empty database of that kind; SQLite's is in the data folder."""
    if kind == "sqlite":
        yield ""
        return
    try:
        from postgres import Server as Postgres

        server = Postgres()
    except (ImportError, FileNotFoundError) as problem:
        raise click.ClickException(str(problem)) from None
    with server:
        yield server.create("bench")


def run(report: Report, quick: bool, port: int, database: str) -> float:
    pairs, seconds, open_pairs, open_seconds = (2, 1.0, 1, 3.0) if quick else (5, 6.0, 3, 15.0)
    ports = web_port, live_port, bare_port = port, port + 1, port + 2
    for one in ports:
        refuse_served(one)
    others = Others()
    with tempfile.TemporaryDirectory(prefix="bench-answers-") as folder, database_of(database) as address, ending() as started:
        settings = Settings(
            database=address,
            data=Path(folder) / "data",
            public_url=f"http://localhost:{web_port}",
            web_bind=f"127.0.0.1:{web_port}",
            live_bind=f"127.0.0.1:{live_port}",
            log_level="warning",
        )
        environment = settings.environment
        me = [sys.executable, "-m", "testing_platform.cli"]
        report.say(f"{database}: filling an administration with {CANDIDATES} attempts already begun")
        begun = fill(settings, [CANDIDATES])[0].begun
        web = Server(web_command(settings), environment)
        started.append(web)
        limit_command = web_command(Settings(data=settings.data, database=address, web_bind=f"127.0.0.1:{bare_port}"))
        limit = Server([*("common:bare()" if part.startswith("testing_platform.app:") else part for part in limit_command)], environment)
        started.append(limit)
        started += [Server([*me, "live"], environment), Server([*me, "worker"], environment)]
        for one in ports:
            wait_for(one)
        shots = Helper(cameras, f"ws://127.0.0.1:{live_port}", settings.origin, [one.ticket for one in begun[:CAMERAS]])
        started.append(shots)
        shots.wait()
        resume(web_port, begun[:CAMERAS])
        kept = Kept()

        async def measure(product: bool, seconds: float) -> tuple[float, list[float], float]:
            server = web if product else limit
            before = server.cpu()
            rate, times = await closed_loop(web_port if product else bare_port, begun[:CAMERAS] if product else None, seconds, kept)
            used = server.cpu() - before
            check_used(used, "the product" if product else "the bare app")
            return rate, times, used / len(times) * 1000

        async def whole() -> float:
            for product in (True, False):
                await measure(product, 1.0)  # warm
            mine: list[tuple[float, list[float], float]] = []
            bare: list[tuple[float, list[float], float]] = []
            report.say(
                f"{CONNECTIONS} connections, closed loop, {pairs} pairs of {seconds:g} s; {CAMERAS} sockets beat and keep evidence meanwhile"
            )
            for number in range(pairs):
                mine.append(await measure(True, seconds))
                bare.append(await measure(False, seconds))
                report.say(
                    f"  pair {number + 1}: {mine[-1][0]:7.0f} saves/s, {bare[-1][0]:7.0f} empty/s, ratio {mine[-1][0] / bare[-1][0]:.2f}"
                    f"   (p50 {percentile(mine[-1][1], 0.5):.1f} ms, p99 {percentile(mine[-1][1], 0.99):.1f} ms; bare p99 {percentile(bare[-1][1], 0.99):.1f} ms)"
                )
            ratio = median([a[0] / b[0] for a, b in zip(mine, bare, strict=True)])
            for name, found in (("saves, 16 connections, closed loop", mine), ("empty route of a bare Flask app, same server", bare)):
                report.row(name, median([one[0] for one in found]), "1/s", [t for one in found for t in one[1]])
            report.row("processor time of one save", median([one[2] for one in mine]), "ms")
            report.row("processor time of one empty request", median([one[2] for one in bare]), "ms")
            await with_frames()
            return ratio

        async def with_frames() -> None:
            shots.ask("more", tickets=[one.ticket for one in begun[CAMERAS:]])
            resume(web_port, begun[CAMERAS:])
            calm: list[list[float]] = []
            busy: list[list[float]] = []
            report.say(
                f"{OPEN_LOOP:g} saves/s of {CANDIDATES} candidates, open loop, {open_pairs} pairs of {open_seconds:g} s without and with a frame a second of each"
            )
            for number in range(open_pairs):
                for found, each_second in ((calm, 0), (busy, 1)):
                    shots.ask("frames", each_second=each_second)
                    await asyncio.sleep(1)
                    shown, began = shots.ask("count").get("shown", 0), time.perf_counter()
                    found.append(await open_loop(web_port, begun, open_seconds, kept))
                    frames = (shots.ask("count").get("shown", 0) - shown) / (time.perf_counter() - began)
                report.say(
                    f"  pair {number + 1}: p99 {percentile(calm[-1], 0.99):.1f} ms without, {percentile(busy[-1], 0.99):.1f} ms with {frames:.0f} frames/s"
                )
            shots.ask("frames", each_second=0)
            for name, found in (("saves at 100/s, no frames", calm), ("saves at 100/s, 300 candidates at 1 frame/s", busy)):
                report.row(name, OPEN_LOOP, "1/s", [t for one in found for t in one])
            report.row(
                "p99 with frames over p99 without",
                median([percentile(b, 0.99) / percentile(a, 0.99) for a, b in zip(calm, busy, strict=True)]),
                "ratio",
            )

        ratio = asyncio.run(whole())
        seen = shots.ask("count")
        if kept.failed:
            raise click.ClickException(f"the run does not count: {kept.failed} requests were not answered as they should be")
        report.row("heartbeats and evidence stored meanwhile", seen.get("beats", 0) + seen.get("kept", 0), "writes of live")
        report.row("acknowledged, and in the database once", verify(settings, kept), "events")
        report.row("processor time of the load generator", time.process_time(), "s")
        report.row("processor used by other programs meanwhile", others.share(), "%")
        return ratio


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
@click.option("--port", default=8390, show_default=True, help="The first of three ports.")
@click.option(
    "--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True, help="postgres: a private server."
)
def main(as_json: bool, quick: bool, port: int, database: str) -> None:
    own_settings_only()
    report = Report("answers", as_json)
    report.end(run(report, quick, port, database))


if __name__ == "__main__":
    main()
