"""The carried passing score with the drift of its anchor, in the files of all analyses."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from testing_platform.examinations.models import Administration
from testing_platform.scoring import equated, exports
from testing_platform.scoring import equating_plots as plots
from testing_platform.scoring import equating_service as equatings
from testing_platform.scoring.analysis.refusals import CannotSay
from testing_platform.scoring.equating_models import KeptEquating
from testing_platform.scoring.equating_rules import EquatingPolicy
from testing_platform.scoring.models import ScoreRun
from testing_platform.scoring.plots import Plot


@dataclass(frozen=True)
class Carried:
    """What was kept last, beside the anchor as it is now; `lowest` is the least raw score of anybody then."""

    kept: KeptEquating
    earlier: equatings.Earlier
    drift: equatings.Drift | None
    lowest: int
    policy: EquatingPolicy

    @property
    def table(self) -> list[equatings.Row]:
        return [equatings.Row(*row) for row in self.kept.figures["table"]]

    @property
    def gains(self) -> Plot:
        return plots.gains(plots.shown_rows(self.table, self.lowest - 2), self.kept.figures["cut"])

    @property
    def deltas(self) -> Plot | None:
        return plots.deltas(self.drift, self.policy) if self.drift else None


def carried(session: Session, administration: Administration, run: ScoreRun) -> Carried | None:
    """None where nothing was kept that holds. Raises service.StoredDiffers."""
    kept = equated.newest(session, administration)
    if kept is None or not equated.holds(session, kept, run):
        return None
    with_id = kept.earlier_run.administration_id
    found = next(one for one in equatings.earlier(session, administration, run) if one.administration.id == with_id)
    pair, policy = equatings.pair(session, administration, run, found), equatings.policy_of(administration)
    try:
        drift = equatings.drift(pair, policy)
    except CannotSay:
        drift = None
    return Carried(kept, found, drift, int(pair.x.sheet.totals.min()) + pair.x.credited, policy)


def sheets(found: Carried) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    kept, figures = found.kept, found.kept.figures
    about = {
        "earlier_administration": exports.examination_number(found.earlier.administration),
        "earlier_run": kept.earlier_run_id,
        "method": kept.method,
        **kept.settings,
        "anchor": len(kept.items["anchor"]),
        "n_x": figures["n"][0],
        "n_y": figures["n"][1],
        "r": figures["r"],
        "gap": figures["gap"],
        "cut_x": figures["cut"],
        "cut_y": figures["worth"],
        "cut_se": figures["se"],
        "cut_raw": kept.raw,
        "reason": kept.reason,
        "digest": kept.digest,
    }
    yield "equating", [{"figure": name, "value": value} for name, value in about.items()]
    yield "conversion", [{"x": row.x, "y": row.y, "se": row.se} for row in found.table]
    yield (
        "drift",
        [
            {
                "slot": line.item.here,
                "earlier_slot": line.item.there,
                "item": line.item.code,
                "standing": str(line.item.standing),
                "p_x": line.p_x,
                "p_y": line.p_y,
                "delta_x": line.delta_x,
                "delta_y": line.delta_y,
                "distance": line.distance,
                "robust_z": line.figures.robust_z if line.figures else None,
                "flags": " ".join(line.figures.flags) if line.figures else "",
            }
            for line in (found.drift.items if found.drift else [])
        ],
    )
