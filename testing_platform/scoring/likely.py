"""How likely the vacancies are filled where the rates are known from past cases only, and so are themselves in doubt.

A share of which k of n past cases are known is Beta(k + prior, n - k + prior). Who passes attends, who attends reaches the final average, who reached it
is appointed: each step is a beta-binomial given the one before (a binomial where the share is taken as certain), and those already listed join before
the last. So the chance is a sum of products of positive numbers, worked out with no draw of random numbers and no difference of nearly equal numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testing_platform.scoring.analysis.sheets import Floats

# Each person's step rounds a number eight times at most, and adding up rounds as often as there are people.
ROUNDINGS = 32 * 2.0**-53


@dataclass(frozen=True)
class Certain:
    value: Fraction

    @property
    def fractions(self) -> tuple[int, int, int, int]:
        """Of m people of whom k did: that the next one does is (first + second·k) / (third + fourth·m), in whole numbers."""
        return self.value.numerator, 0, self.value.denominator, 0


@dataclass(frozen=True)
class Beta:
    did: Fraction
    did_not: Fraction

    @property
    def fractions(self) -> tuple[int, int, int, int]:
        """As of Certain; here what the others did says something about the next one (Pólya's urn)."""
        scale = self.did.denominator * self.did_not.denominator
        return int(self.did * scale), scale, int((self.did + self.did_not) * scale), scale


Share = Certain | Beta


class Likely:
    """P(appointments ≥ vacancies) for 0…most passers. In floating point, off by less than ROUNDINGS·(people + 2) of itself."""

    def __init__(self, most: int, vacancies: int, listed: int, attend: Share, reach: Share, appointed: Share) -> None:
        self._most, self._vacancies, self._listed = most, vacancies, listed
        self._attend, self._reach, self._appointed = attend, reach, appointed
        self.bound = ROUNDINGS * (most + listed + 2)

    @cached_property
    def _values(self) -> list[float]:
        found: list[float] = self._through(self._attend, self._through(self._reach, self._filled())).tolist()
        return [min(1.0, value) for value in found]

    def _rows(self, share: Share, most: int, kept: int) -> Iterator[tuple[int, "Floats", "Floats"]]:
        """For each number of people (how many, P(k of them do) for k below `kept`, P(k of them do and the next one too))."""
        import numpy as np

        yes, more, all_, more_all = share.fractions
        did = np.arange(float(kept))
        # 1 less a share would lose digits; whoever does not is counted in whole numbers too.
        going, staying = yes + more * did, all_ - yes - more * did
        here = np.ones(1)
        for people in range(most + 1):
            every = all_ + more_all * people
            joined = here * (going[: len(here)] / every)
            yield people, here, joined
            following = np.zeros(len(here) + 1)
            following[:-1] = here * ((staying[: len(here)] + more_all * people) / every)
            following[1:] += joined
            here = following[:kept]

    def _filled(self) -> "Floats":
        """Of 0…most eligibles who came by this test, that with those listed the vacancies are filled: only the step over the edge counts."""
        import numpy as np

        people = self._most + self._listed
        found = np.empty(people + 1)
        filled = 0.0 if self._vacancies else 1.0
        for number, _here, joined in self._rows(self._appointed, people, max(1, self._vacancies)):
            found[number] = filled
            if 0 < self._vacancies == len(joined):
                filled += joined[-1]
        return found[self._listed :]

    def _through(self, share: Share, after: "Floats") -> "Floats":
        """What is expected before a step of what is expected after it, of 0…most people."""
        import numpy as np

        found = np.empty(self._most + 1)
        for number, here, _joined in self._rows(share, self._most, self._most + 1):
            found[number] = (here * after[: number + 1]).sum()
        return found

    def reaches(self, passers: int, level: Decimal) -> bool:
        value, limit = Fraction(self._values[passers]), Fraction(level)
        doubt = Fraction(self.bound) * value
        if value - doubt >= limit:
            return True
        if value + doubt < limit:
            return False
        return self.fraction(passers) >= limit

    def shown(self, passers: int, places: int = 6) -> Decimal:
        """Rounded half up."""
        return Decimal(int(Fraction(self._values[passers]) * 10**places + Fraction(1, 2))).scaleb(-places)

    def fraction(self, passers: int) -> Fraction:
        """The probability itself."""
        people = passers + self._listed
        filled = [sum(row[self._vacancies :], Fraction(0)) for row in _exact_rows(self._appointed, people)][self._listed :]
        reached = [sum((p * filled[k] for k, p in enumerate(row)), Fraction(0)) for row in _exact_rows(self._reach, passers)]
        *_, last = _exact_rows(self._attend, passers)
        return sum((p * reached[k] for k, p in enumerate(last)), Fraction(0))


def _exact_rows(share: Share, most: int) -> Iterator[list[Fraction]]:
    yes, more, all_, more_all = share.fractions
    here = [Fraction(1)]
    for people in range(most + 1):
        yield here
        going = [Fraction(yes + more * k, all_ + more_all * people) for k in range(people + 1)]
        stay = [p * (1 - q) for p, q in zip(here, going, strict=True)]
        here = [a + b for a, b in zip([*stay, 0], [0, *map(mul, here, going)], strict=True)]
