"""Made-up pools and blueprints, and a checker of forms that shares nothing with the product: it reads the blueprint's own document."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from testing_platform.itembank.assembly.pool import PoolItem

AREAS = ("CST", "MATH", "READ")
LEVELS = ("apply", "know")


def item(number: int, **more: Any) -> PoolItem:
    """One item; what the test does not care about is filled in."""
    given: dict[str, Any] = {
        "id": number,
        "code": f"I-{number:05d}",
        "area": AREAS[number % 3],
        "level": LEVELS[number % 2],
        "share": 0.7,
        "seconds": 60.0,
        "item_total": 0.3,
        "key": number % 4,
    }
    return PoolItem(**given | more)


def pool(
    count: int, seed: int, *, areas: Sequence[str] = AREAS, passages: int = 0, pilots: int = 0, pairs: int | None = None
) -> list[PoolItem]:
    """`count` items with shares round .68 and a tenth as many pairs of enemies; passages of four items come on top, and items on trial."""
    chance = random.Random(seed)
    found = [
        item(
            number,
            area=areas[number % len(areas)],
            level=chance.choice(LEVELS),
            share=min(0.95, max(0.2, chance.gauss(0.68, 0.14))),
            seconds=chance.uniform(30, 90),
            item_total=chance.uniform(0.1, 0.5),
            key=chance.randrange(4),
            forms_ago=chance.choice((None, None, None, 1, 2, 3)),
            exposures=chance.randrange(3),
        )
        for number in range(count)
    ]
    for passage in range(passages):
        for _ in range(4):
            found.append(
                item(len(found), area=areas[-1], level=chance.choice(LEVELS), share=chance.uniform(0.5, 0.9), passage=f"P-{passage}")
            )
    for _ in range(pilots):
        found.append(item(len(found), area=chance.choice(areas), pilot=True))
    enemies: dict[int, set[int]] = {}
    for _ in range(count // 10 if pairs is None else pairs):
        one, other = chance.sample(range(len(found)), 2)
        if found[one].passage is None or found[one].passage != found[other].passage:
            enemies.setdefault(one, set()).add(other)
    return [replace(one, enemies=frozenset(enemies.get(one.id, ()))) for one in found]


def document(**more: Any) -> dict[str, Any]:
    """A blueprint of twelve items in three areas that most pools can meet."""
    return {
        "name": "T",
        "title": "A test",
        "difficulty": {"mean": 0.70, "within": 0.02},
        "section": [
            {
                "name": "S",
                "items": 12,
                "minutes": 30,
                "cell": [{"area": area, "min": 3, "max": 5} for area in AREAS],
            }
        ],
    } | more


def faults(
    document: dict[str, Any], offered: Sequence[PoolItem], forms: Sequence[Sequence[PoolItem]], anchor: Sequence[PoolItem] = ()
) -> list[str]:
    """What is wrong with the forms, in words; the blueprint's document is read line by line."""
    wrong = []
    common = {one.id for one in anchor}
    for number, form in enumerate(forms, 1):
        ids = [one.id for one in form]
        if len(set(ids)) < len(ids):
            wrong.append(f"{number}: an item twice")
        if not set(ids) <= {one.id for one in offered}:
            wrong.append(f"{number}: an item from nowhere")
        for one in form:
            for other in form:
                if other.id in one.enemies:
                    wrong.append(f"{number}: enemies {one.id} and {other.id}")
        rest = list(form)
        for section in document["section"]:
            wanted = {cell["area"] for cell in section["cell"]}
            calculator = section.get("calculator")
            inside = [one for one in rest if one.area in wanted and calculator in (None, one.calculator)]
            rest = [one for one in rest if one not in inside]
            counted = [one for one in inside if not one.pilot]
            if len(counted) != section["items"]:
                wrong.append(f"{number}: {len(counted)} items in {section['name']}")
            if len(inside) - len(counted) != section.get("pilot", 0):
                wrong.append(f"{number}: {len(inside) - len(counted)} on trial in {section['name']}")
            if sum(one.seconds for one in inside) > section["minutes"] * 60 + 1e-6:
                wrong.append(f"{number}: too long {section['name']}")
            for cell in section["cell"]:
                got = sum(one.area == cell["area"] and cell.get("level") in (None, one.level) for one in counted)
                if not cell.get("min", 0) <= got <= cell.get("max", 500):
                    wrong.append(f"{number}: {got} in {cell}")
            rule = section.get("passages", {})
            sets = Counter(one.passage for one in counted if one.passage)
            there = Counter(one.passage for one in offered if one.passage and not one.pilot and one.area in wanted)
            for passage, got in sets.items():
                least, most = (there[passage],) * 2 if rule.get("whole") else (rule.get("least", 1), rule.get("most", 500))
                if not least <= got <= most:
                    wrong.append(f"{number}: {got} of passage {passage}")
            if not rule.get("sets_min", 0) <= len(sets) <= rule.get("sets_max", 500):
                wrong.append(f"{number}: {len(sets)} passages")
        if rest:
            wrong.append(f"{number}: {len(rest)} items of no section")
        scored = [one for one in form if not one.pilot]
        count = len(scored)
        average = sum(one.share for one in scored) / count
        difficulty = document["difficulty"]
        if abs(average - difficulty["mean"]) > difficulty["within"] + 1e-9:
            wrong.append(f"{number}: mean {average}")
        if "spread" in difficulty:
            spread = math.sqrt(sum((one.share - average) ** 2 for one in scored) / count)
            if abs(spread - difficulty["spread"]) > difficulty["spread_within"] + 1e-9:
                wrong.append(f"{number}: spread {spread}")
        if "reliability" in document:
            within = sum(one.share * (1 - one.share) for one in scored)
            deviation = sum(one.item_total * math.sqrt(one.share * (1 - one.share)) for one in scored)
            if count / (count - 1) * (1 - within / deviation**2) < document["reliability"]["least"] - 1e-9:
                wrong.append(f"{number}: not reliable")
        for point in document.get("information", {}).get("at", []):
            total = 0.0
            for one in scored:
                if one.irt:
                    p = one.irt.c + (1 - one.irt.c) / (1 + math.exp(-one.irt.a * (point["theta"] - one.irt.b)))
                    slope = one.irt.a * (p - one.irt.c) * (1 - p) / (1 - one.irt.c)
                    total += slope**2 / (p * (1 - p))
            if total < point["least"] - 1e-6:
                wrong.append(f"{number}: information {total} at {point['theta']}")
        if "keys" in document:
            most = max(Counter(one.key for one in scored if one.key is not None).values(), default=0)
            if most > document["keys"]["most_share"] * count + 1e-9:
                wrong.append(f"{number}: {most} keys at one place")
        if "reuse" in document:
            used = sum(one.forms_ago is not None and one.forms_ago <= document["reuse"]["forms"] for one in scored)
            if used > document["reuse"]["most_share"] * count + 1e-9:
                wrong.append(f"{number}: {used} used lately")
        if not common <= set(ids):
            wrong.append(f"{number}: the anchor is not whole")
        for earlier in forms[: number - 1]:
            shared = {one.id for one in earlier} & set(ids) - common
            if len(shared) > document.get("overlap", {}).get("most", 0):
                wrong.append(f"{number}: shares {len(shared)} items")
    return wrong
