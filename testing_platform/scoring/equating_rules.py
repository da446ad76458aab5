"""How many shared items make an anchor, which of them belong in it, and which method suits which data.

K&B is Kolen & Brennan 2014, *Test Equating, Scaling, and Linking*.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from testing_platform.scoring.analysis import drift
from testing_platform.scoring.analysis.equating import BY_ANCHOR, Method

SOURCES = {
    "anchor_share": "Angoff 1971; Kolen & Brennan 2014, ch. 8",
    "anchor_items": "Angoff 1971; Kolen & Brennan 2014, ch. 8",
    "identity_below": "Skaggs 2005",
    "arc_below": "Livingston & Kim 2009",
    "curve_from": "Kolen & Brennan 2014, ch. 8",
    "apart": "Kolen & Brennan 2014, ch. 8",
    "far_apart": "Kolen & Brennan 2014, ch. 8",
    "correlation": "Dorans & Holland 2000",
    "distance": "Angoff & Ford 1973",
    "z": "Huynh & Meyer 2010",
    "weight": "Kolen & Brennan 2014, ch. 4",
    "replications": "Efron & Tibshirani 1993, ch. 6",
}
# The methods that smoothing is for.
SMOOTHED = (Method.EQUIPERCENTILE, Method.CHAINED_EQUIPERCENTILE)


@dataclass(frozen=True)
class EquatingPolicy:
    """The numbers of equating; a bulletin's `[policy.equating]` may set each, with `source`.

    An anchor has at least `anchor_share` of the longer form's items and at least `anchor_items`. With fewer people than `identity_below` nothing is
    better than taking the forms for equally hard, up to `arc_below` the circle arc; curves take `curve_from` in each group. On the anchor, groups
    are `apart` from so many standard deviations on. From `correlation` on the anchor takes away half of what is unknown of a total: 1 − √(1 − r²).
    """

    anchor_share: float = 0.20
    anchor_items: int = 20
    identity_below: int = 25
    arc_below: int = 100
    curve_from: int = 1500
    apart: float = 0.3
    far_apart: float = 0.5
    correlation: float = 0.866
    distance: float = drift.Rules.distance
    z: float = drift.Rules.z
    weight: float = 0.5
    replications: int = 200
    own: frozenset[str] = frozenset()
    source: str = ""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "EquatingPolicy":
        said = content.get("policy", {}).get("equating", {})
        whole = {one.name: isinstance(one.default, int) for one in fields(cls) if one.name in SOURCES}
        values: dict[str, Any] = {name: int(said[name]) if whole[name] else float(said[name]) for name in whole if name in said}
        return cls(**values, own=frozenset(values), source=str(said.get("source", "")))

    def numbers(self) -> dict[str, tuple[float, str]]:
        """Each with where it comes from; empty where a bulletin names it without a source."""
        return {name: (getattr(self, name), self.source if name in self.own else source) for name, source in SOURCES.items()}

    @property
    def drift(self) -> drift.Rules:
        return drift.Rules(self.distance, self.z)

    def least(self, items: int) -> int:
        """The fewest shared items that make an anchor for forms of which the longer has so many."""
        return max(math.ceil(self.anchor_share * items - 1e-9), self.anchor_items)


class Standing(StrEnum):
    """Whether an item that both forms hold in the same version is in the anchor, and why not."""

    ANCHOR = "anchor"
    LEFT_OUT = "left_out"  # by a person
    KNOWN_OUTSIDE = "known_outside"  # marked as compromised in the bank
    UNCOUNTED = "uncounted"  # on trial, dropped, or right for everybody in one of the two
    OTHER_KEY = "other_key"  # the two keys take different answers for right


def standing(here: list[str], there: list[str], *, compromised: bool, left_out: bool) -> Standing:
    """By the entries of both keys. What makes it another question goes before what a person ruled."""
    if any(not entry or "*" in entry for entry in (here, there)):
        return Standing.UNCOUNTED
    if set(here) != set(there):
        return Standing.OTHER_KEY
    if compromised:
        return Standing.KNOWN_OUTSIDE
    return Standing.LEFT_OUT if left_out else Standing.ANCHOR


@dataclass(frozen=True)
class Facts:
    """What a method is chosen by. X is the earlier form. `r`: the anchor with the total, the lower of both groups; `gap`: how far the group of Y is above that of X on the anchor, in standard deviations."""

    n_x: int
    n_y: int
    items_x: int
    items_y: int
    anchor: int
    r: float | None
    gap: float | None


@dataclass(frozen=True)
class Recommended:
    """`reasons` lead to the method, `warnings` hold whatever the method."""

    method: Method
    smooth: bool
    reasons: list[str]
    warnings: list[str]


def recommend(found: Facts, policy: EquatingPolicy) -> Recommended:
    people, longer = min(found.n_x, found.n_y), max(found.items_x, found.items_y)
    warnings = []
    if found.anchor < policy.least(longer):
        warnings.append("few-items")
    if found.r is not None and found.r < policy.correlation:
        warnings.append("low-correlation")
    if found.gap is not None and abs(found.gap) > policy.far_apart:
        warnings.append("far-apart")
    if found.anchor < policy.anchor_share * longer:
        return Recommended(Method.IDENTITY, False, ["no-anchor"], warnings)
    if found.r is None or found.gap is None or found.r <= 0:
        return Recommended(Method.IDENTITY, False, ["unrelated"], warnings)
    if people < policy.identity_below:
        return Recommended(Method.IDENTITY, False, ["very-few-people"], warnings)
    if people < policy.arc_below:
        return Recommended(Method.CIRCLE_ARC, False, ["few-people"], warnings)
    apart = abs(found.gap) > policy.apart
    reasons = ["apart" if apart else "alike"]
    if people >= policy.curve_from:
        method = Method.CHAINED_EQUIPERCENTILE if apart else Method.FREQUENCY_ESTIMATION
        return Recommended(method, method in SMOOTHED, [*reasons, "many-people"], warnings)
    reasons.append("some-people")
    if not apart:
        return Recommended(Method.TUCKER, False, reasons, warnings)
    same = found.items_x == found.items_y
    return Recommended(
        Method.LEVINE if same else Method.CHAINED_LINEAR, False, [*reasons, "same-length" if same else "other-length"], warnings
    )


def needs_anchor(method: Method) -> bool:
    return method in BY_ANCHOR
