"""Results on hold, for the lead proctors of the sessions: whose result is kept back and why, and that it is settled."""

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.delivery.models import Attempt
from testing_platform.integrity import service
from testing_platform.proctor import lead
from testing_platform.scoring import holds
from testing_platform.scoring.models import ResultHold
from testing_platform.scoring.rules import ReasonMissing

bp = Blueprint("holds", __name__, url_prefix="/proctor/holds")
LONG = 4000


@object_rule("result_hold")
def result_hold(session: Session, person: Person, hold_id: int, **_ids: Any) -> ResultHold:
    found = session.get(ResultHold, hold_id)
    if found is None or found.attempt.session_id not in service.led(session, person):
        raise errors.NotFound
    return found


@bp.get("")
@allowed("hold.list")
def home() -> Any:
    return _page()


def _page(problem: str = "", about: int | None = None) -> str:
    """`about`: the hold whose clearing was refused; none: the form of a new one."""
    g.rail = lead.rail("/proctor/holds")
    found = holds.of_sessions(g.session, service.led(g.session, g.person))
    return render_template(
        "integrity/holds.html",
        standing=[(one, one.placed_at + holds.longest(one.attempt.session.administration)) for one in found if one.cleared_at is None],
        cleared=[one for one in found if one.cleared_at is not None],
        said=request.form if about is None else {},
        clearing=request.form if about is not None else {},
        candidate=request.values.get("candidate", "").strip()[:40],
        problem=problem,
        about=about,
    )


@bp.post("")
@allowed("hold.place")
def place() -> Any:
    number = request.form.get("candidate", "").strip().upper()[:40]
    attempt = g.session.scalars(
        select(Attempt)
        .join(Person, Person.id == Attempt.person_id)
        .where(Person.candidate_number == number, Attempt.session_id.in_(service.led(g.session, g.person)), Attempt.started_at.is_not(None))
        .order_by(Attempt.id.desc())
    ).first()
    if not number or attempt is None:
        return _page("no-candidate"), 422
    try:
        holds.place(g.session, attempt, request.form.get("reason", "")[:LONG], g.person, g.now)
    except (ReasonMissing, holds.ResultIsOut, holds.HeldAlready) as refusal:
        return _page(refusal.code), 422
    flash(_("The result of %(candidate)s is on hold. It follows when you clear it.", candidate=number), "success")
    return redirect("/proctor/holds", 303)


@bp.post("/<int:hold_id>/clear")
@allowed("hold.clear")
def clear(found: ResultHold) -> Any:
    try:
        result = holds.clear(g.session, found, request.form.get("reason", "")[:LONG], g.person, g.now)
    except ReasonMissing as refusal:
        return _page(refusal.code, found.id), 422
    if result is None:
        flash(_("Cleared. The result comes with the others."), "success")
    else:
        flash(_("Cleared. The result is out, and the candidate gets a mail."), "success")
    return redirect("/proctor/holds", 303)
