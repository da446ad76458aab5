"""Whether lists suffice as often as the chooser promises: hiring cycles with true rates that the chooser only knows from past cases."""

import math
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import click
from common import Others, Report, check_used, cpu_of, median, own_settings_only, percentile
from scipy import special

from testing_platform.scoring import rules

CASES = (20, 50, 100, 200)  # who passed in past administrations
CANDIDATES = 200
ITEMS = 60
# True rates from place to place, as beta distributions with these means of attending, reaching the average and being appointed: .85, .72, .45.
PLACES = {"attend": (17, 3), "reach": (18, 7), "appointed": (9, 11)}
VACANCIES = (4, 20)
POLICY = rules.Policy()
PRIOR = {
    name: (float(POLICY.prior_did), float(POLICY.prior_not)) for name in PLACES
}  # places as the chooser takes them to be before any case
BINS = ((0.80, 0.88), (0.88, 0.92), (0.92, 0.94), (0.94, 0.97), (0.97, 0.99))


@dataclass(frozen=True)
class Cycle:
    """What one cycle promised and what came of it; `needed` and `cut` are those with the rates in doubt, `plain` those with them certain."""

    passers: int | None
    enough: bool  # with just the passers that are needed
    cut: int | None
    promised: float  # at that cut
    cut_enough: bool
    plain: int | None
    plain_enough: bool
    lists: dict[
        int, tuple[float, float]
    ]  # of the first list of each bin the chance that was promised, and the one that the true rates give


def chain(chance: random.Random, people: int, rates: dict[str, float]) -> Iterator[int]:
    """How many are left after each step."""
    for rate in rates.values():
        people = sum(chance.random() < rate for _ in range(people))
        yield people


def cycle(number: int, places: dict[str, tuple[float, float]]) -> Cycle:
    """One cycle, the same for the same number: past cases, a test, a cut, and the interviews and appointments that follow."""
    chance = random.Random(number)
    rates = {name: chance.betavariate(*place) for name, place in places.items()}
    known: dict[str, int] = {}
    of = CASES[number % len(CASES)]
    for name, did in zip(rates, chain(chance, of, rates), strict=True):
        known |= {f"{name}_did": did, f"{name}_of": of}
        of = did
    inputs = rules.Inputs.of({"vacancies_now": chance.randint(*VACANCIES), "vacancies_expected": 0, **known})
    able = [chance.betavariate(13.5, 6.2) for _ in range(CANDIDATES)]
    counts = rules.histogram((sum(chance.random() < one for _ in range(ITEMS)) for one in able), ITEMS)
    choice = rules.choose(counts, inputs, POLICY)

    def filled(passers: int | None) -> bool:
        *_, appointed = chain(chance, passers or 0, rates)
        return appointed >= inputs.vacancies

    whole, lists = math.prod(rates.values()), {}
    for row in reversed(choice.rows):
        at = next((at for at, (low, high) in enumerate(BINS) if low <= float(row.probability) < high), None)
        if at is not None and at not in lists:
            lists[at] = float(row.probability), float(special.bdtrc(inputs.vacancies - 1, row.passers, whole))
    cut, plain = choice.assured, choice.assured_certain
    return Cycle(
        choice.assured_passers,
        filled(choice.assured_passers),
        cut,
        0.0 if cut is None else float(choice.row(cut).probability),
        cut is not None and filled(choice.row(cut).passers),
        plain,
        plain is not None and filled(choice.row(plain).passers),
        lists,
    )


def percent(some: list[bool]) -> float:
    return 100 * sum(some) / max(1, len(some))


def mean(some: list[float]) -> float:
    return sum(some) / max(1, len(some))


def by_promise(report: Report, cycles: list[Cycle], where: str) -> None:
    """Of lists by what was promised of them, how often they suffice."""
    for at, (low, high) in enumerate(BINS):
        found = [one.lists[at] for one in cycles if at in one.lists]
        case = f"{where}, promised {100 * low:g} to {100 * high:g} %"
        report.row(f"{case}: lists", len(found), "cycles")
        report.row(f"{case}: promised in the mean", 100 * mean([promised for promised, _ in found]), "%")
        report.row(f"{case}: suffice", 100 * mean([truth for _, truth in found]), "%")
        gaps = [truth - promised for promised, truth in found]
        middle = mean(gaps)
        error = math.sqrt(sum((gap - middle) ** 2 for gap in gaps)) / max(1, len(gaps))
        report.row(f"{case}: standard error of the difference", 100 * error, "%")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
def main(as_json: bool, quick: bool) -> None:
    own_settings_only()
    report, others = Report("hiring", as_json), Others()
    with multiprocessing.Pool(2) as pool:
        cycles = pool.map(partial(cycle, places=PLACES), range(200 if quick else 10_000), chunksize=50)
        by_prior = pool.map(partial(cycle, places=PRIOR), range(200 if quick else 10_000), chunksize=50)
        busy = others.share()
        check_used(sum(map(cpu_of, (one.pid for one in multiprocessing.active_children()))), "the chooser")
    for place, cases in enumerate(CASES):
        found = cycles[place :: len(CASES)]
        kept = [one for one in found if one.passers is not None]
        by_cut = [one for one in found if one.cut is not None]
        report.row(f"N = {cases}: the passers needed were enough", percent([one.enough for one in kept]), "%")
        report.row(f"N = {cases}: those at the assured cut were enough", percent([one.cut_enough for one in by_cut]), "%")
        report.row(f"N = {cases}: as the page had promised at it", 100 * sum(one.promised for one in by_cut) / max(1, len(by_cut)), "%")
        certain = [one for one in found if one.plain is not None]
        report.row(f"N = {cases}: rates taken as certain, at their cut", percent([one.plain_enough for one in certain]), "%")
        report.row(f"N = {cases}: no cut could be promised", percent([one.passers is None for one in found]), "%")
        if cases == 50:
            apart = [float(one.plain - one.cut) for one in by_cut if one.plain is not None and one.cut is not None]
            report.row("N = 50: the assured cut lies lower for the doubt, median", median(apart), "raw points")
            report.row("N = 50: and in nine of ten cycles by no more than", percentile(apart, 0.9), "raw points")
    by_promise(report, cycles, "places")
    by_promise(report, by_prior, "rates from the chooser's own prior")
    report.row("processor used by other programs meanwhile", busy, "%")
    report.end(percent([one.enough for one in cycles if one.passers is not None]) / 90)


if __name__ == "__main__":
    main()
