"""Adverse impact: whether groups pass at like rates (29 CFR 1607.4 D, the Uniform Guidelines; their Questions and Answers 10-27).

Rates are exact fractions, and four fifths are compared in whole numbers: exactly .80 is not below four fifths.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from scipy import special

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.analysis.sheets import Count
from testing_platform.scoring.analysis.tables import breslow_day, column, fisher, mantel_haenszel


@dataclass(frozen=True)
class ImpactRules:
    """Settings. The Guidelines: four fifths (4 D); Q&A 11 passes over groups of less than 2 %. A group under `small` is marked (psychometric custom)."""

    four_fifths: Fraction = Fraction(4, 5)
    least_share: Fraction = Fraction(2, 100)
    small: int = 30
    interval_z: float = 1.959963984540054  # 95 %


@dataclass(frozen=True)
class GroupImpact:
    """A group beside the reference group. Signs: below nought when this group passes less often.

    `ratio` of the rates; `z` with the pooled variance; `sd` the standard deviations of the hypergeometric; `flip`: one pass more here and one less there
    would turn the direction round (Q&A 21); `shortfall`: how many more would have passed at the reference's rate; `phi` the correlation of the table;
    `h` Cohen's (1988) difference of arcsines. `below_four_fifths` is None where the group is too small a share for the verdict.
    """

    group: str
    n: int
    passed: int
    exact_rate: Fraction
    exact_ratio: Fraction | None
    below_four_fifths: bool | None
    small: bool
    z: float | None
    p_z: float | None
    p_fisher: float | None
    p_mid: float | None
    sd: float | None
    flip: bool | None
    shortfall: float | None
    ratio_interval: tuple[float, float] | None
    phi: float | None
    h: float | None


@dataclass(frozen=True)
class PooledImpact:
    """A group beside the reference group over administrations: Mantel & Haenszel's, and whether the odds agree (Breslow & Day)."""

    group: str
    odds: float | None
    chi2: float | None
    p: float | None
    breslow_day: float | None
    p_breslow_day: float | None


@dataclass(frozen=True)
class Impact:
    reference: str
    groups: list[GroupImpact]
    pooled: list[PooledImpact]


def whole(counts: Sequence[Count]) -> list[Count]:
    """Each group over all administrations, in the order in which they are met."""
    found: dict[str, Count] = {}
    for count in counts:
        before = found.get(count.group, Count(count.group, 0, 0))
        found[count.group] = Count(count.group, before.n + count.n, before.passed + count.passed)
    return list(found.values())


def reference_of(groups: Sequence[Count], rules: ImpactRules) -> Count:
    """The group with the highest rate among those of enough share; the larger of two that are level."""
    everyone = sum(group.n for group in groups)
    large = [group for group in groups if group.n >= rules.least_share * everyone]
    return max(large or groups, key=lambda group: (Fraction(group.passed, group.n), group.n))


def below(group: Count, reference: Count, share: Fraction) -> bool:
    """Whether the group's rate is less than that share of the reference's, in whole numbers."""
    return group.passed * reference.n * share.denominator < share.numerator * reference.passed * group.n


def flips(group: Count, reference: Count) -> bool:
    """Whether one pass moved from the reference to the group leaves the group with the higher rate, when it had the lower one."""
    if group.passed * reference.n >= reference.passed * group.n or reference.passed == 0:
        return False
    return (group.passed + 1) * reference.n > (reference.passed - 1) * group.n


def beside(group: Count, reference: Count, everyone: int, rules: ImpactRules) -> GroupImpact:
    rate, base = Fraction(group.passed, group.n), Fraction(reference.passed, reference.n)
    judged = group.n >= rules.least_share * everyone
    own = group.group == reference.group
    a, b, c, d = group.passed, group.n - group.passed, reference.passed, reference.n - reference.passed
    n, passed = group.n + reference.n, a + c
    varied = not own and 0 < passed < n
    gap = float(rate - base)
    z = sd = phi = None
    if varied:
        square = Fraction(passed * (n - passed), n * n)
        z = gap / math.sqrt(square * (Fraction(1, group.n) + Fraction(1, reference.n)))
        expected = Fraction(group.n * passed, n)
        sd = float(a - expected) / math.sqrt(Fraction(group.n * reference.n * passed * (n - passed), n * n * (n - 1)))
        phi = z / math.sqrt(n)
    exact = None if own else fisher(a, b, c, d)
    interval = None
    if not own and a and c:
        middle = math.log(float(rate / base))
        error = rules.interval_z * math.sqrt(Fraction(b, a * group.n) + Fraction(d, c * reference.n))
        interval = (math.exp(middle - error), math.exp(middle + error))
    return GroupImpact(
        group=group.group,
        n=group.n,
        passed=group.passed,
        exact_rate=rate,
        exact_ratio=rate / base if base else None,
        below_four_fifths=below(group, reference, rules.four_fifths) if judged else None,
        small=group.n < rules.small,
        z=z,
        p_z=None if z is None else float(2 * special.ndtr(-abs(z))),
        p_fisher=None if exact is None else float(exact[0]),
        p_mid=None if exact is None else float(exact[1]),
        sd=sd,
        flip=None if own else flips(group, reference),
        shortfall=None if own else max(0.0, float(base * group.n - a)),
        ratio_interval=interval,
        phi=phi,
        h=None if own else 2 * math.asin(math.sqrt(rate)) - 2 * math.asin(math.sqrt(base)),
    )


def over_administrations(counts: Sequence[Count], reference: str) -> list[PooledImpact]:
    """The groups beside the reference within each administration that has both; none if there is one administration alone."""
    days: dict[str, dict[str, Count]] = {}
    for count in counts:
        days.setdefault(count.administration, {})[count.group] = count
    if len(days) < 2:
        return []
    found = []
    for name in dict.fromkeys(count.group for count in counts):
        pairs = [(groups[name], groups[reference]) for groups in days.values() if name in groups and reference in groups]
        if name == reference or not pairs:
            continue
        table = (
            column([one.passed for one, _ in pairs]),
            column([one.n - one.passed for one, _ in pairs]),
            column([other.passed for _, other in pairs]),
            column([other.n - other.passed for _, other in pairs]),
        )
        pooled = mantel_haenszel(*table)
        alike = None if pooled.odds is None else breslow_day(*table, pooled.odds)
        found.append(PooledImpact(name, pooled.odds, pooled.chi2, pooled.p, *(alike or (None, None))))
    return found


def impact(counts: Sequence[Count], reference: str | None = None, rules: ImpactRules | None = None) -> Impact:
    """Every group beside the reference: the one named, else the one with the highest rate. Raises CannotSay for a name that no group has."""
    rules = rules or ImpactRules()
    groups = whole(counts)
    named = [group for group in groups if group.group == reference]
    if reference is not None and not named:
        raise CannotSay(why="no-such-group", group=reference, groups=", ".join(group.group for group in groups))
    base = named[0] if named else reference_of(groups, rules)
    everyone = sum(group.n for group in groups)
    return Impact(base.group, [beside(group, base, everyone, rules) for group in groups], over_administrations(counts, base.group))
