"""How surely the same people would get the same result again, at each cut, from the distribution of raw scores alone.

The reliability is KR-21, which needs no item and is a lower bound of KR-20; so these shares are, if anything, a little low.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.rules import statistics


@dataclass(frozen=True)
class Again:
    """Subkoviak's share for each cut, none where KR-21 is not between 0 and 1; Livingston and Lewis at the one cut."""

    at_cuts: list[float | None]
    consistency: float | None
    accuracy: float | None


def again(counts: Sequence[int], cut: int) -> Again:
    items = len(counts) - 1
    kr21 = statistics(counts).kr21
    if kr21 is None or not 0 < kr21 < 1:
        return Again([None] * len(counts), None, None)
    # SciPy takes a second to load, which pages without these figures need not wait for.
    import numpy as np

    from testing_platform.scoring.analysis.consistency import livingston_lewis, subkoviak

    scores, rho = np.repeat(np.arange(items + 1.0), counts), float(kr21)
    # With the cut 0 all pass, always.
    at_cuts: list[float | None] = [1.0, *(subkoviak(scores, items, each, rho).p0 for each in range(1, items + 1))]
    try:
        found = livingston_lewis(scores, items, cut, rho) if cut else None
    except CannotSay:
        found = None
    return Again(at_cuts, found.consistency if found else None, found.accuracy if found else None)
