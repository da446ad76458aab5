"""The numbers by which leads are listed, and what may be made of one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from testing_platform import errors


class Conclusion(StrEnum):
    """The first two are an analyst's; the others the lead proctor's, of one that was referred."""

    NO_CONCERN = "no_concern"
    REFERRED = "referred"
    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"


BY_ANALYST = (Conclusion.NO_CONCERN, Conclusion.REFERRED)
BY_LEAD = (Conclusion.EXPLAINED, Conclusion.UNEXPLAINED)


class Reason(StrEnum):
    """What makes two candidates neighbours."""

    SEAT = "seat"
    LINE = "line"
    DEVICE = "device"


class LeadMoved(errors.Refusal):
    """Somebody concluded on this lead since the page was looked at."""

    code = "lead-moved"


SOURCES = {
    "level": "Wollack, Cohen & Serlin 2001: the error rate is held over all comparisons of a family; .05 is customary",
    "listed": "so many that a person can look at each; the level does not depend on it",
    "seats_apart": "seats are numbered along their rows; how rows stand to each other is the room’s own",
    "fast_share": "a corner small enough that a person can look at all who are in it",
    "high_share": "a corner small enough that a person can look at all who are in it",
    "set_p": "Sinharay 2017 reports the ratio at .01 and .05",
}
KINDS: dict[str, type[float] | type[int]] = dict.fromkeys(SOURCES, float) | {"listed": int, "seats_apart": int}


@dataclass(frozen=True)
class Policy:
    """A bulletin's `[policy.forensics]` may set each, with `source`.

    `level`: how many leads a family of comparisons may have on average where everybody worked alone. `listed`: so many pairs at the top of all. `seats_apart`: so
    many seat numbers make neighbours. `fast_share`, `high_share`: the corner of pace and score. `set_p`: below it somebody is listed for a set of items.
    """

    level: float = 0.05
    listed: int = 20
    seats_apart: int = 1
    fast_share: float = 0.05
    high_share: float = 0.25
    set_p: float = 0.01
    sources: Mapping[str, str] = field(default_factory=lambda: dict(SOURCES))

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Policy":
        said = content.get("policy", {}).get("forensics", {})
        values: dict[str, Any] = {name: kind(said[name]) for name, kind in KINDS.items() if name in said}
        own = {name: str(said.get("source") or SOURCES[name]) for name in values}
        return cls(**values, sources=SOURCES | own)

    def numbers(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in SOURCES}
