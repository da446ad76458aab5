"""Calibration: two parameters for 100 items, against girth on the same answers, and against one plain pass of numpy over them."""

import time
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from common import Others, Report, check_used, median, own_settings_only
from threadpoolctl import threadpool_limits

from testing_platform.scoring.analysis.irt import Calibration, Model, calibrate
from testing_platform.scoring.analysis.sheets import Bytes, Floats

ITEMS = 100
BLOCK = 4096
PEER = 2_000  # candidates of the run beside girth


def answers(n: int, seed: int) -> tuple[Bytes, Floats]:
    """Drawn from the model in blocks, so that the peak of memory is the calibration's; and the slopes."""
    chance = np.random.default_rng(seed)
    a, b = chance.lognormal(0, 0.3, ITEMS), chance.standard_normal(ITEMS)
    right = np.empty((n, ITEMS), np.uint8)
    for start in range(0, n, BLOCK):
        some = right[start : start + BLOCK]
        theta = chance.standard_normal((len(some), 1))
        some[:] = chance.random(some.shape) < 1 / (1 + np.exp(-a * (theta - b)))
    return right, a


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Its result, seconds of the clock, and of processor time."""
    began, used = time.perf_counter(), time.process_time()
    done = work()
    return done, time.perf_counter() - began, time.process_time() - used


def off(slopes: npt.ArrayLike, true: Floats) -> float:
    return float(np.sqrt(np.mean((np.asarray(slopes) - true) ** 2)))


def slopes(found: Calibration) -> Floats:
    return np.array([item.a for item in found.items])


def peak() -> float:
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024


def sizes(report: Report, counts: list[int], runs: int) -> None:
    names = tuple(f"I{number}" for number in range(ITEMS))
    for n in counts:
        clocks, used = [], []
        for seed in range(runs):
            right, a = answers(n, seed)
            found, clock, cpu = timed(lambda right=right: calibrate(right, names, Model.TWO))
            clocks.append(1000 * clock)
            used.append(cpu)
            report.say(f"  {n:,}: {clock:.2f} s, processor {cpu:.2f} s, {found.iterations} steps, RMSE(a) {off(slopes(found), a):.4f}")
        report.row(f"2PL, {n:,} x {ITEMS}", median(clocks) / 1000, "s", clocks)
        report.row(f"2PL, {n:,} x {ITEMS}, processor", median(used), "s")
        report.row(f"2PL, {n:,} x {ITEMS}, RMSE(a)", 1000 * off(slopes(found), a), "thousandths")


def beside_girth(report: Report, runs: int) -> float:
    """The median over the pairs of girth's processor time over ours."""
    import girth

    names = tuple(f"I{number}" for number in range(ITEMS))
    ratios, ours, theirs = [], [], []
    for seed in range(runs):
        right, a = answers(PEER, 100 + seed)
        found, _, mine = timed(lambda right=right: calibrate(right, names, Model.TWO))
        peer, _, other = timed(lambda right=right: girth.twopl_mml(right.T.astype(int)))
        ratios.append(other / mine)
        ours.append(off(slopes(found), a))
        theirs.append(off(peer["Discrimination"], a))
        report.say(f"  pair {seed + 1}: processor {mine:.2f} s, girth {other:.2f} s; RMSE(a) {ours[-1]:.4f}, girth {theirs[-1]:.4f}")
    report.row(f"RMSE(a), {PEER:,} x {ITEMS}", 1000 * median(ours), "thousandths")
    report.row(f"RMSE(a) of girth, {PEER:,} x {ITEMS}", 1000 * median(theirs), "thousandths")
    return median(ratios)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
def main(as_json: bool, quick: bool) -> None:
    own_settings_only()
    report, others = Report("calibrate", as_json), Others()
    began = time.process_time()
    threadpool_limits(1, "blas")  # as the commands do
    report.row("peak of memory before, programs and libraries", peak(), "MB")
    sizes(report, [1_000] if quick else [10_000, 100_000], 1 if quick else 3)
    report.row("peak of memory", peak(), "MB")
    ratio = beside_girth(report, 1 if quick else 3)
    check_used(time.process_time() - began, "the calibration")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    report.end(ratio)


if __name__ == "__main__":
    main()
