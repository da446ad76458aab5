from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from testing_platform.db import Base


class Act(Base):
    """What a proctor did, under the key the console made for it: the same key again answers as the first time did."""

    __tablename__ = "acts"

    key: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    actor_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    act: Mapped[str]
    at: Mapped[datetime]


class EndProposal(Base):
    """One person proposes to end a test, another confirms or withdraws."""

    __tablename__ = "end_proposals"
    __table_args__ = (
        CheckConstraint("outcome IN ('open', 'confirmed', 'withdrawn')", name="outcome_is_known"),
        CheckConstraint("outcome != 'confirmed' OR decided_by_id != proposed_by_id", name="two_people"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    proposed_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    category: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(default="open")
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]


class EvidenceStill(Base):
    """A picture that is kept, encrypted, in the object store."""

    __tablename__ = "evidence_stills"
    __table_args__ = (UniqueConstraint("attempt_id", "stream", "epoch", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    stream: Mapped[int]
    epoch: Mapped[int]
    seq: Mapped[int]
    captured_at: Mapped[datetime]  # by the candidate's clock
    received_at: Mapped[datetime]
    sha256: Mapped[str]
    size: Mapped[int]
    object_name: Mapped[str]


class StreamEpoch(Base):
    """The number of the newest camera stream of an attempt; each connection starts a new one."""

    __tablename__ = "stream_epochs"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    epoch: Mapped[int]


class PageEvent(Base):
    """Something the candidate's page noticed about itself. A fact for a person to read, nothing follows from it."""

    __tablename__ = "page_events"
    __table_args__ = (UniqueConstraint("attempt_id", "device", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    device: Mapped[str]
    number: Mapped[int]
    kind: Mapped[str]
    page_at: Mapped[datetime]  # by the candidate's clock
    received_at: Mapped[datetime]
    facts: Mapped[dict[str, Any]]


class Look(Base):
    """When a proctor last looked at a candidate in the focus view."""

    __tablename__ = "looks"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    at: Mapped[datetime]
