from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.examinations.rules import Mode, Window
from testing_platform.itembank.models import Form


class JobClass(Base):
    """The job. The code is text: other agencies use letters and leading zeros."""

    __tablename__ = "job_classes"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]


class Bulletin(Base):
    """One version of the announcement, whole; what is published is never changed."""

    __tablename__ = "bulletins"
    __table_args__ = (UniqueConstraint("job_class_id", "open_on", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    job_class_id: Mapped[int] = mapped_column(ForeignKey("job_classes.id"))
    open_on: Mapped[date]
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    digest: Mapped[str]
    published_at: Mapped[datetime]
    job_class: Mapped[JobClass] = relationship(lazy="joined")


class Examination(Base):
    __tablename__ = "examinations"

    id: Mapped[int] = mapped_column(primary_key=True)
    bulletin_id: Mapped[int] = mapped_column(ForeignKey("bulletins.id"))
    title: Mapped[str]
    bulletin: Mapped[Bulletin] = relationship(lazy="joined")


class Administration(Base):
    """One giving of the test."""

    __tablename__ = "administrations"
    __table_args__ = (UniqueConstraint("examination_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    examination_id: Mapped[int] = mapped_column(ForeignKey("examinations.id"))
    number: Mapped[int]
    form_id: Mapped[int] = mapped_column(ForeignKey("forms.id"))
    # The bulletin's numbers of the test day, fixed when the administration is made.
    test_day: Mapped[dict[str, Any]]
    examination: Mapped[Examination] = relationship(lazy="joined")
    form: Mapped[Form] = relationship()


class Venue(Base):
    """A City facility in which tests are given."""

    __tablename__ = "venues"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    address: Mapped[str]


class Room(Base):
    """A room with workstations, numbered from 1."""

    __tablename__ = "rooms"
    __table_args__ = (UniqueConstraint("venue_id", "name"), CheckConstraint("seats > 0", name="has_seats"))

    id: Mapped[int] = mapped_column(primary_key=True)
    venue_id: Mapped[int] = mapped_column(ForeignKey("venues.id"))
    name: Mapped[str]
    seats: Mapped[int]
    venue: Mapped[Venue] = relationship(lazy="joined")


class TestSession(Base):
    """A time and a place, or the time in which remote candidates may begin."""

    __test__ = False
    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("opens_at < closes_at", name="window_is_forward"),
        CheckConstraint("mode IN ('remote', 'facility')", name="mode_is_known"),
        CheckConstraint("mode = 'facility' OR room_id IS NULL", name="a_room_is_of_a_facility"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), index=True)
    title: Mapped[str]
    mode: Mapped[Mode]
    window: Mapped[Window] = composite(mapped_column("opens_at"), mapped_column("closes_at"))
    zone: Mapped[str]
    room_id: Mapped[int | None] = mapped_column(ForeignKey("rooms.id"))
    # When it was written down who had not come; a window that is moved to later closes again.
    closed_at: Mapped[datetime | None]
    administration: Mapped[Administration] = relationship(lazy="joined")
    room: Mapped[Room | None] = relationship(lazy="joined")


class Appointment(Base):
    """A candidate's place in a session. It ends at booked or cancelled; what happens then is the attempt's."""

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("state IN ('booked', 'cancelled')", name="state_is_known"),
        Index(
            "uq_appointments_live",
            "person_id",
            "administration_id",
            unique=True,
            sqlite_where=text("state = 'booked'"),
            postgresql_where=text("state = 'booked'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), index=True)
    state: Mapped[str] = mapped_column(default="booked")
    # Functional settings of approved accommodations, never a diagnosis: {"time_multiplier": "1.5", …}.
    settings: Mapped[dict[str, Any]]
    booked_at: Mapped[datetime]
    # Which list the candidate competes for, promotional or open; not the tier in which they were invited.
    basis: Mapped[str | None]
    person: Mapped[Person] = relationship(lazy="joined")
    session: Mapped[TestSession] = relationship(lazy="joined")


class ProctorAssignment(Base):
    __tablename__ = "proctor_assignments"

    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    assigned_at: Mapped[datetime]
    # Someone who knows a candidate steps back; the row stays as the record.
    ended_at: Mapped[datetime | None]
    person: Mapped[Person] = relationship(lazy="joined")
