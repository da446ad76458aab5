"""Several administrations of one class counted together at each cut of one of them: their forms on its raw scale, and nobody twice.

At a cut here, who took another form passes at the raw score there that asks for as much. All of it is whole numbers and fractions.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise

# A score that misses a whole one by less than this was rounded by the machine.
DUST = Fraction(1, 10**9)


def reached(worth: Fraction, most: int) -> int:
    """The lowest whole score that is not below it; one more than there are where none is."""
    return min(most + 1, max(0, math.ceil(worth - DUST)))


@dataclass(frozen=True)
class Step:
    """One equating on the way from a raw score here to one there. `table`: each raw score of its earlier form with what it is worth on the later."""

    table: Sequence[tuple[int, Fraction]]
    forward: bool  # from the earlier form to the later one

    @cached_property
    def _points(self) -> list[tuple[Fraction, Fraction]]:
        """Never falling: more points on one form are not worth less on the other."""
        worths = accumulate((worth for _, worth in self.table), max)
        points = [(Fraction(raw), worth) for (raw, _), worth in zip(self.table, worths, strict=True)]
        return points if self.forward else [(worth, raw) for raw, worth in points]

    def __call__(self, score: Fraction) -> Fraction | None:
        """The lowest score, perhaps between two whole ones, that asks for as much; none where no score does."""
        points = self._points
        if score <= points[0][0]:
            return points[0][1]
        for (low, low_worth), (high, high_worth) in pairwise(points):
            if score <= high:
                return low_worth + (high_worth - low_worth) * (score - low) / (high - low)
        return points[-1][1] if score <= points[-1][0] + DUST else None


def path(steps: Sequence[Step], cut: int) -> list[Fraction | None]:
    """What the cut is here, and after each step; none from where no score asks for as much."""
    found: list[Fraction | None] = [Fraction(cut)]
    for step in steps:
        found.append(None if found[-1] is None else step(found[-1]))
    return found


def cuts(steps: Sequence[Step], here: int, there: int) -> list[int]:
    """For each raw score 0…`here` as a cut, the cut of the other form, whose greatest raw score is `there`. At 0 everybody passes on both."""
    ends = [path(steps, cut)[-1] for cut in range(1, here + 1)]
    return [0, *(there + 1 if end is None else reached(end, there) for end in ends)]


# What each person has: a raw score; of an administration that is decided 1 for PASS and 0 for FAIL.
Marks = Mapping[int, int]


@dataclass(frozen=True)
class Group:
    """Those who took just these administrations, which stand in the order of their dates, with how many have each mark in each of them."""

    took: tuple[int, ...]
    counts: dict[int, list[int]]


def groups(marks: Mapping[int, Marks], most: Mapping[int, int]) -> list[Group]:
    """`marks` by administration, the oldest first; `most` is the greatest mark of each."""
    took: defaultdict[int, list[int]] = defaultdict(list)
    for number, of in marks.items():
        for person in of:
            took[person].append(number)
    found: dict[tuple[int, ...], Group] = {}
    for person, numbers in took.items():
        key = tuple(numbers)
        group = found.setdefault(key, Group(key, {number: [0] * (most[number] + 1) for number in key}))
        for number in key:
            group.counts[number][marks[number][person]] += 1
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True)
class Other:
    """Another administration in the count: with the cut there for each cut here, or decided already and without."""

    cuts: Sequence[int] | None
    settled: int = 0  # of those who passed a decided one: had their interview, and so stand on the list or are out


@dataclass(frozen=True)
class Joined:
    """`supply`: how many pass at a cut and not at the next one; `fixed` pass at every cut. Of each administration how many pass at each cut."""

    supply: list[int]
    fixed: int
    here: list[int]
    others: dict[int, list[int]]
    twice: int  # people who took several of these tests

    @property
    def taken(self) -> int:
        return sum(self.supply) + self.fixed


def joined(here: int, most: int, found: Sequence[Group], others: Mapping[int, Other]) -> Joined:
    """Who took several of these tests counts with the newest alone."""
    counted: dict[int, Counter[int]] = {number: Counter() for number in (here, *others)}
    twice = 0
    for group in found:
        among = [number for number in group.took if number in counted]
        if among:
            newest = group.counts[among[-1]]
            counted[among[-1]].update({mark: count for mark, count in enumerate(newest) if count})
            twice += sum(newest) * (len(among) > 1)
    passing = {here: _at_or_above(counted[here], range(most + 1))}
    fixed = 0
    for number, other in others.items():
        if other.cuts is None:
            left = max(0, counted[number][1] - other.settled)
            passing[number], fixed = [left] * (most + 1), fixed + left
        else:
            passing[number] = _at_or_above(counted[number], other.cuts)
    moved = [passing[number] for number in passing if number == here or others[number].cuts is not None]
    moving = [sum(at) for at in zip(*moved, strict=True)]
    supply = [now - after for now, after in pairwise([*moving, 0])]
    return Joined(supply, fixed, passing.pop(here), passing, twice)


def _at_or_above(counts: Mapping[int, int], bounds: Sequence[int]) -> list[int]:
    return [sum(count for mark, count in counts.items() if mark >= bound) for bound in bounds]
