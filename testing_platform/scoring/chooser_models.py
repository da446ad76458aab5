"""What is kept beside a passing score that is being chosen: scenarios, and what judges said of the items."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from testing_platform.db import Base


class Scenario(Base):
    """Numbers of the chooser that somebody kept under a name, with what followed from them, to be weighed against others."""

    __tablename__ = "scenarios"
    __table_args__ = (UniqueConstraint("run_id", "name"), CheckConstraint("cut >= 0", name="cut_is_a_raw_score"))

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("score_runs.id"))
    name: Mapped[str]
    cut: Mapped[int]
    inputs: Mapped[dict[str, Any]]
    # {"point", "assured", "assured_certain", "passers", "probability", "certain"}, the last three at the cut; "others" where more is counted.
    figures: Mapped[dict[str, Any]]
    made_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]


class JudgedRatings(Base):
    """What judges said of each item: how many of a hundred minimally competent candidates have it right. A later set supersedes."""

    __tablename__ = "judged_ratings"
    __table_args__ = (UniqueConstraint("administration_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    number: Mapped[int]
    # By judge, round and slot: {"Judge 1": {"first": {"1": 60, …}, "second": {"1": 55, …}}}.
    ratings: Mapped[dict[str, Any]]
    digest: Mapped[str]
    made_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
