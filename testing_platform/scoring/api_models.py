from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.scoring.models import PassingScoreDecision


class ApiToken(Base):
    """What another system shows in place of a sign-in. Of the token itself only its digest is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("digest"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by_id IS NULL)", name="revoked_by_someone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]  # of the system that has it
    digest: Mapped[str]
    made_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_by: Mapped[Person] = relationship(foreign_keys=[made_by_id])


class Announcement(Base):
    """That results are out, said to the address of the installation's settings; tried again until it is taken or given up."""

    __tablename__ = "announcements"
    __table_args__ = (
        UniqueConstraint("decision_id"),
        CheckConstraint("state IN ('due', 'taken', 'given_up')", name="state_is_known"),
        Index("ix_announcements_due", "next_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("passing_score_decisions.id"))
    state: Mapped[str] = mapped_column(default="due")
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    # What came back last: an HTTP status, or why nothing did.
    said: Mapped[str] = mapped_column(default="")
    decision: Mapped[PassingScoreDecision] = relationship()
