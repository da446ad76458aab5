from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.delivery import rules
from testing_platform.examinations.models import Appointment, TestSession
from testing_platform.examinations.rules import Mode, Window

STATES = ", ".join(repr(str(state)) for state in rules.State)


class Attempt(Base):
    """One candidate taking one form, once."""

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint(f"state IN ({STATES})", name="state_is_known"),
        CheckConstraint("opens_at < closes_at", name="window_is_forward"),
        CheckConstraint("multiplier >= 1", name="multiplier_never_takes_time"),
        CheckConstraint(
            "(started_at IS NULL) = (deadline IS NULL) AND (deadline IS NULL) = (answers_until IS NULL)",
            name="started_has_a_deadline",
        ),
        CheckConstraint("held_since IS NULL OR started_at IS NOT NULL", name="only_a_running_clock_is_held"),
        CheckConstraint(
            "(held_since IS NOT NULL) = (state IN ('paused_proctor', 'paused_break', 'paused_technical', "
            "'paused_lockdown', 'awaiting_resume'))",
            name="paused_is_held",
        ),
        CheckConstraint("state != 'submitted' OR submitted_at IS NOT NULL", name="submitted_has_its_time"),
        Index("ix_attempts_session_id_state", "session_id", "state"),
        Index("ix_attempts_state_deadline", "state", "deadline"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointments.id"), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"))
    form_id: Mapped[int] = mapped_column(ForeignKey("forms.id"))
    mode: Mapped[Mode]
    # Copied from the session when check-in begins, so that moving the session later never moves a test that was started.
    window: Mapped[Window] = composite(mapped_column("opens_at"), mapped_column("closes_at"))
    state: Mapped[str]
    # Raised by every move: a proctor's act names the version that was looked at.
    version: Mapped[int] = mapped_column(default=1)
    # Raised when the test moves to another device; answers of an older epoch are kept aside.
    epoch: Mapped[int] = mapped_column(default=1)
    device: Mapped[str | None]  # keyed hash of the browser's own cookie

    time_limit: Mapped[timedelta]
    multiplier: Mapped[Decimal]
    given: Mapped[timedelta] = mapped_column(default=timedelta())
    started_at: Mapped[datetime | None]
    # The clock's deadline as it stands, written with each change of its parts so that the saving statement can compare.
    deadline: Mapped[datetime | None]
    # The deadline and the grace for answers in flight.
    answers_until: Mapped[datetime | None]
    held_since: Mapped[datetime | None]
    late_grace: Mapped[timedelta]
    contact_patience: Mapped[timedelta]

    checked_in_at: Mapped[datetime]
    awaiting_since: Mapped[datetime | None]
    admitted_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    submitted_by: Mapped[str | None]  # candidate | clock | two_people
    digest: Mapped[str | None]
    receipt_code: Mapped[str | None] = mapped_column(unique=True)
    # When the receipt was put into the outbox, whoever closed the attempt.
    receipt_mailed_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(lazy="joined")
    session: Mapped[TestSession] = relationship(lazy="joined")
    appointment: Mapped[Appointment] = relationship()
    contact: Mapped["Contact"] = relationship(lazy="joined")

    @property
    def clock(self) -> rules.Clock:
        return rules.Clock(self.time_limit, self.multiplier, self.started_at, self.given, self.held_since)

    @clock.setter
    def clock(self, clock: rules.Clock) -> None:
        self.started_at, self.given, self.held_since = clock.started_at, clock.given, clock.held_since
        self.deadline = clock.deadline
        self.answers_until = None if self.deadline is None else self.deadline + self.late_grace


class Seating(Base):
    """Where a candidate sits, and since when. Another seat is a new row."""

    __tablename__ = "seatings"
    __table_args__ = (
        CheckConstraint("seat > 0", name="seats_count_from_one"),
        Index(
            "uq_seatings_seat",
            "session_id",
            "seat",
            unique=True,
            sqlite_where=text("left_at IS NULL"),
            postgresql_where=text("left_at IS NULL"),
        ),
        Index(
            "uq_seatings_appointment",
            "appointment_id",
            unique=True,
            sqlite_where=text("left_at IS NULL"),
            postgresql_where=text("left_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"))
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointments.id"))
    seat: Mapped[int]
    # What the proctor looked at to know who this is: a code of rules.IDENTITY.
    identity: Mapped[str]
    seated_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    seated_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class NoShow(Base):
    """Somebody was expected and did not test, with the reason. Taken back, the row stays."""

    __tablename__ = "no_shows"
    __table_args__ = (
        Index(
            "uq_no_shows_standing",
            "appointment_id",
            unique=True,
            sqlite_where=text("reversed_at IS NULL"),
            postgresql_where=text("reversed_at IS NULL"),
        ),
        CheckConstraint("(reversed_at IS NULL) = (reversed_by_id IS NULL)", name="reversed_by_someone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointments.id"))
    reason: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    # None: the clock, when the window closed and nobody had checked in.
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    recorded_at: Mapped[datetime]
    reversed_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    reversed_at: Mapped[datetime | None]


class StartCode(Base):
    """The code on the board of a room. It belongs to one sign-in of one proctor and is worth nothing when that has ended."""

    __tablename__ = "start_codes"
    __table_args__ = (UniqueConstraint("session_id", "sign_in_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"))
    sign_in_id: Mapped[int] = mapped_column(ForeignKey("sign_ins.id"))
    # The code itself is made anew from the signing key and this row whenever the page shows it.
    code_hash: Mapped[str] = mapped_column(index=True)
    issued_at: Mapped[datetime]


class TakeOverCode(Base):
    """Lets a candidate go on at another workstation, once: the proctor reads it out."""

    __tablename__ = "take_over_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    issued_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Contact(Base):
    """When this attempt's page was last heard. Apart from the attempt: it changes each few seconds and is nobody's act."""

    __tablename__ = "contacts"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    http_at: Mapped[datetime | None]
    live_at: Mapped[datetime | None]

    @property
    def newest(self) -> datetime | None:
        return max((at for at in (self.http_at, self.live_at) if at), default=None)


class Response(Base):
    """One thing the candidate said about a slot. Rows are only ever added."""

    __tablename__ = "responses"
    __table_args__ = (
        UniqueConstraint("attempt_id", "device", "seq"),
        CheckConstraint("state IN ('answered', 'cleared', 'flagged', 'unflagged', 'struck', 'unstruck')", name="state_is_known"),
        # late: after the deadline and its grace; aside: from a device that the test had left. Neither counts without a person.
        CheckConstraint("standing IN ('counted', 'held', 'late', 'aside')", name="standing_is_known"),
        CheckConstraint("seq > 0 AND slot > 0", name="counts_from_one"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    device: Mapped[str]
    seq: Mapped[int]
    epoch: Mapped[int]
    slot: Mapped[int]
    option: Mapped[str | None]
    state: Mapped[str]
    elapsed_ms: Mapped[int]
    received_at: Mapped[datetime]
    standing: Mapped[str]


class TimeEntry(Base):
    """A line of the time ledger: a hold (running while it has no end) or a grant."""

    __tablename__ = "time_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('hold', 'grant')", name="kind_is_known"),
        CheckConstraint("kind = 'hold' OR amount IS NOT NULL", name="a_grant_has_an_amount"),
        CheckConstraint("amount IS NULL OR amount >= 0", name="time_is_never_taken"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    kind: Mapped[str]
    cause: Mapped[str]  # proctor | break | technical | our_fault | lockdown | device | the grant's reason category
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    amount: Mapped[timedelta | None]
    reason: Mapped[str] = mapped_column(default="")
    actor_id: Mapped[int | None]


class Consent(Base):
    """A choice about one kind of data, with the version of the text that was read. A new choice is a new row."""

    __tablename__ = "consents"

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    kind: Mapped[str]
    choice: Mapped[str]
    text_version: Mapped[str]
    locale: Mapped[str]
    at: Mapped[datetime]


class CheckInStep(Base):
    __tablename__ = "check_in_steps"
    __table_args__ = (CheckConstraint("state IN ('done', 'returned', 'waived')", name="state_is_known"),)

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    at: Mapped[datetime]
    facts: Mapped[dict[str, Any]]


class MediaKey(Base):
    """The wrapped key of an attempt's pictures. Destroying it deletes them, wherever copies lie."""

    __tablename__ = "media_keys"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    destroyed_at: Mapped[datetime | None]


class Message(Base):
    """Between the candidate and the proctor. The transcript is kept with the attempt."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("attempt_id", "number"),
        CheckConstraint("sender IN ('candidate', 'proctor')", name="sender_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    number: Mapped[int]
    sender: Mapped[str]
    actor_id: Mapped[int]
    text: Mapped[str]
    at: Mapped[datetime]


class Ticket(Base):
    """Opens one live connection, once, within a minute."""

    __tablename__ = "tickets"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    attempt_id: Mapped[int | None]
    session_id: Mapped[int | None]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Beat(Base):
    """When each process was last alive, so that time lost to our own fault can be told from a candidate's line."""

    __tablename__ = "beats"

    service: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Outage(Base):
    __tablename__ = "outages"

    id: Mapped[int] = mapped_column(primary_key=True)
    service: Mapped[str]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime] = mapped_column(index=True)
