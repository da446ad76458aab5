"""What people say of an anchor, and the equatings that they keep. Neither is ever changed: a later row supersedes."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.db import Base
from testing_platform.examinations.models import Administration
from testing_platform.scoring.models import ScoreRun


class AnchorRuling(Base):
    """An item that both forms hold is left out of the anchor between them, or taken in again. The newest row of an item holds."""

    __tablename__ = "anchor_rulings"
    __table_args__ = (
        CheckConstraint("reason != ''", name="has_its_reason"),
        Index("ix_anchor_rulings_pair", "administration_id", "earlier_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    earlier_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"))
    out: Mapped[bool]
    reason: Mapped[str]
    # {"distance", "robust_z"} as they were before the ruling; empty where they could not be said.
    figures: Mapped[dict[str, Any]]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]


class KeptEquating(Base):
    """What each raw score of an earlier form is worth in an administration, with all that it rests on, and the earlier passing score carried over if there was one."""

    __tablename__ = "equatings"
    __table_args__ = (
        UniqueConstraint("administration_id", "number"),
        CheckConstraint("reason != ''", name="has_its_reason"),
        CheckConstraint("earlier_run_id != run_id", name="two_administrations"),
        CheckConstraint("raw >= 0", name="raw_is_a_count"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    number: Mapped[int]
    run_id: Mapped[int] = mapped_column(ForeignKey("score_runs.id"))
    earlier_run_id: Mapped[int] = mapped_column(ForeignKey("score_runs.id"))
    method: Mapped[str]
    # {"smooth", "weight", "replications", "seed"}.
    settings: Mapped[dict[str, Any]]
    # {"anchor": [{"item", "version", "earlier_slot", "slot"}], "out": [the same with "standing", and "reason" where a person ruled]}.
    items: Mapped[dict[str, Any]]
    # {"table": [[x, y, se]], "cut", "worth", "se", "n": [earlier, here], "r", "gap"}; scores are raw. Without a passing score then the cut, its worth and error are null.
    figures: Mapped[dict[str, Any]]
    # The lowest raw score that is not below what the earlier passing score is worth here; none where there was no passing score then.
    raw: Mapped[int | None]
    reason: Mapped[str]
    digest: Mapped[str]
    made_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    administration: Mapped[Administration] = relationship()
    run: Mapped[ScoreRun] = relationship(foreign_keys=run_id)
    earlier_run: Mapped[ScoreRun] = relationship(foreign_keys=earlier_run_id)
