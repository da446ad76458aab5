"""When an item has become known outside: it leaves every session in which nobody has begun, and those who had it are named.

A form in use never changes. Where each candidate is drawn a form of their own, it is drawn without the item. Else the sessions that are still ahead
become an administration of their own with a form without the item and its enemies; what was begun stays as it is, and a person decides about it when
the key is locked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, select, update
from sqlalchemy.orm import Session

from testing_platform import bus
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Attempt
from testing_platform.examinations import service as examinations
from testing_platform.examinations.models import Administration, Appointment, TestSession
from testing_platform.itembank import forms
from testing_platform.itembank.form_models import LoftDraw, LoftPool
from testing_platform.itembank.models import FormSlot, Item, ItemVersion
from testing_platform.itembank.queries import enemies_of
from testing_platform.itembank.rules import State


def known_outside(session: Session) -> set[int]:
    """The items that no candidate may newly meet: the compromised ones and their enemies."""
    items = set(session.scalars(select(ItemVersion.item_id).where(ItemVersion.state == State.COMPROMISED)))
    return items.union(*enemies_of(session, items).values()) if items else items


def knows_outside(session: Session, attempt: Attempt) -> bool:
    """Whether the form that was drawn for this candidate has such an item."""
    items = known_outside(session)
    if not items:
        return False
    drawn = select(LoftDraw.id).where(LoftDraw.form_id == attempt.form_id, LoftDraw.for_candidate)
    drawn = drawn.join(FormSlot, FormSlot.form_id == LoftDraw.form_id).join(ItemVersion, ItemVersion.id == FormSlot.item_version_id)
    return session.scalars(drawn.where(ItemVersion.item_id.in_(items)).limit(1)).first() is not None


def _held(session: Session, items: Iterable[int]) -> dict[int, set[int]]:
    """By form the slots with one of these items. Forms that candidates are given out of a pool are drawn without them, so that nothing is held there."""
    drawn = select(LoftDraw.form_id).where(LoftDraw.for_candidate)
    pools = select(LoftPool.form_id).where(LoftPool.form_id.is_not(None))
    rows = session.execute(
        select(FormSlot.form_id, FormSlot.slot)
        .join(ItemVersion, ItemVersion.id == FormSlot.item_version_id)
        .where(ItemVersion.item_id.in_(list(items)), FormSlot.form_id.not_in(drawn), FormSlot.form_id.not_in(pools))
    )
    found: dict[int, set[int]] = {}
    for form_id, slot in rows:
        found.setdefault(form_id, set()).add(slot)
    return found


def _ahead(form_ids: Iterable[int], now: datetime) -> Select[TestSession]:
    """Sessions with one of these forms in which nobody has begun and somebody still may."""
    begun = exists().where(Attempt.session_id == TestSession.id, Attempt.started_at.is_not(None))
    closes_at = TestSession.__table__.c.closes_at
    return (
        select(TestSession)
        .join(Administration, Administration.id == TestSession.administration_id)
        .where(Administration.form_id.in_(list(form_ids)), closes_at > now, TestSession.closed_at.is_(None), ~begun)
        .order_by(TestSession.id)
    )


def due(session: Session, now: datetime) -> bool:
    items = known_outside(session)
    return bool(items) and session.scalars(_ahead(_held(session, items), now).limit(1)).first() is not None


def withdraw(session: Session, now: datetime, only: int | None = None) -> int:
    """Give each session that is still ahead, or this one if it is, a form without the items; returns how many sessions that were."""
    items = known_outside(session)
    if not items:
        return 0
    held = _held(session, items)
    # Of two who see the need at once, the second waits and then finds it met.
    chosen = _ahead(held, now).with_for_update(of=TestSession)
    if only is not None:
        chosen = chosen.where(TestSession.id == only)
    by_administration: dict[int, list[TestSession]] = {}
    for place in session.scalars(chosen).all():
        by_administration.setdefault(place.administration_id, []).append(place)
    for places in by_administration.values():
        _part(session, places, held, now)
    return sum(map(len, by_administration.values()))


def _part(session: Session, places: list[TestSession], held: dict[int, set[int]], now: datetime) -> None:
    old = places[0].administration
    form = forms.without(session, old.form, held[old.form_id], now)
    new = examinations.plan_administration(session, old.examination, form, old.test_day, now)
    for place in places:
        place.administration_id = new.id
        session.execute(update(Appointment).where(Appointment.session_id == place.id).values(administration_id=new.id))
        session.execute(update(Attempt).where(Attempt.session_id == place.id, Attempt.started_at.is_(None)).values(form_id=form.id))
        bus.publish(session, "session.form-changed", now, session_id=place.id, form=form.id)
        audit.record(session, "session.form-changed", f"session:{place.id}", now, before=old.form_id, after=form.id, administration=new.id)
    session.flush()
    session.expire_all()


@dataclass(frozen=True)
class Met:
    """An administration in which candidates had items that are known outside."""

    codes: list[str]
    candidates: int


def met(session: Session, administration: Administration) -> Met | None:
    """Who had an item that is known outside now; nothing when nobody who has begun had one."""
    known = (
        select(Attempt.id, Item.code)
        .join(TestSession, TestSession.id == Attempt.session_id)
        .join(FormSlot, FormSlot.form_id == Attempt.form_id)
        .join(ItemVersion, ItemVersion.id == FormSlot.item_version_id)
        .join(Item, Item.id == ItemVersion.item_id)
        .where(TestSession.administration_id == administration.id, Attempt.started_at.is_not(None), ItemVersion.state == State.COMPROMISED)
        .order_by(FormSlot.slot, Item.code)
    )
    rows = session.execute(known).all()
    return Met(list(dict.fromkeys(row.code for row in rows)), len({row.id for row in rows})) if rows else None
