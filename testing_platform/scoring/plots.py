"""Charts as numbers: where lines, bars and marks stand in the units of the picture. `templates/scoring/analyses/_plot.html` draws them.

The picture is narrow for its letters, so that these can be read when it is shrunk to a telephone's width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 600, 312
LEFT, RIGHT, TOP, BOTTOM = 62, 76, 40, 44
APART = 22  # between the names at the ends of lines

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """`kind` 1 to 5: how it is drawn, by colour and by dashes. `name` stands at its end."""

    name: str
    points: Sequence[Point]
    kind: int = 1


@dataclass(frozen=True)
class Bar:
    """From nought to `height`, round `at`; `marked` bars are darker."""

    at: float
    height: float
    marked: bool = True


@dataclass(frozen=True)
class Mark:
    """An upright line with what it says at its top; with `around`, a band so far on both sides."""

    at: float
    says: str
    around: float = 0.0


@dataclass(frozen=True)
class Dot:
    """`look`: to be looked at; `name` stands beside it, where there is room."""

    x: float
    y: float
    look: bool = False
    name: str = ""


@dataclass(frozen=True)
class Area:
    """What lies between two lines, each from left to right."""

    above: Sequence[Point]
    below: Sequence[Point]


@dataclass(frozen=True)
class Plot:
    low: float
    high: float
    bottom: float
    top: float
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    marks: Sequence[Mark] = ()
    dots: Sequence[Dot] = ()
    areas: Sequence[Area] = ()
    wide: float = 1.0  # of a bar and its gap, in units of x
    ends: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """The names at the ends of lines, moved apart."""
        ends = sorted((self.y(line.points[-1][1]), line.name) for line in self.lines if line.points and line.name)
        floor = HEIGHT - BOTTOM
        for place, (at, name) in enumerate(ends):
            # Those still to come must find room above the axis.
            at = min(at, floor - APART * (len(ends) - 1 - place))
            self.ends[name] = max(at, max(self.ends.values(), default=TOP - APART) + APART)

    def x(self, value: float) -> float:
        span = self.high - self.low
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - self.low) / span, 2)

    def y(self, value: float) -> float:
        span = self.top - self.bottom
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.bottom) / span, 2)

    def path(self, line: Line) -> str:
        return "M" + " L".join(f"{self.x(x)},{self.y(y)}" for x, y in line.points)

    def outline(self, area: Area) -> str:
        return self.path(Line("", [*area.above, *reversed(area.below)])) + " Z"

    @property
    def frame(self) -> dict[str, int]:
        return {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "base": HEIGHT - BOTTOM}


def steps(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(step * number, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def ticks(low: float, high: float, about: int = 5) -> list[tuple[float, str]]:
    return [(value, f"{value:g}".replace("-", "−")) for value in steps(low, high, about)]


def plot(
    low: float,
    high: float,
    bottom: float,
    top: float,
    *,
    lines: Sequence[Line] = (),
    bars: Sequence[Bar] = (),
    marks: Sequence[Mark] = (),
    dots: Sequence[Dot] = (),
    areas: Sequence[Area] = (),
    x_ticks: Sequence[tuple[float, str]] | None = None,
    wide: float = 1.0,
) -> Plot:
    """With round numbers at both axes; upwards from nought where what is below it is no amount."""
    up = ticks(0 if bars else bottom, top)
    return Plot(low, high, bottom, top, ticks(low, high) if x_ticks is None else x_ticks, up, lines, bars, marks, dots, areas, wide)
