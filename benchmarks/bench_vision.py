"""Vision: frames for each second of processor time, against decoding and face detection alone."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import click
import cv2
import numpy as np
from common import Others, Report, check_used, cpu_of, median, own_settings_only

from testing_platform.demo.figures import Figure
from testing_platform.proctor import vision
from testing_platform.proctor.signals import LIVE, Watch
from testing_platform.proctor.vision import Eyes
from testing_platform.proctor.vision_pool import Pool

BUSY = 0.7  # of a core: what may be planned with
SIZES = {"320x240": (320, 240), "640x480": (640, 480)}
CANDIDATES = 12


def frames(size: tuple[int, int], each: int) -> list[list[bytes]]:
    """A row of frames for each of some candidates, a second apart."""
    figures = [Figure(number) for number in range(1, CANDIDATES + 1)]
    return [[figure.still(second, *size) for second in range(each)] for figure in figures]


def product(rows: list[list[bytes]]) -> Callable[[], list[float]]:
    """JPEG to observation to signals; one watch for each candidate."""
    eyes, watches = Eyes(), [Watch(LIVE) for _ in rows]
    second = 0.0

    def run() -> list[float]:
        nonlocal second
        spent = []
        for at in range(len(rows[0])):
            second += 1
            for row, watch in zip(rows, watches, strict=True):
                began = time.thread_time()
                watch.see(eyes.look(row[at]), second)
                spent.append(time.thread_time() - began)
        return spent

    return run


def limit(rows: list[list[bytes]]) -> Callable[[], list[float]]:
    """The same frames decoded, brought to 320x240 and given to the same detector, and nothing else."""
    detector = cv2.FaceDetectorYN.create(str(vision.MODEL), "", (320, 240), vision.FACE, 0.3, 50)

    def run() -> list[float]:
        spent = []
        for at in range(len(rows[0])):
            for row in rows:
                began = time.thread_time()
                picture: Any = cv2.imdecode(np.frombuffer(row[at], np.uint8), cv2.IMREAD_COLOR)
                if picture.shape[:2] != (240, 320):
                    picture = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)
                detector.detect(picture)
                spent.append(time.thread_time() - began)
        return spent

    return run


async def through_the_pool(rows: list[list[bytes]], seconds: float) -> tuple[int, float, float]:
    """Frames that one worker looked at, its processor time, and that of the process that feeds it. The worker always has a frame waiting."""
    seen = at = 0

    def offer() -> None:
        nonlocal at
        at += 1
        row = rows[at % len(rows)]
        pool.offer(at % len(rows), float(at), row[at // len(rows) % len(row)])

    async def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        offer()

    pool = Pool(1, count)
    await pool.start()
    try:
        worker, mine = cpu_of(pool.pids[0]), time.process_time()
        for _ in range(4):
            offer()
        await asyncio.sleep(seconds)
        return seen, cpu_of(pool.pids[0]) - worker, time.process_time() - mine
    finally:
        await pool.stop()


def run(report: Report, quick: bool) -> float:
    cv2.setNumThreads(1)
    others = Others()
    each, pairs, pool_seconds = (2, 3, 2.0) if quick else (4, 15, 10.0)
    ratio = 0.0
    for name, size in SIZES.items():
        rows = frames(size, each)
        found = {Eyes().look(frame).people for row in rows for frame in row}
        if found != {1}:
            raise click.ClickException(f"the frames of {name} were to show one face each, and show {sorted(found)}")
        mine, bare = product(rows), limit(rows)
        mine(), bare()  # warms
        report.say(
            f"{len(rows) * each} frames of {name} with one face, {pairs} pairs, the whole pipeline against decoding and detection alone"
        )
        spent, spared, ratios = [], [], []
        for number in range(pairs):
            a, b = mine(), bare()
            spent += a
            spared += b
            ratios.append(sum(b) / sum(a))
            report.say(
                f"  pair {number + 1}: {len(a) / sum(a):5.0f} frames per core second, alone {len(b) / sum(b):5.0f}, ratio {ratios[-1]:.2f}"
            )
        check_used(sum(spent), "the pipeline")
        each_ms, alone_ms = [1000 * one for one in spent], [1000 * one for one in spared]
        report.row(f"{name}: whole pipeline, JPEG to signals", len(spent) / sum(spent), "frames/core s", each_ms)
        report.row(f"{name}: decoding and detection alone", len(spared) / sum(spared), "frames/core s", alone_ms)
        report.row(f"{name}: ratio, median of {pairs} pairs", median(ratios), "")
        report.row(f"{name}: candidates per core at 1 frame/s, {BUSY:.0%} busy", BUSY * len(spent) / sum(spent), "candidates")
        if size == SIZES["320x240"]:
            ratio = median(ratios)
            done, worker, feeder = asyncio.run(through_the_pool(rows, pool_seconds))
            check_used(worker, "the worker")
            report.row(f"{name}: through the pool, worker and feeder", done / (worker + feeder), "frames/core s")
            report.row(f"{name}: through the pool, feeder's part", 1000 * feeder / max(1, done), "ms/frame")
            report.row(f"{name}: candidates per core through the pool, {BUSY:.0%} busy", BUSY * done / (worker + feeder), "candidates")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    return ratio


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
def main(as_json: bool, quick: bool) -> None:
    own_settings_only()
    report = Report("vision", as_json)
    report.end(run(report, quick))


if __name__ == "__main__":
    main()
