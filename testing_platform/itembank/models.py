from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Connection, ForeignKey, Index, UniqueConstraint, event, inspect, text
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.itembank.rules import SIGNED, Choices, Kind, Level, Outcome, Security, Signature, State, Statement, together

# Nothing is NULL, and not JSON's null.
NOTHING = JSON(none_as_null=True)


def one_of(column: str, words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


class Bank(Base):
    __tablename__ = "banks"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    # What the class's bulletin names as content areas, in its order: [{"code", "title"}, …].
    areas: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    # Numbers of `rules.Policy` that this bank sets otherwise: {name: {"value", "source"}}.
    policy: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class JobStatement(Base):
    """A duty, knowledge or ability of the class, as its specification or bulletin words it."""

    __tablename__ = "job_statements"
    __table_args__ = (UniqueConstraint("bank_id", "code"), CheckConstraint(one_of("kind", Statement), name="kind_is_known"))

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    code: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str]
    source: Mapped[str]


class Picture(Base):
    """A picture of an item or passage, known by its content. Its alternative text stands where it is used."""

    __tablename__ = "item_pictures"

    # SHA-256 of the bytes (40 digits) and an ending: what `src` says in the html.
    name: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    data: Mapped[bytes] = mapped_column(deferred=True)


class Stimulus(Base):
    """One version of a passage; a change is a new row."""

    __tablename__ = "stimuli"
    __table_args__ = (UniqueConstraint("bank_id", "code", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    code: Mapped[str]
    number: Mapped[int]
    title: Mapped[str]
    html: Mapped[str]
    language: Mapped[str] = mapped_column(default="en", server_default="en")
    digest: Mapped[str] = mapped_column(index=True)


class Item(Base):
    """A question through all its versions, and what is said about it beside its text."""

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("bank_id", "code"),
        Index("ix_items_bank_id_area", "bank_id", "area"),
        CheckConstraint(one_of("level", Level), name="level_is_known"),
        CheckConstraint(one_of("security", Security), name="security_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    code: Mapped[str]
    area: Mapped[str]
    level: Mapped[str | None]
    # Where the item comes from: who wrote it outside, or the file it was read from.
    source: Mapped[str] = mapped_column(default="", server_default="")
    security: Mapped[str] = mapped_column(default=Security.SECURE, server_default=str(Security.SECURE))
    calculator: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # From this day on it may be in no new form.
    expires_on: Mapped[date | None]
    cloned_from_id: Mapped[int | None] = mapped_column(ForeignKey("items.id"))
    bank: Mapped[Bank] = relationship()
    versions: Mapped[list["ItemVersion"]] = relationship(back_populates="item", order_by="ItemVersion.number")
    tags: Mapped[list["ItemTag"]] = relationship(order_by="ItemTag.tag", cascade="all, delete-orphan")
    statements: Mapped[list[JobStatement]] = relationship(secondary="item_statements", order_by=JobStatement.id)


class ItemTag(Base):
    __tablename__ = "item_tags"

    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


class ItemStatement(Base):
    """The item asks for this knowledge or ability, or comes from this duty."""

    __tablename__ = "item_statements"

    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), primary_key=True)
    statement_id: Mapped[int] = mapped_column(ForeignKey("job_statements.id"), primary_key=True)


class ItemVersion(Base):
    """What a candidate is shown and what counts as right. Never changed: a mended item is a new version. What moves is its state.

    A version in another language stands beside the one it says the same as (`variant_of`), and needs signatures of its own.
    """

    __tablename__ = "item_versions"
    __table_args__ = (
        UniqueConstraint("item_id", "number"),
        CheckConstraint(one_of("kind", Kind), name="kind_is_known"),
        CheckConstraint(one_of("state", State), name="state_is_known"),
        CheckConstraint(
            f"state NOT IN ({', '.join(repr(str(state)) for state in SIGNED)}) OR approved_by_id IS NOT NULL", name="in_use_when_approved"
        ),
        CheckConstraint("approved_by_id IS NULL OR author_id IS NULL OR approved_by_id != author_id", name="no_author_approves_own_work"),
        CheckConstraint("(approved_by_id IS NULL) = (approved_at IS NULL)", name="approved_has_its_time"),
        Index("ix_item_versions_state", "state", "item_id", "newest"),
        Index("ix_item_versions_newest", "newest", "created_at", "item_id"),
        # All that an item is found by in its newest version, so that no version has to be opened to be passed over.
        Index("ix_item_versions_listed", "item_id", "newest", "state", "difficulty", "kind", "author_id", "stimulus_id", "created_at"),
        Index(
            "uq_item_versions_newest",
            "item_id",
            unique=True,
            sqlite_where=text("newest"),
            postgresql_where=text("newest"),
        ),
        Index(
            "uq_item_versions_active",
            "item_id",
            "language",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(default=Kind.SINGLE, server_default=str(Kind.SINGLE))
    title: Mapped[str] = mapped_column(default="", server_default="")
    stem: Mapped[str]
    # [{"key": "a", "html": "…"}, …] in the order shown, with "fixed", "weight" and "rationale" where there are any.
    options: Mapped[list[Any]]
    # Of a single answer each of these by itself is right, of a multiple one all together.
    correct: Mapped[list[Any]]
    # Partial credit, when the options have weights: {"lower": "0", "upper": "2"}, each or none of them.
    bounds: Mapped[dict[str, Any] | None] = mapped_column(NOTHING)
    shuffle: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # 0 is no limit.
    max_choices: Mapped[int] = mapped_column(default=1, server_default="1")
    rationale: Mapped[str]
    # The accessibility catalogue of an imported item, kept for the way out and never shown.
    catalog: Mapped[str] = mapped_column(default="", server_default="")
    difficulty: Mapped[str]
    # Grade of schooling that stem, options and passage ask for; none where there is too little text.
    grade: Mapped[Decimal | None]
    stimulus_id: Mapped[int | None] = mapped_column(ForeignKey("stimuli.id"), index=True)
    language: Mapped[str]
    variant_of_id: Mapped[int | None] = mapped_column(ForeignKey("item_versions.id"))
    digest: Mapped[str] = mapped_column(index=True)
    # Where an imported version was read from: {"source", "identifier", "format", "metadata", "notes"}.
    origin: Mapped[dict[str, Any] | None] = mapped_column(NOTHING)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default=State.DRAFT, server_default=str(State.DRAFT))
    state_at: Mapped[datetime | None]
    # The newest of its item, variants aside.
    newest: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    approved_at: Mapped[datetime | None]
    item: Mapped[Item] = relationship(back_populates="versions")
    stimulus: Mapped[Stimulus | None] = relationship(lazy="joined")
    author: Mapped[Person | None] = relationship(foreign_keys=author_id)
    reviews: Mapped[list["Review"]] = relationship(back_populates="version", order_by="Review.id")
    moves: Mapped[list["Move"]] = relationship(order_by="Move.id", viewonly=True)

    @property
    def choices(self) -> Choices:
        """What an answer to it may be."""
        return Choices.of(self.kind, (option["key"] for option in self.options), self.max_choices)

    @property
    def accepted(self) -> list[str]:
        """The answers that are right, as responses hold them."""
        return [together(self.correct)] if self.kind == Kind.MULTIPLE else list(self.correct)


CONTENT = (
    "kind", "title", "stem", "options", "correct", "bounds", "shuffle", "max_choices", "rationale", "catalog", "stimulus_id", "language",
    "digest", "number", "item_id", "variant_of_id", "author_id",
)  # fmt: skip


class Changed(Exception):
    """A fault of ours: something tried to write over a version."""


@event.listens_for(ItemVersion, "before_update")
def _stays(mapper: Mapper[ItemVersion], connection: Connection, version: ItemVersion) -> None:
    found = inspect(version)
    if moved := [name for name in CONTENT if found.attrs[name].history.has_changes()]:
        raise Changed(f"version {version.id}: {', '.join(moved)}")


class Review(Base):
    """A signature under a version, or what stands against it. A key check holds what the checker answered without seeing the key."""

    __tablename__ = "item_reviews"
    __table_args__ = (
        CheckConstraint(one_of("kind", Signature), name="kind_is_known"),
        CheckConstraint(one_of("outcome", Outcome), name="outcome_is_known"),
        CheckConstraint("outcome = 'sign' OR text != ''", name="a_return_has_its_reason"),
        CheckConstraint("(kind = 'key') = (answer IS NOT NULL)", name="a_key_check_has_its_answer"),
        # Two signatures under one version are of two people.
        Index(
            "uq_item_reviews_person",
            "version_id",
            "person_id",
            unique=True,
            sqlite_where=text("kind != 'waiver'"),
            postgresql_where=text("kind != 'waiver'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), index=True)
    kind: Mapped[str]
    outcome: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    text: Mapped[str]
    answer: Mapped[list[Any] | None] = mapped_column(NOTHING)
    version: Mapped[ItemVersion] = relationship(back_populates="reviews")
    person: Mapped[Person] = relationship(lazy="joined")


class Opening(Base):
    """Who has seen the version with its key, and can therefore not check the key blind any more."""

    __tablename__ = "item_openings"

    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    at: Mapped[datetime]


class Move(Base):
    """One step of a version's life."""

    __tablename__ = "item_moves"

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), index=True)
    event: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    reason: Mapped[str]
    person: Mapped[Person | None] = relationship(lazy="joined")


class Comment(Base):
    """What people say to each other about an item; nothing hangs on it."""

    __tablename__ = "item_comments"
    __table_args__ = (CheckConstraint("text != ''", name="says_something"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]
    text: Mapped[str]
    person: Mapped[Person] = relationship(lazy="joined")
    version: Mapped[ItemVersion] = relationship()


class EnemyGroup(Base):
    """Items of which at most one may be in a form: two of them (a pair), or more under a name."""

    __tablename__ = "enemy_groups"

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"), index=True)
    # One gives the other's answer away, the same fact is asked, one is a copy of the other.
    reason: Mapped[str]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    members: Mapped[list["EnemyMember"]] = relationship(back_populates="group", order_by="EnemyMember.item_id")


class EnemyMember(Base):
    __tablename__ = "enemy_members"

    group_id: Mapped[int] = mapped_column(ForeignKey("enemy_groups.id"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), primary_key=True, index=True)
    group: Mapped[EnemyGroup] = relationship(back_populates="members")
    item: Mapped[Item] = relationship()


class ItemStatistics(Base):
    """What one administration showed of a version. A later analysis of the same administration is a new row."""

    __tablename__ = "item_statistics"
    __table_args__ = (
        CheckConstraint("n > 0", name="somebody_was_asked"),
        CheckConstraint("difficulty BETWEEN 0 AND 1", name="difficulty_is_a_share"),
        CheckConstraint("discrimination BETWEEN -1 AND 1", name="discrimination_is_a_correlation"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), index=True)
    administration_id: Mapped[int | None] = mapped_column(ForeignKey("administrations.id"))
    made_at: Mapped[datetime]
    n: Mapped[int]
    # Share with the item right.
    difficulty: Mapped[Decimal]
    # Correlation of the item with the rest of the test; none where nobody or everybody had it right.
    discrimination: Mapped[Decimal | None]
    # {"a": 0.12, …}, and "" for those who left it blank.
    shares: Mapped[dict[str, Any]]
    median_time: Mapped[timedelta | None]
    # {"group": "A" | "B" | "C"} by the scale of the analysis, where one was made.
    dif: Mapped[dict[str, Any] | None] = mapped_column(NOTHING)
    # {"model", "a", "b", "se_a", "se_b"} of a calibration, where one was made; the scale is that of the administration's candidates.
    irt: Mapped[dict[str, Any] | None] = mapped_column(NOTHING)


class SavedSearch(Base):
    __tablename__ = "bank_searches"
    __table_args__ = (UniqueConstraint("bank_id", "person_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    # The part of the page's address behind the question mark.
    query: Mapped[str]


class Form(Base):
    """A fixed list of item versions with its time limit."""

    __tablename__ = "forms"
    __table_args__ = (
        UniqueConstraint("bank_id", "name", "number"),
        CheckConstraint("time_limit > 0", name="time_limit_is_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    name: Mapped[str]
    number: Mapped[int]
    time_limit: Mapped[timedelta]
    digest: Mapped[str]
    created_at: Mapped[datetime]
    # Once locked it is in use and cannot change; mending it makes a new form.
    locked_at: Mapped[datetime | None]
    # How many candidates have begun it, and the last of them: what its items are exposed by.
    begun: Mapped[int] = mapped_column(default=0, server_default="0")
    begun_at: Mapped[datetime | None]
    slots: Mapped[list["FormSlot"]] = relationship(order_by="FormSlot.slot")


class FormSlot(Base):
    __tablename__ = "form_slots"

    form_id: Mapped[int] = mapped_column(ForeignKey("forms.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"), index=True)
    version: Mapped[ItemVersion] = relationship(lazy="joined")
