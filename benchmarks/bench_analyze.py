"""Item analysis with all options, 100 items of four options, against one plain pass of numpy that only counts who is right; all analyses of one administration,
with its spreadsheet and its PDF; and similar answers of all pairs."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
from bench_calibrate import timed
from common import Others, Report, check_used, median, own_settings_only
from threadpoolctl import threadpool_limits

from testing_platform.app import create_app
from testing_platform.scoring import analyses, analyses_files, dif_service
from testing_platform.scoring import analyses_plots as plots
from testing_platform.scoring.analysis.classical import analyze
from testing_platform.scoring.analysis.sheets import Bytes, Sheet, Whole
from testing_platform.scoring.analysis.similarity import similarity
from testing_platform.scoring.impact_rules import GROUPS, By, GroupPolicy
from testing_platform.settings import Settings

ITEMS = 100
SHORT = 60  # items of the test whose pairs are compared
OPTIONS = 4
BLOCK = 4096
SECONDS = (3.5, 0.5)  # of an answer: mean and spread of the logarithm
# How many are in the groups of each kind, in the order of the pages.
SHARES = {
    By.SEX: (0.5, 0.45, 0.05),
    By.ETHNICITY: (0.3, 0.2, 0.25, 0.15, 0.02, 0.03, 0.05),
    By.AGE_40: (0.6, 0.4),
    By.MODE: (0.3, 0.7),
    By.LIST: (0.8, 0.2),
}


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


def administration_of(n: int, seed: int) -> analyses.Answered:
    """As an administration is read: answers with their seconds, and the groups of those who said theirs."""
    chance = np.random.default_rng(1_000 + seed)
    sheet = sheet_of(n, seed)
    groups = {str(by): tuple(chance.choice([str(group) for group in GROUPS[by]], n, p=SHARES[by]).tolist()) for by in By}
    columns = tuple(
        analyses.Column(place + 1, name, "", place, place, (sheet.options[key[0] - 1],), "counts")
        for place, (name, key) in enumerate(zip(sheet.items, sheet.keys, strict=True))
    )
    return analyses.Answered(replace(sheet, groups=groups), chance.lognormal(*SECONDS, sheet.answers.shape), columns)


def parts_of(answered: analyses.Answered, cut: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every analysis of the pages, one after the other; a chart is its numbers."""
    figures = analyses.figures(answered, analyses.Thresholds())
    yield "test, items, options, time", lambda: analyses.figures(answered, analyses.Thresholds())
    yield "consistency at every cut", lambda: _drawn(analyses.at_every_cut(answered), plots.agreement, plots.mistakes, cut=cut)
    yield "two parameters", lambda: _drawn(analyses.calibrated(answered, "2pl", cut), plots.information, plots.people)
    yield "options by fifths", lambda: [plots.trace(analyses.fifths(answered, line), line.figures) for line in figures.lines]
    yield (
        "charts of the test",
        lambda: [_drawn(figures, plots.scatter), _drawn(figures, plots.histogram, plots.pass_curve, plots.csem, cut=cut)],
    )
    yield "DIF, every group, purified", lambda: dif_service.overview(answered.sheet, True, GroupPolicy())


def _drawn(found: Any, *charts: Callable[..., Any], **more: Any) -> list[Any]:
    return [chart(found, **more) for chart in charts]


@contextmanager
def application() -> Iterator[None]:
    """What pages and files are made in."""
    with tempfile.TemporaryDirectory() as folder, create_app(Settings.load(data=Path(folder))).test_request_context():
        yield


def bundle(report: Report, n: int, runs: int) -> None:
    cut = ITEMS * 6 // 10
    spent: dict[str, list[float]] = {}
    wholes, clocks = [], []
    with application():
        for seed in range(runs):
            answered = administration_of(n, seed)
            whole = clock = 0.0
            for name, part in parts_of(answered, cut):
                _, seconds, cpu = timed(part)
                spent.setdefault(name, []).append(cpu)
                whole, clock = whole + cpu, clock + seconds
            wholes.append(1000 * whole)
            clocks.append(1000 * clock)
        for name, times in spent.items():
            report.row(f"  {name}, processor", median(times), "s")
        report.row(f"all analyses, {n:,} x {ITEMS}", median(clocks) / 1000, "s", clocks)
        report.row(f"all analyses, {n:,} x {ITEMS}, processor", median(wholes) / 1000, "s", wholes)
        _files(report, answered, cut)


def _files(report: Report, answered: analyses.Answered, cut: int) -> None:
    """Both files, with the figures that are worked out for them."""
    bulletin = SimpleNamespace(open_on=date(2026, 1, 5), job_class=SimpleNamespace(code="0000"))
    about: Any = SimpleNamespace(number=1, examination=SimpleNamespace(title="Test", bulletin=bulletin))
    key = SimpleNamespace(number=1, digest="0" * 64)
    run: Any = SimpleNamespace(id=1, made_at=datetime(2026, 3, 1, tzinfo=UTC), key=key, inputs_digest="0" * 64)
    thresholds = analyses.Thresholds()
    made = analyses_files.Report(about, run, analyses.figures(answered, thresholds), thresholds, cut, True, 30)
    _, _, cpu = timed(lambda: analyses_files.as_xlsx(made))
    report.row("all as a spreadsheet, processor", cpu, "s")
    before = getrusage(RUSAGE_CHILDREN)
    _, clock, cpu = timed(lambda: analyses_files.as_pdf(made))
    after = getrusage(RUSAGE_CHILDREN)
    report.row("all as a PDF", clock, "s")
    report.row("all as a PDF, processor of the request", cpu, "s")
    report.row(
        "all as a PDF, processor of the process that sets it", after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "s"
    )


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
    bundle(report, 1_000 if quick else 10_000, 1 if quick else 5)
    every_pair(report, 1_000 if quick else 20_000, 1 if quick else 3)
    check_used(time.process_time() - began, "the analysis")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    report.end(ratio)


if __name__ == "__main__":
    main()
