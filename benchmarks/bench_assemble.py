"""Assembly: parallel forms from a bank of 1,200 items, and a form for one candidate, against a plain draw that keeps the counts and nothing else."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
from common import Others, Report, check_used, median, own_settings_only

from testing_platform.itembank.assembly import blueprint, loft
from testing_platform.itembank.assembly.assemble import Outcome, assemble
from testing_platform.itembank.assembly.pool import PoolItem

AREAS = 6
EACH = 10
FORMS = 6
ITEMS = 1200
TARGET = 0.70
WITHIN = 0.005

DOCUMENT: dict[str, Any] = {
    "name": "bench",
    "title": "Sixty items",
    "difficulty": {"mean": TARGET, "within": WITHIN, "spread": 0.14, "spread_within": 0.03},
    "reliability": {"least": 0.75},
    "keys": {"most_share": 0.3},
    "section": [
        {"name": "1", "items": AREAS * EACH, "minutes": 75, "cell": [{"area": f"A{n}", "min": EACH, "max": EACH} for n in range(AREAS)]}
    ],
}


def bank(count: int, seed: int) -> list[PoolItem]:
    """Items with shares round .68, and a tenth as many pairs of enemies."""
    chance = random.Random(seed)
    enemies: dict[int, set[int]] = {}
    for _ in range(count // 10):
        one, other = chance.sample(range(count), 2)
        enemies.setdefault(one, set()).add(other)
    return [
        PoolItem(
            id=number,
            code=f"I-{number:05d}",
            area=f"A{number % AREAS}",
            level=chance.choice(("recall", "apply")),
            share=min(0.95, max(0.2, chance.gauss(0.68, 0.14))),
            seconds=chance.uniform(30, 90),
            item_total=chance.uniform(0.1, 0.5),
            key=chance.randrange(4),
            enemies=frozenset(enemies.get(number, ())),
        )
        for number in range(count)
    ]


def counts_alone(pool: Sequence[PoolItem], forms: int, chance: random.Random) -> list[list[PoolItem]]:
    """The limit: as many items of each area for each form, by chance."""
    found: list[list[PoolItem]] = [[] for _ in range(forms)]
    for area in range(AREAS):
        inside = [item for item in pool if item.area == f"A{area}"]
        drawn = chance.sample(inside, EACH * forms)
        for number, form in enumerate(found):
            form += drawn[number * EACH : (number + 1) * EACH]
    return found


def faults(forms: Sequence[Sequence[PoolItem]]) -> list[str]:
    """What the forms of this benchmark break, counted anew."""
    wrong = []
    for number, form in enumerate(forms, 1):
        ids = {item.id for item in form}
        if len(ids) != AREAS * EACH:
            wrong.append(f"form {number} has {len(ids)} items")
        if any(sum(item.area == f"A{area}" for item in form) != EACH for area in range(AREAS)):
            wrong.append(f"form {number} misses an area")
        if any(item.enemies & ids for item in form):
            wrong.append(f"form {number} has enemies")
        if abs(sum(item.share for item in form) / len(form) - TARGET) > WITHIN:
            wrong.append(f"form {number} is off the target")
        if sum(item.seconds for item in form) > 75 * 60:
            wrong.append(f"form {number} is too long")
        if any(ids & {item.id for item in other} for other in forms[number:]):
            wrong.append(f"form {number} shares items")
    return wrong


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    """Seconds of processor time: nothing here waits, and other programs do not count."""
    began = time.process_time()
    found = act()
    return found, time.process_time() - began


def fixed_forms(report: Report, pairs: int) -> float:
    times, limits, ratios, away = [], [], [], []
    assemble(blueprint.of(DOCUMENT), bank(120, 1), 1, 1)  # warms
    for number in range(pairs):
        pool, chance = bank(ITEMS, number), random.Random(number)
        found, spent = timed(lambda pool=pool, number=number: assemble(blueprint.of(DOCUMENT), pool, FORMS, number))
        _, bare = timed(lambda pool=pool, chance=chance: counts_alone(pool, FORMS, chance))
        outcome: Outcome = found
        if outcome.state != "met" or faults(outcome.forms):
            raise click.ClickException(f"seed {number}: {outcome.state}, {faults(outcome.forms)}")
        times.append(1000 * spent)
        limits.append(1000 * bare)
        ratios.append(bare / spent)
        away.append(outcome.distance)
        report.say(f"  pair {number + 1}: {spent:6.3f} s, counts alone {bare:6.4f} s, worst mean {outcome.distance:.5f} off, {outcome.way}")
    report.row(f"{FORMS} forms of {AREAS * EACH} from {ITEMS}, no overlap", median(times) / 1000, "s", times)
    report.row("the same by counts alone", median(limits) / 1000, "s", limits)
    report.row("worst form's mean off its target", 1000 * max(away), "thousandths")
    return median(ratios)


def one_each(report: Report, draws: int) -> None:
    pool = bank(600, 1)
    frozen, spent = timed(lambda: loft.freeze(DOCUMENT, pool, 0.25, 1))
    report.row("freezing a pool of 600, cap 0.25", spent, "s")
    times, limits, seen = [], [], dict.fromkeys((item.id for item in pool), 0)
    for seed in range(draws):
        form, each = timed(lambda seed=seed: frozen.draw(1_000_000 + seed))
        _, bare = timed(lambda seed=seed: counts_alone(pool, 1, random.Random(seed)))
        if wrong := faults([form]):
            raise click.ClickException(f"draw {seed}: {wrong}")
        times.append(1000 * each)
        limits.append(1000 * bare)
        for item in form:
            seen[item.id] += 1
    report.row("one candidate's form of 60, drawn", median(times), "ms", times)
    report.row("the same by counts alone", median(limits), "ms", limits)
    report.row("largest share of candidates who met an item", max(seen.values()) / draws, "")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Exactly one JSON document.")
@click.option("--quick", is_flag=True, help="Short, to see that it works; not for figures.")
def main(as_json: bool, quick: bool) -> None:
    own_settings_only()
    report, others = Report("assemble", as_json), Others()
    began = time.process_time()
    ratio = fixed_forms(report, 3 if quick else 15)
    one_each(report, 50 if quick else 1000)
    check_used(time.process_time() - began, "the assembly")
    report.row("processor used by other programs meanwhile", others.share(), "%")
    report.end(ratio)


if __name__ == "__main__":
    main()
