"""Item analysis with all options, 100 items of four options, against one plain pass of numpy that only counts who is right; and similar answers of all pairs."""

import time
from resource import RUSAGE_SELF, getrusage

import click
import numpy as np
from bench_calibrate import timed
from common import Others, Report, check_used, median, own_settings_only
from threadpoolctl import threadpool_limits

from testing_platform.scoring.analysis.classical import analyze
from testing_platform.scoring.analysis.sheets import Bytes, Sheet, Whole
from testing_platform.scoring.analysis.similarity import similarity

ITEMS = 100
SHORT = 60  # items of the test whose pairs are compared
OPTIONS = 4
BLOCK = 4096


def sheet_of(n: int, seed: int, items: int = ITEMS) -> Sheet:
    """Answers of which better candidates have more right, drawn in blocks."""
    chance = np.random.default_rng(seed)
    keys = chance.integers(1, OPTIONS + 1, items)
    hard = chance.standard_normal(items)
    answers = np.empty((n, items), np.uint8)
    for start in range(0, n, BLOCK):
        some = answers[start : start + BLOCK]
        right = chance.random(some.shape) < 1 / (1 + np.exp(hard - chance.standard_normal((len(some), 1))))
        some[:] = np.where(right, keys, (keys + chance.integers(0, OPTIONS - 1, some.shape)) % OPTIONS + 1)
    return Sheet(
        items=tuple(f"I{item}" for item in range(items)),
        options=tuple("ABCD"),
        answers=answers,
        keys=tuple((int(key),) for key in keys),
        candidates=tuple(map(str, range(n))),
        groups={},
    )


def count_right(answers: Bytes, keys: Bytes) -> Whole:
    """The limit: totals, and nothing else."""
    found: Whole = (answers == keys).sum(axis=1)
    return found


def pairs(report: Report, n: int, runs: int) -> float:
    clocks, used, limits, ratios = [], [], [], []
    for seed in range(runs):
        sheet = sheet_of(n, seed)
        keys = np.array([key[0] for key in sheet.keys], np.uint8)
        _, clock, cpu = timed(lambda sheet=sheet: analyze(sheet))
        _, _, bare = timed(lambda sheet=sheet, keys=keys: count_right(sheet.answers, keys))
        clocks.append(1000 * clock)
        used.append(1000 * cpu)
        limits.append(1000 * bare)
        ratios.append(bare / cpu)
    report.row(f"items and options, {n:,} x {ITEMS}", median(clocks) / 1000, "s", clocks)
    report.row(f"items and options, {n:,} x {ITEMS}, processor", median(used) / 1000, "s", used)
    report.row(f"totals alone, {n:,} x {ITEMS}, processor", median(limits) / 1000, "s", limits)
    return median(ratios)


def every_pair(report: Report, n: int, runs: int) -> None:
    clocks, used = [], []
    for seed in range(runs):
        sheet = sheet_of(n, seed, SHORT)
        _, clock, cpu = timed(lambda sheet=sheet: similarity(sheet, 20))
        clocks.append(1000 * clock)
        used.append(1000 * cpu)
    report.row(f"all pairs of {n:,} x {SHORT}", median(clocks) / 1000, "s", clocks)
    report.row(f"all pairs of {n:,} x {SHORT}, processor", median(used) / 1000, "s", used)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
def main(as_json: bool, quick: bool) -> None:
    own_settings_only()
    report, others = Report("analyze", as_json), Others()
    began = time.process_time()
    threadpool_limits(1, "blas")  # as the commands do
    ratio = pairs(report, 5_000 if quick else 100_000, 3 if quick else 9)
    report.row("peak of memory", getrusage(RUSAGE_SELF).ru_maxrss / 1024, "MB")
    every_pair(report, 1_000 if quick else 20_000, 1 if quick else 3)
    check_used(time.process_time() - began, "the analysis")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    report.end(ratio)


if __name__ == "__main__":
    main()
