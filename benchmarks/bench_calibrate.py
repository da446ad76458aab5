"""Calibration: two parameters for 100 items, against girth on the same answers; and the command in a process of its own, from a file."""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from common import Others, Report, check_used, median, own_settings_only
from threadpoolctl import threadpool_limits

from testing_platform.scoring.analysis import irt
from testing_platform.scoring.analysis.irt import Calibration, Model, calibrate
from testing_platform.scoring.analysis.sheets import Bytes, Floats

ITEMS = 100
BLOCK = 4096
PEER = 2_000  # candidates of the runs beside girth
# Starts a command and says what it took. A process that is started by a large one counts that one's memory as its own, so a small one stands between.
STARTED = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
clock, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([clock, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


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


def log_likelihood(right: Bytes, found: Any) -> float:
    """Of girth's estimates, on the points of ours."""
    a, b = np.asarray(found["Discrimination"]), np.asarray(found["Difficulty"])
    rules = irt.Rules()
    return irt.log_likelihood(irt.answers_of(right), irt.Items(a, -a * b), irt.grid_of(rules.points, rules.reach))


def written(right: Bytes, folder: Path) -> list[str]:
    """The answers and their key as the files of the command."""
    names = [f"I{number}" for number in range(ITEMS)]
    cells = np.full((len(right), 2 * ITEMS), ord(","), np.uint8)
    cells[:, ::2] = right + ord("0")
    cells[:, -1] = ord("\n")
    responses, key = folder / "answers.csv", folder / "key.csv"
    responses.write_bytes(",".join(names).encode() + b"\n" + cells.tobytes())
    key.write_text("item,key\n" + "".join(f"{name},1\n" for name in names))
    return ["--responses", str(responses), "--key", str(key)]


def command(report: Report, n: int, runs: int) -> None:
    """`scoring calibrate` as somebody starts it: programs, libraries, reading the file and all."""
    clocks, used, peaks = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        files = written(answers(n, 0)[0], Path(folder))
        told = [sys.executable, "-m", "testing_platform.cli", "scoring", "calibrate", "--model", "2pl", "--json", *files]
        for _ in range(runs):
            said = subprocess.run([sys.executable, "-c", STARTED, *told], check=True, stdout=subprocess.PIPE).stdout
            clock, cpu, peak = json.loads(said)
            clocks.append(1000 * clock)
            used.append(cpu)
            peaks.append(peak)
    report.row(f"the command, {n:,} x {ITEMS}", median(clocks) / 1000, "s", clocks)
    report.row(f"the command, {n:,} x {ITEMS}, processor", median(used), "s")
    report.row(f"the command, {n:,} x {ITEMS}, peak of memory", max(peaks), "MB")


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
    ratios, ours, theirs, higher, apart = [], [], [], [], []
    for seed in range(runs):
        right, a = answers(PEER, 100 + seed)
        found, _, mine = timed(lambda right=right: calibrate(right, names, Model.TWO))
        peer, _, other = timed(lambda right=right: girth.twopl_mml(right.T.astype(int)))
        ratios.append(other / mine)
        ours.append(off(slopes(found), a))
        theirs.append(off(peer["Discrimination"], a))
        higher.append(found.loglik - log_likelihood(right, peer))
        apart.append(float(np.abs(slopes(found) - peer["Discrimination"]).max()))
        report.say(
            f"  pair {seed + 1}: processor {mine:.2f} s, girth {other:.2f} s; RMSE(a) {ours[-1]:.4f}, girth {theirs[-1]:.4f}; "
            f"log-likelihood {found.loglik:.3f}, {higher[-1]:.3f} above girth's"
        )
    gaps = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    report.row(f"RMSE(a), {PEER:,} x {ITEMS}, mean of {runs} data sets", 1000 * statistics.fmean(ours), "thousandths")
    report.row(f"RMSE(a) of girth, {PEER:,} x {ITEMS}", 1000 * statistics.fmean(theirs), "thousandths")
    report.row("RMSE(a) less girth's, mean of the pairs", 1000 * statistics.fmean(gaps), "thousandths")
    if runs > 1:
        report.row("its standard error", 1000 * statistics.stdev(gaps) / math.sqrt(runs), "thousandths")
    report.row("log-likelihood above girth's, least of the pairs", min(higher), "")
    report.row("log-likelihood above girth's, median", median(higher), "")
    report.row("greatest difference of a slope from girth's", 1000 * max(apart), "thousandths")
    return median(ratios)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
def main(as_json: bool, quick: bool) -> None:
    own_settings_only()
    report, others = Report("calibrate", as_json), Others()
    began = time.process_time()
    threadpool_limits(1, "blas")  # as the commands do
    sizes(report, [1_000] if quick else [10_000, 100_000], 1 if quick else 3)
    for n in [1_000] if quick else [10_000, 100_000]:
        command(report, n, 1 if quick else 3)
    ratio = beside_girth(report, 1 if quick else 20)
    check_used(time.process_time() - began, "the calibration")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    report.end(ratio)


if __name__ == "__main__":
    main()
