"""Reads for the analyst's pages."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from testing_platform.examinations.models import Administration, Appointment, Examination, ProctorAssignment, TestSession
from testing_platform.itembank import form_queries, forms
from testing_platform.itembank import queries as itembank
from testing_platform.itembank.form_models import BlueprintVersion, LoftPool
from testing_platform.itembank.models import Form, FormSlot


def administrations(session: Session) -> list[Administration]:
    return list(session.scalars(select(Administration).order_by(Administration.id.desc())))


def sessions_of(session: Session, administration_id: int) -> list[dict[str, Any]]:
    found = []
    for place in session.scalars(select(TestSession).where(TestSession.administration_id == administration_id).order_by(TestSession.id)):
        booked = session.scalar(
            select(func.count()).select_from(Appointment).where(Appointment.session_id == place.id, Appointment.state == "booked")
        )
        proctors = session.scalars(
            select(ProctorAssignment).where(
                ProctorAssignment.session_id == place.id,
                ProctorAssignment.ended_at.is_(None) | (ProctorAssignment.ended_at >= place.window.closes_at),
            )
        )
        found.append({"place": place, "booked": booked, "proctors": [row.person.name for row in proctors]})
    return found


def form_areas(session: Session, form: Form) -> list[tuple[str, int]]:
    """How many items each knowledge area has in the form, in the form's order."""
    counts: dict[str, int] = {}
    for slot in session.scalars(select(FormSlot).where(FormSlot.form_id == form.id).order_by(FormSlot.slot)):
        counts[slot.version.item.area] = counts.get(slot.version.item.area, 0) + 1
    return list(counts.items())


def count_items(session: Session, administration: Administration) -> int:
    """How many items each candidate is given: those of the form, or of the forms that are drawn where it is a pool's."""
    pool = form_queries.pool_behind(session, administration.form_id)
    if pool is not None:
        return forms.frozen_pool(pool).ground.blueprint.length
    return session.scalar(select(func.count()).select_from(FormSlot).where(FormSlot.form_id == administration.form_id)) or 0


def choices(session: Session, bank_id: int) -> dict[str, Form | LoftPool]:
    """What an administration may give: a form of their own to each candidate from a frozen pool, or one form to all. The newest come first."""
    pools = select(LoftPool).join(BlueprintVersion, BlueprintVersion.id == LoftPool.blueprint_id).where(BlueprintVersion.bank_id == bank_id)
    behind = select(LoftPool.form_id).where(LoftPool.form_id.is_not(None))
    common = itembank.common_forms().where(Form.bank_id == bank_id, Form.id.not_in(behind)).order_by(Form.id.desc())
    found: dict[str, Form | LoftPool] = {f"pool:{pool.id}": pool for pool in session.scalars(pools.order_by(LoftPool.id.desc()))}
    return found | {f"form:{form.id}": form for form in session.scalars(common)}


def examinations(session: Session) -> list[Examination]:
    return list(session.scalars(select(Examination).order_by(Examination.id)))


def area_titles(session: Session, form_id: int) -> dict[str, str]:
    """The bulletin's words for the knowledge areas of a form that it gives."""
    administration = session.scalars(select(Administration).where(Administration.form_id == form_id).limit(1)).first()
    areas = administration.examination.bulletin.content.get("content_area", []) if administration else []
    return {area["code"]: area["text"] for area in areas}
