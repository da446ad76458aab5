"""What a blueprint wants and what forms have, one line for each constraint. It counts the forms' items anew and knows nothing of how they were found."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from testing_platform.itembank.assembly import figures
from testing_platform.itembank.assembly.blueprint import Blueprint
from testing_platform.itembank.assembly.pool import PoolItem, enemies_of

# Sums of decimals are compared with this much patience.
HAIR = 1e-9


@dataclass(frozen=True)
class Line:
    """One constraint: `got` is to lie from `least` to `most`. `form` counts from 1; none is about all forms together."""

    kind: str
    got: float
    least: float | None = None
    most: float | None = None
    form: int | None = None
    section: str | None = None
    at: str = ""

    @property
    def met(self) -> bool:
        return (self.least is None or self.got >= self.least - HAIR) and (self.most is None or self.got <= self.most + HAIR)


def most_of(share: float, items: int) -> int:
    """The most items that are still no more than this share of `items`."""
    return math.floor(share * items + HAIR)


def scored(form: Sequence[PoolItem]) -> list[PoolItem]:
    return [item for item in form if not item.pilot]


def check(blueprint: Blueprint, forms: Sequence[Sequence[PoolItem]], anchor: frozenset[int] = frozenset()) -> list[Line]:
    """Every constraint of the blueprint, wanted and got; `anchor` holds the ids that all forms are to share."""
    lines = [line for number, form in enumerate(forms, 1) for line in _form(blueprint, form, number)]
    for (one, here), (other, there) in combinations(enumerate(forms, 1), 2):
        shared = {item.id for item in here} & {item.id for item in there} - anchor
        lines.append(Line("overlap", len(shared), most=blueprint.overlap, at=f"{one}-{other}"))
    if blueprint.anchor_count:
        in_all = set.intersection(*({item.id for item in form} for form in forms)) & anchor if forms else set()
        lines.append(Line("anchor", len(in_all), least=blueprint.anchor_count))
    return lines


def _form(blueprint: Blueprint, form: Sequence[PoolItem], number: int) -> Iterator[Line]:
    ids = Counter(item.id for item in form)
    yield Line("twice", sum(count - 1 for count in ids.values()), most=0, form=number)
    feuds = enemies_of(form)
    yield Line("enemies", sum(len(others) for others in feuds.values()) / 2, most=0, form=number)
    placed = [blueprint.section_of(item.area, item.level, item.calculator) for item in form]
    yield Line("misplaced", placed.count(None), most=0, form=number)
    for at, section in enumerate(blueprint.sections):
        inside = [item for item, where in zip(form, placed, strict=True) if where == at]
        counted = scored(inside)
        yield Line("items", len(counted), section.items, section.items, number, section.name)
        for cell in section.cells:
            got = sum(cell.takes(item.area, item.level) for item in counted)
            yield Line(
                "cell", got, cell.least, cell.most, number, section.name, cell.area if cell.level is None else f"{cell.area} · {cell.level}"
            )
        if section.pilot:
            yield Line("pilot", len(inside) - len(counted), section.pilot, section.pilot, number, section.name)
        yield Line("minutes", math.fsum(item.seconds for item in inside) / 60, most=section.minutes, form=number, section=section.name)
        sets = Counter(item.passage for item in counted if item.passage is not None)
        rule = section.passages
        if rule.sets_least or rule.sets_most is not None:
            yield Line("passages", len(sets), rule.sets_least, rule.sets_most, number, section.name)
    yield from _figures(blueprint, scored(form), number)


def passage_lines(blueprint: Blueprint, form: Sequence[PoolItem], offered: Sequence[PoolItem], number: int) -> Iterator[Line]:
    """Whether each passage that the form has came with as many of its items as the blueprint says; `offered` is the whole pool."""
    for section_at, section in enumerate(blueprint.sections):

        def of_section(items: Sequence[PoolItem], where: int = section_at) -> Counter[str]:
            return Counter(
                item.passage
                for item in scored(items)
                if item.passage is not None and blueprint.section_of(item.area, item.level, item.calculator) == where
            )

        there = of_section(offered)
        for passage, got in sorted(of_section(form).items()):
            sizes = section.passages.sizes(there[passage])
            yield Line("passage", got, sizes.start, sizes.stop - 1, number, section.name, passage)


def _figures(blueprint: Blueprint, items: Sequence[PoolItem], number: int) -> Iterator[Line]:
    if not items:
        return
    shares = [item.share for item in items]
    yield Line("mean", figures.mean(shares), blueprint.mean - blueprint.within, blueprint.mean + blueprint.within, number)
    if blueprint.spread is not None:
        low, high = blueprint.spread - blueprint.spread_within, blueprint.spread + blueprint.spread_within
        yield Line("spread", figures.spread(shares), max(0.0, low), high, number)
    if blueprint.reliability is not None:
        got = figures.reliability([(item.share, item.item_total) for item in items])
        yield Line("reliability", -math.inf if got is None else got, blueprint.reliability, form=number)
    for theta, least in blueprint.information:
        got = math.fsum(item.irt.information(theta) for item in items if item.irt)
        yield Line("information", got, least, form=number, at=f"{theta:g}")
    if blueprint.key_share is not None:
        keys = Counter(item.key for item in items if item.key is not None)
        yield Line("key", max(keys.values(), default=0), most=most_of(blueprint.key_share, len(items)), form=number)
    if blueprint.reuse_forms:
        used = sum(item.forms_ago is not None and item.forms_ago <= blueprint.reuse_forms for item in items)
        yield Line("reuse", used, most=most_of(blueprint.reuse_share, len(items)), form=number)
