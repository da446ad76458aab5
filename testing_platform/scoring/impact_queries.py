"""Reads for the validation analyst's pages, and their drawings."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.accounts.models import Person
from testing_platform.examinations.models import Administration
from testing_platform.scoring import countersign, service
from testing_platform.scoring import impact_rules as rules
from testing_platform.scoring.analysis.dif import Dif, DifRules
from testing_platform.scoring.analysis.impact import GroupImpact, Impact
from testing_platform.scoring.impact_models import Countersignature, Demographics
from testing_platform.scoring.models import PassingScoreDecision, ScoreRun
from testing_platform.scoring.rules import ceiling


@dataclass(frozen=True)
class Standing:
    """Where an administration stands for a validation analyst. `refused`: why this person sees no group of it."""

    administration: Administration
    refused: str | None
    answers: int
    run: ScoreRun | None
    decision: PassingScoreDecision | None
    countersignature: Countersignature | None
    required: bool

    @property
    def waits(self) -> bool:
        proposed = self.decision is not None and self.decision.outcome == "proposed"
        return proposed and self.required and self.countersignature is None and self.refused is None


def standing(session: Session, administration: Administration, person: Person) -> Standing:
    refused = None
    try:
        countersign.check_may_see(session, administration, person)
    except rules.SetsTheCut as refusal:
        refused = refusal.facts["why"]
    decision = service.standing_decision(session, administration)
    return Standing(
        administration,
        refused,
        session.scalar(select(func.count()).select_from(Demographics).where(Demographics.administration_id == administration.id)) or 0,
        service.newest_run(session, administration),
        decision,
        countersign.of_decision(session, decision) if decision else None,
        countersign.is_required(session, administration),
    )


def standings(session: Session, person: Person) -> list[Standing]:
    everything = session.scalars(select(Administration).order_by(Administration.id.desc()))
    return [standing(session, one, person) for one in everything]


def usual_cut(administration: Administration, run: ScoreRun, decision: PassingScoreDecision | None) -> int:
    """The proposed or approved one, else the bulletin's reference line."""
    if decision is not None:
        return min(decision.cut, run.maximum)
    return ceiling(Fraction(service.policy_of(administration).reference_percent) * run.maximum / 100)


# --- the ratio over the cuts: one small chart for each group ---------------------------------------------------------------------------------

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 14, 34
MOST = 2.0  # ratios and ends of intervals above are drawn at the edge; the table has them whole


@dataclass(frozen=True)
class RatioChart:
    """Of one group: the line of its ratio, the area of its interval, and where the limit and the cut are, in the units of the picture."""

    group: str
    line: str
    area: str
    dots: list[tuple[float, float]]
    limit: float
    level: float
    cut: float
    ticks: list[tuple[int, float]]
    base: float


def shown_cuts(reach: Sequence[int]) -> range:
    """From the lowest score that somebody has to the highest."""
    everyone = reach[0]
    low = max((cut for cut, count in enumerate(reach) if count == everyone), default=0)
    high = max((cut for cut, count in enumerate(reach) if count), default=0)
    return range(low, high + 1)


def ratio_charts(by_cut: dict[int, Impact], four_fifths: float, cut: int) -> list[RatioChart]:
    cuts = list(by_cut)
    span = max(1, cuts[-1] - cuts[0])

    def x(at: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - cuts[0]) / span, 1)

    def y(ratio: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(ratio, MOST) / MOST, 1)

    every = 10 if span > 30 else 5
    ticks = [(at, x(at)) for at in cuts if at % every == 0]
    charts = []
    for place, group in enumerate(one.group for one in by_cut[cuts[0]].groups):
        points = [(at, by_cut[at].groups[place]) for at in cuts]
        dots = [(x(at), y(float(one.exact_ratio))) for at, one in points if one.exact_ratio is not None]
        bounds = [(x(at), one.ratio_interval) for at, one in points if one.ratio_interval is not None]
        upper = [f"{at},{y(ends[1])}" for at, ends in bounds]
        lower = [f"{at},{y(ends[0])}" for at, ends in reversed(bounds)]
        charts.append(
            RatioChart(
                group,
                " ".join(f"{across},{down}" for across, down in dots),
                " ".join(upper + lower),
                [(x(at), y(float(one.exact_ratio))) for at, one in points if at == cut and one.exact_ratio is not None],
                y(four_fifths),
                y(1),
                x(min(max(cut, cuts[0]), cuts[-1])),
                ticks,
                y(0),
            )
        )
    return charts


# --- delta of the items ----------------------------------------------------------------------------------------------------------------------

WIDE, TALL = 720, 340
DELTA_MOST = 4.0


@dataclass(frozen=True)
class DeltaChart:
    """Each item's delta with its interval, and the lines at the limits of the ETS classes."""

    bars: list[dict[str, Any]]
    lines: list[tuple[float, float]]
    middle: float
    left: float
    right: float


def delta_chart(found: Dif, slots: dict[str, int], limits: DifRules) -> DeltaChart:
    left, right, top, bottom = 44.0, 12.0, 22.0, 40.0
    ends = [abs(item.delta) + 1.96 * item.se_delta for item in found.items if item.delta is not None and item.se_delta is not None]
    most = min(max([limits.large + 1, *ends]), DELTA_MOST)
    step = (WIDE - left - right) / max(1, len(found.items))

    def y(delta: float) -> float:
        held = max(-most, min(most, delta))
        return round(top + (TALL - top - bottom) * (most - held) / (2 * most), 1)

    bars = []
    for place, item in enumerate(found.items):
        if item.delta is None or item.se_delta is None:
            continue
        bars.append(
            {
                "item": item.item,
                "slot": slots[item.item],
                "x": round(left + (place + 0.5) * step, 1),
                "y": y(item.delta),
                "high": y(item.delta + 1.96 * item.se_delta),
                "low": y(item.delta - 1.96 * item.se_delta),
                "flagged": rules.flagged(item),
                "ets": item.ets,
            }
        )
    lines = [(value, y(value)) for value in (-limits.large, -limits.slight, limits.slight, limits.large)]
    return DeltaChart(bars, lines, y(0), left, WIDE - right)


# --- the file --------------------------------------------------------------------------------------------------------------------------------

COLUMNS = (
    "group_kind",
    "cut",
    "group",
    "reference",
    "n",
    "passed",
    "rate",
    "ratio",
    "below_four_fifths",
    "z",
    "p_z",
    "p_fisher",
    "p_mid",
    "sd",
    "flip",
    "shortfall",
    "ratio_low",
    "ratio_high",
    "suppressed",
)


def file_lines(by: str, by_cut: dict[int, Impact], below: int, unsaid: Sequence[int]) -> list[dict[str, str]]:
    """One line for each cut and group; of those that stay out only that they do. Candidates of whom nothing is known are a group in that."""
    lines = []
    for cut, found in by_cut.items():
        counts = [(one.n, one.passed) for one in found.groups]
        hidden = rules.suppressed([*counts, (unsaid[0], unsaid[cut])] if unsaid[0] else counts, below)
        base = next(place for place, one in enumerate(found.groups) if one.group == found.reference)
        for one, out in zip(found.groups, hidden, strict=False):
            line = dict.fromkeys(COLUMNS, "") | {
                "group_kind": by,
                "cut": str(cut),
                "group": one.group,
                "suppressed": "yes" if out else "no",
            }
            if not out:
                line |= {"n": str(one.n), "passed": str(one.passed), "rate": plain(float(one.exact_rate))}
                # Beside a reference that stays out every other figure would tell of it.
                line |= {} if hidden[base] else {"reference": found.reference, **_figures(one)}
            lines.append(line)
    return lines


def _figures(one: GroupImpact) -> dict[str, str]:
    low, high = one.ratio_interval or (None, None)
    said: dict[str, Any] = {
        name: getattr(one, name) for name in ("below_four_fifths", "z", "p_z", "p_fisher", "p_mid", "sd", "flip", "shortfall")
    }
    said |= {"ratio": None if one.exact_ratio is None else float(one.exact_ratio), "ratio_low": low, "ratio_high": high}
    return {name: plain(value) for name, value in said.items()}


def plain(value: Any) -> str:
    """As it stands in a file: ten digits, and nothing for what is not defined."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
