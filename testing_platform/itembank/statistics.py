"""What administrations showed of the items. Rows are only ever added; of one administration the newest counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.itembank.models import ItemStatistics

PLACES = Decimal("0.001")


@dataclass(frozen=True)
class Shown:
    """Of one version: as the columns of the table."""

    version_id: int
    n: int
    difficulty: Decimal
    discrimination: Decimal | None
    shares: dict[str, Any]
    median_time: timedelta | None
    # Of a calibration, where one was made of the same answers.
    irt: dict[str, Any] | None = None


def keep(session: Session, administration_id: int, shown: Sequence[Shown], now: datetime) -> int:
    """A row for each version whose figures are not those that this administration's newest row has; how many rows that were.

    A row without a calibration leaves the one that is there alone, and ends it where the figures are others: it was made of other answers.
    """
    rows = session.scalars(select(ItemStatistics).where(ItemStatistics.administration_id == administration_id).order_by(ItemStatistics.id))
    newest = {row.version_id: row for row in rows}
    new = 0
    for one in shown:
        values: dict[str, Any] = {
            "n": one.n,
            "difficulty": one.difficulty.quantize(PLACES),
            "discrimination": None if one.discrimination is None else one.discrimination.quantize(PLACES),
            "shares": {name: round(share, 4) for name, share in one.shares.items()},
            "median_time": None if one.median_time is None else timedelta(milliseconds=round(one.median_time / timedelta(milliseconds=1))),
        }
        if one.irt is not None:
            values["irt"] = {name: round(value, 4) if isinstance(value, float) else value for name, value in one.irt.items()}
        last = newest.get(one.version_id)
        if last is None or any(getattr(last, name) != value for name, value in values.items()):
            session.add(ItemStatistics(version_id=one.version_id, administration_id=administration_id, made_at=now, **values))
            new += 1
    session.flush()
    return new
