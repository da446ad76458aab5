from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from testing_platform.db import Base


class Bank(Base):
    __tablename__ = "banks"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


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
    digest: Mapped[str]


class Item(Base):
    __tablename__ = "items"
    __table_args__ = (UniqueConstraint("bank_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    bank_id: Mapped[int] = mapped_column(ForeignKey("banks.id"))
    code: Mapped[str]
    area: Mapped[str]
    versions: Mapped[list["ItemVersion"]] = relationship(back_populates="item", order_by="ItemVersion.number")


class ItemVersion(Base):
    """What a candidate is shown and what counts as right. Never changed: a mended item is a new version."""

    __tablename__ = "item_versions"
    __table_args__ = (UniqueConstraint("item_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    number: Mapped[int]
    stem: Mapped[str]
    options: Mapped[list[Any]]  # [{"key": "a", "html": "…"}, …] in the order shown
    key: Mapped[str]
    rationale: Mapped[str]
    difficulty: Mapped[str]
    stimulus_id: Mapped[int | None] = mapped_column(ForeignKey("stimuli.id"))
    language: Mapped[str]
    digest: Mapped[str]
    created_at: Mapped[datetime]
    item: Mapped[Item] = relationship(back_populates="versions")
    stimulus: Mapped[Stimulus | None] = relationship(lazy="joined")


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
    slots: Mapped[list["FormSlot"]] = relationship(order_by="FormSlot.slot")


class FormSlot(Base):
    __tablename__ = "form_slots"

    form_id: Mapped[int] = mapped_column(ForeignKey("forms.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    item_version_id: Mapped[int] = mapped_column(ForeignKey("item_versions.id"))
    version: Mapped[ItemVersion] = relationship(lazy="joined")
