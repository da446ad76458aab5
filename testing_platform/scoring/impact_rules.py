"""Groups of candidates, who may see how they fare, and which figures stay out of files.

What a candidate says of sex, ethnicity and age is voluntary, and is asked with the application, not here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from testing_platform import errors
from testing_platform.accounts.rules import CUT_ROLES, Role
from testing_platform.scoring.analysis.dif import DifRules, ItemDif
from testing_platform.scoring.analysis.impact import GroupImpact, Impact, ImpactRules


class Sex(StrEnum):
    FEMALE = "F"
    MALE = "M"
    ANOTHER = "X"


class Ethnicity(StrEnum):
    """The categories of the report EEO-4 of state and local governments (29 CFR 1602.32)."""

    WHITE = "white"
    BLACK = "black"
    HISPANIC = "hispanic"
    ASIAN = "asian"
    PACIFIC = "pacific"
    NATIVE = "native"
    SEVERAL = "two_or_more"


class By(StrEnum):
    """What candidates are grouped by: their voluntary answers, and what is stored of every test."""

    SEX = "sex"
    ETHNICITY = "ethnicity"
    AGE_40 = "age_40"  # protected from 40 on: 29 U.S.C. 631(a)
    MODE = "mode"
    LIST = "list"


ANSWERED = (By.SEX, By.ETHNICITY, By.AGE_40)
# In the order in which groups stand on a page.
GROUPS: dict[By, tuple[str, ...]] = {
    By.SEX: tuple(Sex),
    By.ETHNICITY: tuple(Ethnicity),
    By.AGE_40: ("under_40", "40_or_over"),
    By.MODE: ("facility", "remote"),
    By.LIST: ("OPEN", "PROMOTIONAL"),
}
UNSAID = ""


class SetsTheCut(errors.Refusal):
    """Who proposes or approves a passing score sees no group. `why`: role, or decided (this administration's, in whatever role)."""

    code = "sets-the-cut"


class SawGroups(errors.Refusal):
    """Who has looked at the groups of an administration neither proposes nor approves its passing score."""

    code = "saw-groups"


class NotCountersigned(errors.Refusal):
    """The proposal waits for a validation analyst, who weighs alternatives before it is approved."""

    code = "not-countersigned"


def check_apart(roles: Collection[Role], decided: bool) -> None:
    """Raises SetsTheCut.

    By role, not from the first proposal on: somebody who may propose could look at the groups first and choose the cut by them.
    """
    if CUT_ROLES & set(roles):
        raise SetsTheCut(why="role")
    if decided:
        raise SetsTheCut(why="decided")


SOURCES = {
    "four_fifths": "29 CFR 1607.4 D: a rate below four fifths of the highest is generally regarded as evidence of adverse impact",
    "least_share": "Uniform Guidelines, questions and answers, 44 FR 11996, no. 11: groups of less than 2 % are passed over",
    "small": "psychometric custom: of fewer than 30 people a rate says little (docs/analysis.md, Impact and DIF pages)",
    "suppress_below": "custom of public statistics: counts below 5 could point at a person (docs/analysis.md, Impact and DIF pages)",
    "countersign_required": "29 CFR 1607.3 B: alternatives are to be investigated; due where answers about groups are held, unless the bulletin says otherwise",
}


@dataclass(frozen=True)
class GroupPolicy:
    """The numbers of the impact page. A bulletin's `[policy.impact]` may set each, `[policy.dif]` those of DifRules; `sources` says where each is from."""

    four_fifths: Decimal = Decimal("0.80")
    least_share: Decimal = Decimal("0.02")
    small: int = 30
    suppress_below: int = 5
    countersign_required: bool | None = None  # None: where answers about groups are held
    dif: DifRules = field(default_factory=DifRules)
    sources: Mapping[str, str] = field(default_factory=lambda: dict(SOURCES))

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "GroupPolicy":
        said = content.get("policy", {}).get("impact", {})
        values: dict[str, Any] = {}
        sources = dict(SOURCES)
        for name, kind in (("four_fifths", Decimal), ("least_share", Decimal), ("small", int), ("suppress_below", int)):
            if name in said:
                values[name] = kind(str(said[name]))
        if "countersign_required" in said:
            values["countersign_required"] = bool(said["countersign_required"])
        for name in values:
            sources[name] = str(said.get("source") or SOURCES[name])
        dif: dict[str, Any] = {}
        for one in fields(DifRules):
            value = content.get("policy", {}).get("dif", {}).get(one.name)
            if value is not None:
                dif[one.name] = int(value) if isinstance(one.default, int) else float(value)
        return cls(**values, dif=DifRules(**dif), sources=sources)

    @property
    def impact(self) -> ImpactRules:
        return ImpactRules(four_fifths=Fraction(self.four_fifths), least_share=Fraction(self.least_share), small=self.small)

    def numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SOURCES if name != "countersign_required"}


def suppressed(counts: Sequence[tuple[int, int]], below: int) -> list[bool]:
    """Which of the groups, each as (people, passed), stay out of a file.

    Those of which fewer than `below` took the test, passed or did not pass, where that is somebody at all; and where that is one group alone the
    smallest other one too, because the one left out is what the others lack of the whole.
    """
    found = [n < below or 0 < passed < below or 0 < n - passed < below for n, passed in counts]
    if found.count(True) == 1 and len(found) > 1:
        found[min((place for place, hidden in enumerate(found) if not hidden), key=lambda place: counts[place][0])] = True
    return found


def lowest(impact: Impact) -> GroupImpact | None:
    """The group with the lowest ratio of those that are large enough for a verdict."""
    judged = [
        one for one in impact.groups if one.below_four_fifths is not None and one.exact_ratio is not None and one.group != impact.reference
    ]
    return min(judged, key=lambda one: one.exact_ratio or Fraction(0), default=None)


def flagged(item: ItemDif) -> bool:
    """Whether a person should read the item: a class of ETS beyond A."""
    return item.ets in ("B", "C")
