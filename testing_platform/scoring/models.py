from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import Administration


class Key(Base):
    """One version of an administration's answer key; a change is a new version. What is locked is what scores."""

    __tablename__ = "keys"
    __table_args__ = (
        UniqueConstraint("administration_id", "number"),
        CheckConstraint("(locked_at IS NULL) = (locked_by_id IS NULL)", name="locked_by_someone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    number: Mapped[int]
    # By slot, as text: {"1": ["b"], "2": ["a", "c"]}; any of the listed options is right.
    entries: Mapped[dict[str, Any]]
    # What differs from the version before: [{"slot", "ruling", "before", "after", "reason"}], empty for the form's own key. With the lock come
    # the slots that a figure pointed at and whose key stays: before and after are the same, there is no ruling, and the reason says why.
    changes: Mapped[list[Any]]
    digest: Mapped[str]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    locked_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    locked_at: Mapped[datetime | None]


class PanelItem(Base):
    """An item of whose key an analyst asks subject experts, who have not seen it."""

    __tablename__ = "panel_items"
    __table_args__ = (UniqueConstraint("administration_id", "slot"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    slot: Mapped[int]
    # Why a person should look at it, by the figures of that day; empty where the analyst asks for a reason of their own.
    flags: Mapped[list[Any]]
    # How many rulings close the question, as the bulletin had it when it was put.
    wanted: Mapped[int]
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime]
    administration: Mapped[Administration] = relationship()
    rulings: Mapped[list["PanelRuling"]] = relationship(order_by="PanelRuling.place")


class PanelRuling(Base):
    """What one expert said of an item, without its key and without the other's ruling before them. It is never changed."""

    __tablename__ = "panel_rulings"
    __table_args__ = (
        UniqueConstraint("panel_item_id", "person_id"),
        UniqueConstraint("panel_item_id", "place"),
        CheckConstraint("verdict IN ('keep', 'drop')", name="verdict_is_known"),
        CheckConstraint("reason != ''", name="has_its_reason"),
        CheckConstraint("place >= 1", name="place_counts_from_one"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    panel_item_id: Mapped[int] = mapped_column(ForeignKey("panel_items.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    # The first ruling, the second: no more of them than are wanted, whoever presses at once.
    place: Mapped[int]
    verdict: Mapped[str]
    # Which answers can be defended, in the spelling of a key's entry; of an item to be dropped perhaps none.
    answers: Mapped[list[Any]]
    reason: Mapped[str]
    # Whether this person had seen the key in the bank before, as those who reviewed the item have.
    knew_key: Mapped[bool]
    at: Mapped[datetime]
    person: Mapped[Person] = relationship(lazy="joined")


class ScoreRun(Base):
    """One scoring of all counting attempts with one locked key."""

    __tablename__ = "score_runs"
    __table_args__ = (CheckConstraint("maximum >= 0", name="maximum_is_a_count"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), index=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("keys.id"))
    maximum: Mapped[int]
    # SHA-256 over the key's digest and every attempt's answers digest in order of id: the same inputs give the same scores.
    inputs_digest: Mapped[str]
    # Attempts that are not scored, each with its reason: [{"attempt", "reason"}].
    excluded: Mapped[list[Any]]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    key: Mapped[Key] = relationship(lazy="joined")


class RawScore(Base):
    """Items right. Never shown to the candidate, to schedulers or to interview raters."""

    __tablename__ = "raw_scores"
    __table_args__ = (CheckConstraint("raw >= 0", name="raw_is_a_count"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("score_runs.id"), primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    raw: Mapped[int]


class PassingScoreDecision(Base):
    """What two people signed: the cut, all that was before them, and why. A later decision supersedes, it never overwrites."""

    __tablename__ = "passing_score_decisions"
    __table_args__ = (
        UniqueConstraint("administration_id", "number"),
        CheckConstraint("outcome IN ('proposed', 'approved', 'withdrawn', 'superseded')", name="outcome_is_known"),
        CheckConstraint("approved_by_id IS NULL OR approved_by_id != proposed_by_id", name="two_people"),
        CheckConstraint("(outcome IN ('approved', 'superseded')) = (approved_at IS NOT NULL)", name="approved_has_its_time"),
        CheckConstraint("(approved_at IS NULL) = (approved_by_id IS NULL)", name="approved_by_someone"),
        CheckConstraint("cut >= 0", name="cut_is_a_raw_score"),
        Index(
            "uq_passing_score_decisions_current",
            "administration_id",
            "outcome",
            unique=True,
            sqlite_where=text("outcome IN ('proposed', 'approved')"),
            postgresql_where=text("outcome IN ('proposed', 'approved')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"))
    number: Mapped[int]
    run_id: Mapped[int] = mapped_column(ForeignKey("score_runs.id"))
    cut: Mapped[int]
    # Vacancies, rates, eligibles already listed, and the whole table that was on the page.
    inputs: Mapped[dict[str, Any]]
    table: Mapped[list[Any]]
    rationale: Mapped[str]
    outcome: Mapped[str]
    proposed_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    proposed_at: Mapped[datetime]
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    approved_at: Mapped[datetime | None]
    # None where a validation analyst sent it back.
    withdrawn_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str] = mapped_column(default="")
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("passing_score_decisions.id"))
    run: Mapped[ScoreRun] = relationship(lazy="joined")
    administration: Mapped[Administration] = relationship()


class QualifyingResult(Base):
    """PASS or FAIL of one attempt under one decision. Rows exist from the second signature on and are never changed."""

    __tablename__ = "qualifying_results"
    __table_args__ = (
        UniqueConstraint("decision_id", "attempt_id"),
        CheckConstraint("outcome IN ('PASS', 'FAIL')", name="outcome_is_known"),
        CheckConstraint("NOT held OR outcome = 'PASS'", name="held_passes"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("passing_score_decisions.id"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    outcome: Mapped[str]
    # Below the cut of this decision, but passed under the one that it supersedes, and held harmless.
    held: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    released_at: Mapped[datetime]
    # When the result's mail was put into the outbox.
    mailed_at: Mapped[datetime | None]
    decision: Mapped[PassingScoreDecision] = relationship(lazy="joined")
    attempt: Mapped[Attempt] = relationship(lazy="joined")
    person: Mapped[Person] = relationship(lazy="joined")


class ResultHold(Base):
    """A result that is kept back while people settle something about the test. It is never deleted; clearing it says why."""

    __tablename__ = "result_holds"
    __table_args__ = (
        CheckConstraint("reason != ''", name="has_its_reason"),
        CheckConstraint("(cleared_at IS NULL) = (cleared_by_id IS NULL)", name="cleared_by_someone"),
        CheckConstraint("cleared_at IS NULL OR cleared_reason != ''", name="cleared_with_a_reason"),
        Index(
            "uq_result_holds_standing",
            "attempt_id",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    reason: Mapped[str]
    placed_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    placed_at: Mapped[datetime]
    cleared_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    cleared_at: Mapped[datetime | None]
    cleared_reason: Mapped[str] = mapped_column(default="", server_default="")
    attempt: Mapped[Attempt] = relationship(lazy="joined")
    placed_by: Mapped[Person] = relationship(foreign_keys=[placed_by_id])
    cleared_by: Mapped[Person | None] = relationship(foreign_keys=[cleared_by_id])


class InterviewPlan(Base):
    """Days, hours and boards out of which interview slots are cut."""

    __tablename__ = "interview_plans"

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), index=True)
    # {"location", "days": ["2026-12-07", …], "from": "09:00", "to": "16:00", "minutes": 30, "boards": 2, "respond_by": "…"}
    plan: Mapped[dict[str, Any]]
    zone: Mapped[str]
    made_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]


class InterviewInvitation(Base):
    """One who passed, invited to one slot."""

    __tablename__ = "interview_invitations"
    __table_args__ = (
        UniqueConstraint("result_id"),
        UniqueConstraint("plan_id", "board", "starts_at"),
        CheckConstraint("starts_at < ends_at", name="slot_is_forward"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by_id IS NULL)", name="withdrawn_by_someone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("qualifying_results.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("interview_plans.id"))
    board: Mapped[int]
    location: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    # The newest letter: the invitation, or that it was taken back.
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id"))
    invited_by_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    invited_at: Mapped[datetime]
    # Taken back by a person, after a later decision under which this candidate does not pass.
    withdrawn_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    withdrawn_at: Mapped[datetime | None]
    result: Mapped[QualifyingResult] = relationship(lazy="joined")
    plan: Mapped[InterviewPlan] = relationship(lazy="joined")


class ExportJob(Base):
    """What left, for whom, and its hash."""

    __tablename__ = "export_jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    administration_id: Mapped[int] = mapped_column(ForeignKey("administrations.id"), index=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("passing_score_decisions.id"))
    kind: Mapped[str]  # interview_candidates | interview_schedule | pass_fail
    format: Mapped[str]  # csv | xlsx | json | ics | neogov
    rows: Mapped[int]
    sha256: Mapped[str]
    template: Mapped[str]  # such as testing_platform.export.interview_candidates/1
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
