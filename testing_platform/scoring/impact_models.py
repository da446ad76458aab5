from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.db import Base
from testing_platform.scoring.impact_rules import Ethnicity, Sex
from testing_platform.scoring.models import PassingScoreDecision


def _codes(column: str, words: type[Sex] | type[Ethnicity]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class Demographics(Base):
    """What a candidate of an administration said of themselves, voluntarily. Read by `impact_service` alone, and shown of groups alone."""

    __tablename__ = "demographics"
    __table_args__ = (
        CheckConstraint(_codes("sex", Sex), name="sex_is_known"),
        CheckConstraint(_codes("ethnicity", Ethnicity), name="ethnicity_is_known"),
    )

    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    sex: Mapped[str | None]
    ethnicity: Mapped[str | None]
    age_40: Mapped[bool | None]


class GroupView(Base):
    """Who has looked at the groups of an administration, since when: they set no passing score for it any more."""

    __tablename__ = "group_views"

    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    first_at: Mapped[datetime]


class Countersignature(Base):
    """That alternatives to a proposed passing score were weighed, by whom, which, and with what words; before it is approved."""

    __tablename__ = "countersignatures"

    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("passing_score_decisions.id"), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    signed_at: Mapped[datetime]
    # The proposed cut and each other that was weighed: [{"cut", "passers", "groups": {"sex": {"reference", "lowest", "ratio", "below"}}}].
    cuts: Mapped[list[Any]]
    # Other ways to select that were weighed, and what came of it all.
    methods: Mapped[str]
    words: Mapped[str]
    # Of the decision as it was countersigned.
    decision_digest: Mapped[str]
    decision: Mapped[PassingScoreDecision] = relationship(lazy="joined")
