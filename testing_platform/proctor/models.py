from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

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
    # The wire has 32 bits for each.
    epoch: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
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


class VisionSettings(Base):
    """One version of the detectors' numbers. A flag names the version by which it was raised."""

    __tablename__ = "vision_settings"

    number: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(unique=True)
    since: Mapped[datetime]


class Flag(Base):
    """Something software noticed in a candidate's picture: a marker for a person to look at. Nothing else follows from it."""

    __tablename__ = "flags"
    __table_args__ = (
        CheckConstraint("outcome IN ('open', 'confirmed', 'dismissed')", name="outcome_is_known"),
        CheckConstraint("(outcome = 'open') = (decided_by_id IS NULL)", name="decided_by_a_person"),
        CheckConstraint("(decided_by_id IS NULL) = (decided_at IS NULL)", name="decided_has_its_time"),
        CheckConstraint("ended_at IS NULL OR ended_at >= began_at", name="ends_after_it_began"),
        UniqueConstraint("attempt_id", "signal", "began_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    signal: Mapped[str]
    # By our own clock: when the frame reached us.
    began_at: Mapped[datetime]
    raised_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    peak: Mapped[float]
    settings_number: Mapped[int] = mapped_column(ForeignKey("vision_settings.number"))
    outcome: Mapped[str] = mapped_column(default="open")
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    frames: Mapped[list["FlagFrame"]] = relationship(order_by="FlagFrame.captured_at")


class FlagFrame(Base):
    """One of the three pictures of a flag: before it, at it, and after it. Encrypted in the object store."""

    __tablename__ = "flag_frames"
    __table_args__ = (CheckConstraint("place IN ('before', 'at', 'after')", name="place_is_known"),)

    flag_id: Mapped[int] = mapped_column(ForeignKey("flags.id"), primary_key=True)
    place: Mapped[str] = mapped_column(primary_key=True)
    captured_at: Mapped[datetime]
    object_name: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]


class RoomPause(Base):
    """Everyone in a session paused at once, and let go on at once."""

    __tablename__ = "room_pauses"
    __table_args__ = (
        Index(
            "uq_room_pauses_running",
            "session_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        CheckConstraint("(ended_at IS NULL) = (ended_by_id IS NULL)", name="ended_by_someone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), index=True)
    category: Mapped[str]
    reason: Mapped[str]
    # The attempts that this pause stopped: those alone go on when it ends.
    attempts: Mapped[list[Any]]
    began_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    began_at: Mapped[datetime]
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    ended_at: Mapped[datetime | None]


class Irregularity(Base):
    """A deviation that a person wrote down, about one candidate or the whole room. Withdrawn, the row stays."""

    __tablename__ = "irregularities"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at >= began_at", name="ends_after_it_began"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by_id IS NULL)", name="withdrawn_by_someone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), index=True)
    appointment_id: Mapped[int | None] = mapped_column(ForeignKey("appointments.id"))
    category: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    filed_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    filed_at: Mapped[datetime]
    withdrawn_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str] = mapped_column(default="")
