"""The order in which one candidate meets the items of a form and their options: fixed at Begin by a seed that is kept with the attempt.

Slots and options keep their names: what is shown elsewhere is stored, scored and receipted as ever. The order follows from the seed by SHA-256
alone, so that anyone who has the seed can lay the test out again, in any language.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from testing_platform.db import Base
from testing_platform.delivery.models import Attempt
from testing_platform.itembank.form_models import FormPlan


class AttemptOrder(Base):
    """The seed of an attempt whose form has no common order."""

    __tablename__ = "attempt_orders"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    seed: Mapped[str]


def _rank(seed: str, *what: object) -> bytes:
    return hashlib.sha256("/".join(map(str, (seed, *what))).encode()).digest()


def order_of_slots(seed: str, slots: Sequence[tuple[int, object]], sections: Sequence[tuple[int, int]]) -> list[int]:
    """The slots, each given with its passage or none, in this seed's order. Sections stay in their order, and the items of a passage together in theirs."""
    bounds = list(sections) or [(min(slot for slot, _ in slots), max(slot for slot, _ in slots))] if slots else []
    found: list[int] = []
    for first, last in bounds:
        units: dict[object, list[int]] = {}
        for slot, passage in slots:
            if first <= slot <= last:
                units.setdefault(("slot", slot) if passage is None else ("passage", passage), []).append(slot)
        for unit in sorted(units.values(), key=lambda unit: _rank(seed, "slot", unit[0])):
            found += unit
    return found


def order_of_options(seed: str, slot: int, options: Sequence[str], fixed: Set[str]) -> list[str]:
    """The options in this seed's order; those that are fixed keep their places."""
    moved = iter(sorted((option for option in options if option not in fixed), key=lambda option: _rank(seed, "option", slot, option)))
    return [option if option in fixed else next(moved) for option in options]


def fix(session: Session, attempt: Attempt) -> None:
    """At Begin: give the attempt its seed, where its form says so."""
    plan = session.get(FormPlan, attempt.form_id)
    if plan is not None and (plan.shuffle_items or plan.shuffle_options) and session.get(AttemptOrder, attempt.id) is None:
        session.add(AttemptOrder(attempt_id=attempt.id, seed=secrets.token_hex(16)))
        session.flush()


def laid_out(session: Session, attempt: Attempt, slots: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The form's slots as this candidate meets them, each with its `place` from 1."""
    order, plan = session.get(AttemptOrder, attempt.id), session.get(FormPlan, attempt.form_id)
    shown = list(slots)
    if order is not None and plan is not None and plan.shuffle_options:
        shown = [{**slot, "options": _shuffled(order.seed, slot)} if slot["shuffle"] else slot for slot in shown]
    if order is not None and plan is not None and plan.shuffle_items:
        by_number = {slot["number"]: slot for slot in shown}
        sections = [(section["first"], section["last"]) for section in plan.sections]
        shown = [by_number[number] for number in order_of_slots(order.seed, [(one["number"], one["passage"]) for one in shown], sections)]
    return [{**slot, "place": place} for place, slot in enumerate(shown, 1)]


def _shuffled(seed: str, slot: Mapping[str, Any]) -> list[Any]:
    by_key = {option["key"]: option for option in slot["options"]}
    return [by_key[key] for key in order_of_options(seed, slot["number"], list(by_key), slot["fixed"])]
