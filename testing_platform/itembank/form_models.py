"""Blueprints, assemblies and what an assembled form carries beside its items."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.accounts.models import Person
from testing_platform.db import Base
from testing_platform.itembank.models import Bank, Form

STATES = ("asked", "running", "met", "short", "unmet", "refused")
ENDED = ("met", "short", "unmet", "refused")


class BlueprintVersion(Base):
    """One version of a blueprint, whole; a change is a new row."""

    __tablename__ = "blueprints"
    __table_args__ = (UniqueConstraint("bank_id", "name", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    name: Mapped[str]
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    digest: Mapped[str]
    created_at: Mapped[datetime]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    bank: Mapped[Bank] = relationship()
    author: Mapped[Person | None] = relationship(lazy="joined")


class Assembly(Base):
    """One asking for parallel forms, and what came of it."""

    __tablename__ = "assemblies"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", name="state_is_known"),
        CheckConstraint("forms BETWEEN 1 AND 20", name="one_to_twenty_forms"),
        CheckConstraint(f"(state IN ({', '.join(map(repr, ENDED))})) = (ended_at IS NOT NULL)", name="ended_has_its_time"),
        CheckConstraint("state = 'asked' OR began_at IS NOT NULL", name="begun_has_its_time"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    blueprint_id: Mapped[int] = mapped_column(ForeignKey("blueprints.id"), index=True)
    forms: Mapped[int]
    seed: Mapped[int]
    # How long the exact search may take.
    seconds: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    asked_at: Mapped[datetime]
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    # SHA-256 of the pool as it was read: the same pool and seed give the same forms.
    pool_digest: Mapped[str | None]
    # See `forms.result_of`; what was refused stands here too.
    result: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    blueprint: Mapped[BlueprintVersion] = relationship(lazy="joined")
    asked_by: Mapped[Person | None] = relationship(lazy="joined")
    made: Mapped[list["FormPlan"]] = relationship(order_by="FormPlan.form_id")


class FormPlan(Base):
    """What a form carries beside its items: where it comes from, its sections, its unscored slots, and whether each candidate has an order of their own."""

    __tablename__ = "form_plans"

    form_id: Mapped[int] = mapped_column(ForeignKey("forms.id"), primary_key=True)
    assembly_id: Mapped[int | None] = mapped_column(ForeignKey("assemblies.id"), index=True)
    # [{"name", "title", "minutes", "first", "last"}, …]: which slots are a section's.
    sections: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    # Slots of items on trial.
    unscored: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    shuffle_items: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    shuffle_options: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    form: Mapped[Form] = relationship()
    assembly: Mapped[Assembly | None] = relationship(back_populates="made")


class LoftPool(Base):
    """Items frozen for forms that are drawn for each candidate. Never changed: another pool is another row."""

    __tablename__ = "loft_pools"

    id: Mapped[int] = mapped_column(primary_key=True)
    blueprint_id: Mapped[int] = mapped_column(ForeignKey("blueprints.id"), index=True)
    seed: Mapped[int]
    # As `FrozenPool.content` writes it: items with their figures, weights, plans.
    content: Mapped[dict[str, Any]]
    digest: Mapped[str]
    frozen_at: Mapped[datetime]
    # None: on the command line.
    frozen_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    # All its items as one form, once an administration gives it: each candidate's form is a part of that one.
    form_id: Mapped[int | None] = mapped_column(ForeignKey("forms.id"), unique=True)
    form: Mapped[Form | None] = relationship()
    frozen_by: Mapped[Person | None] = relationship(lazy="joined")
    blueprint: Mapped[BlueprintVersion] = relationship(lazy="joined")


class LoftDraw(Base):
    """One form drawn from a pool: the seed, and what was left out, draw it again."""

    __tablename__ = "loft_draws"
    __table_args__ = (UniqueConstraint("pool_id", "seed"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    pool_id: Mapped[int] = mapped_column(ForeignKey("loft_pools.id"), index=True)
    seed: Mapped[int]
    form_id: Mapped[int] = mapped_column(ForeignKey("forms.id"), unique=True)
    drawn_at: Mapped[datetime]
    drawn_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    drawn_by: Mapped[Person | None] = relationship(lazy="joined")
    # For one candidate, whose attempt names the form.
    for_candidate: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # Codes of the items that were known outside by then: the seed draws the form again without them.
    left_out: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    pool: Mapped[LoftPool] = relationship(lazy="joined")
    form: Mapped[Form] = relationship()
