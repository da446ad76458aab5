"""Pictures from cameras to consoles: their age at the viewer, a slow viewer, and frames per core against a bare websockets server."""

import sys
import tempfile
import time
from pathlib import Path

import click
from common import (
    STILL_BYTES,
    Helper,
    Others,
    Report,
    Server,
    bare_socket,
    cameras,
    check_used,
    ending,
    fill,
    flood,
    median,
    own_settings_only,
    percentile,
    refuse_served,
    viewers,
    wait_for,
)

from testing_platform.settings import Settings

ROOMS, SEATS = 10, 30
SLOW_TILES, SLOW_DRAWS = 25, 5  # frames a second that arrive, and that the slow viewer draws
FLOODING = 16


def run(report: Report, quick: bool, port: int) -> float:
    seconds, pairs, flood_seconds = (4.0, 2, 1.0) if quick else (20.0, 5, 4.0)
    live_port, bare_port = port, port + 1
    for one in (live_port, bare_port):
        refuse_served(one)
    others = Others()
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder, ending() as started:
        # What the frames' way costs by itself; looking at them is measured by bench_vision.
        settings = Settings(
            data=Path(folder) / "data",
            public_url=f"http://localhost:{live_port}",
            live_bind=f"127.0.0.1:{live_port}",
            log_level="warning",
            vision_workers=0,
        )
        report.say(f"filling {ROOMS} sessions of {SEATS} attempts already begun")
        rooms = fill(settings, [SEATS] * ROOMS + [FLOODING], consoles=2)
        flooded = rooms.pop()
        me = [sys.executable, "-m", "testing_platform.cli"]
        live = Server([*me, "live"], settings.environment)
        started += [live, Server([*me, "worker"], settings.environment)]
        wait_for(live_port)
        address, origin = f"ws://127.0.0.1:{live_port}", settings.origin

        shots = Helper(cameras, address, origin, [one.ticket for room in rooms for one in room.begun])
        started.append(shots)
        shots.wait()
        slow_tiles = [one.attempt for one in rooms[0].begun[:SLOW_TILES]]
        watching = Helper(
            viewers,
            address,
            origin,
            [*((room.tickets[0], "all", 0.0) for room in rooms), (rooms[0].tickets[1], slow_tiles, 1 / SLOW_DRAWS)],
        )
        started.append(watching)
        watching.wait()
        report.say(f"{ROOMS * SEATS} cameras at 1 frame/s of {STILL_BYTES} bytes, {ROOMS} consoles of {SEATS} tiles, {seconds:g} s")
        time.sleep(3)  # what the joining of so many set going
        before = live.cpu()
        watching.ask("measure", seconds=seconds / 2)
        idle = (live.cpu() - before) / (seconds / 2)
        shots.ask("frames", each_second=1)
        time.sleep(2)
        shown, before, began = shots.ask("count").get("shown", 0), live.cpu(), time.monotonic()
        ages = watching.ask("measure", seconds=seconds)
        span, used = time.monotonic() - began, live.cpu() - before
        seen = shots.ask("count")
        check_used(used, "live")
        quick_ones, slow_one = [age for one in ages[:-1] for age in one], ages[-1]
        report.row("frames taken from 300 cameras", (seen.get("shown", 0) - shown) / span, "frames/s")
        report.row("frame to viewer, 10 consoles of 30 tiles", len(quick_ones) / span, "frames/s", quick_ones)
        report.row("viewer that draws 5 of 25 frames/s: age drawn", len(slow_one) / span, "frames/s", slow_one)
        report.row("oldest frame that the slow viewer drew", max(slow_one, default=float("nan")) / 1000, "s (limit 2)")
        report.row("processor of live, heartbeats and evidence alone", idle, "cores")
        report.row("processor of live with the frames", used / span, "cores")
        report.say(
            f"  age at the viewer p50 {percentile(quick_ones, 0.5):.1f} ms, p99 {percentile(quick_ones, 0.99):.1f} ms; "
            f"slow viewer at most {max(slow_one, default=float('nan')) / 1000:.2f} s; live {used / span:.2f} cores ({idle:.2f} without frames)"
        )
        watching.stop()
        shots.stop()

        limit = Helper(bare_socket, bare_port)
        started.append(limit)
        limit.wait()
        sender = Helper(flood, origin)
        started.append(sender)
        sender.wait()
        report.say(
            f"as many frames as are taken over {FLOODING} sockets, {pairs} pairs of {flood_seconds:g} s, live against a bare websockets server"
        )

        def measure(product: bool) -> tuple[float, float]:
            """Frames a second of processor time, and a second."""
            server = live if product else limit
            before = server.cpu()
            tickets = [one.ticket for one in flooded.begun] if product else []
            done = sender.ask(
                "run", address=address if product else f"ws://127.0.0.1:{bare_port}", tickets=tickets, count=FLOODING, seconds=flood_seconds
            )
            used = server.cpu() - before
            check_used(used, "live" if product else "the bare server")
            return done / used, done / flood_seconds

        for product in (True, False):
            measure(product)  # connects and warms
        mine, bare = [], []
        for number in range(pairs):
            mine.append(measure(True))
            bare.append(measure(False))
            report.say(
                f"  pair {number + 1}: {mine[-1][0]:7.0f} frames per core second, bare {bare[-1][0]:7.0f}, ratio {mine[-1][0] / bare[-1][0]:.2f}"
            )
        for name, found in (("frames taken by live", mine), ("frames taken by a bare websockets server", bare)):
            report.row(name, median([one[0] for one in found]), "frames/core s")
            report.row(f"{name}, by the clock", median([one[1] for one in found]), "frames/s")
        report.row("processor used by other programs meanwhile", others.share(), "%")
        return median([a[0] / b[0] for a, b in zip(mine, bare, strict=True)])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
@click.option("--port", default=8380, show_default=True, help="The first of two ports.")
def main(as_json: bool, quick: bool, port: int) -> None:
    own_settings_only()
    report = Report("live", as_json)
    report.end(run(report, quick, port))


if __name__ == "__main__":
    main()
