"""The charts of equating: what a conversion adds to each score, and the delta plot of the shared items."""

from flask_babel import gettext as _

from testing_platform.scoring.equating_rules import EquatingPolicy, Standing
from testing_platform.scoring.equating_service import Drift, Row
from testing_platform.scoring.plots import Area, Dot, Line, Mark, Plot, plot

ERRORS = 2  # on both sides of the curve: about 95 of 100 samples


def gains(rows: list[Row], cut: int | None) -> Plot:
    """How many points a score of the earlier form is worth more here, or fewer; the line at 0 is identity."""
    line = [(float(row.x), row.y - row.x) for row in rows]
    above = [(float(row.x), row.y - row.x + ERRORS * row.se) for row in rows if row.se is not None]
    below = [(float(row.x), row.y - row.x - ERRORS * row.se) for row in rows if row.se is not None]
    values = [y for _x, y in (*line, *above, *below)]
    low, high = min([-1.0, *values]), max([1.0, *values])
    room = 0.08 * (high - low)
    ends = [(float(rows[0].x), 0.0), (float(rows[-1].x), 0.0)]
    return plot(
        rows[0].x,
        rows[-1].x,
        low - room,
        high + room,
        lines=[Line("", ends, 5), Line("", line, 1)],
        areas=[Area(above, below)] if above else [],
        marks=[] if cut is None else [Mark(cut, _("passing score then: %(cut)s", cut=cut))],
    )


def shown_rows(table: list[Row], least: int) -> list[Row]:
    """Without the scores below which nobody is, where errors are as wide as the chart."""
    return [row for row in table if row.x >= least] or table


def deltas(found: Drift, policy: EquatingPolicy) -> Plot:
    """Each shared item by its delta then and now, with the main axis and the limit on both sides of it."""
    points = [(one, one.delta_x, one.delta_y) for one in found.items if one.delta_x is not None and one.delta_y is not None]
    low = min(value for _one, *values in points for value in values) - 0.5
    high = max(value for _one, *values in points for value in values) + 0.5
    slope, intercept = found.found.slope, found.found.intercept
    away = policy.distance * (slope**2 + 1) ** 0.5
    lines = [Line("", _inside(slope, intercept + shift, low, high), kind) for shift, kind in ((0.0, 1), (away, 2), (-away, 2))]
    flagged = {one.item.version_id for one in found.flagged}
    dots = [
        Dot(x, y, one.item.version_id in flagged, _name(one.item.here, one.item.standing, one.item.version_id in flagged))
        for one, x, y in points
    ]
    return plot(low, high, low, high, lines=[line for line in lines if line.points], dots=sorted(dots, key=lambda dot: dot.look))


def _name(slot: int, standing: Standing, flagged: bool) -> str:
    return f"({slot})" if standing is Standing.LEFT_OUT else str(slot) if flagged else ""


def _inside(slope: float, intercept: float, low: float, high: float) -> list[tuple[float, float]]:
    """The part of a rising line that is in the square; nothing where it passes it by."""
    begin, end = max(low, (low - intercept) / slope), min(high, (high - intercept) / slope)
    return [(begin, slope * begin + intercept), (end, slope * end + intercept)] if begin < end else []
