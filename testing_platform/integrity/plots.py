"""The chart of pace and score, and the same as counts."""

from testing_platform.scoring.analysis.pace import Quadrants
from testing_platform.scoring.plots import Dot, Line, Plot, plot

MOST = 2000


def pace(found: Quadrants, credited: int, maximum: int) -> Plot:
    """A dot for each candidate; the corner is left of one line and above the other. Scores are raw, with what the key gives to everybody."""
    low, high = min(one.z for one in found.people), max(one.z for one in found.people)
    around = (high - low) * 0.05 or 0.5
    low, high = low - around, high + around
    bottom = max(0, min(one.total for one in found.people) + credited - 2)
    corner = {one.row for one in found.corner}
    others = [one for one in found.people if one.row not in corner][:: thinned(found)]
    dots = [Dot(one.z, one.total + credited, one.row in corner) for one in (*others, *found.corner)]
    level = found.high_at + credited
    lines = [Line("", [(low, level), (high, level)], 2), Line("", [(found.fast_at, bottom), (found.fast_at, maximum)], 2)]
    return plot(low, high, bottom, maximum, lines=lines, dots=dots)


def thinned(found: Quadrants) -> int:
    """Of those outside the corner every so many is drawn: more dots say no more, and make a picture slow."""
    return -(-(len(found.people) - len(found.corner)) // MOST) or 1


def fifths(found: Quadrants) -> list[list[int]]:
    """Candidates by fifths of pace, the quickest first, and of each by fifths of the scores, the lowest first."""
    n = len(found.people)

    def place(values: list[float]) -> list[int]:
        """Which fifth each is in; who are level are in the lowest that one of them reaches."""
        order = sorted(values)
        first = {value: rank for rank, value in reversed(list(enumerate(order)))}
        return [5 * first[value] // n for value in values]

    counts = [[0] * 5 for _ in range(5)]
    for quick, good in zip(place([one.z for one in found.people]), place([one.total for one in found.people]), strict=True):
        counts[quick][good] += 1
    return counts
