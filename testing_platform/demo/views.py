"""The doors and the outbox of the demo. The blueprint is registered by `demo` alone, and answers this machine alone."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, g, redirect, render_template, request
from sqlalchemy import func, select

from testing_platform import errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Area, Role
from testing_platform.demo import setup
from testing_platform.notices.models import Notice
from testing_platform.proctor import queries

bp = Blueprint("demo", __name__, url_prefix="/demo")

DOORS = {
    "candidate": (Area.CANDIDATE, None, 0),
    "proctor": (Area.PROCTOR, Role.PROCTOR, 0),
    "lead": (Area.PROCTOR, Role.LEAD_PROCTOR, 0),
    "analyst": (Area.ANALYST, Role.ANALYST, 0),
    "operator": (Area.OPERATOR, Role.OPERATOR, 0),
}


@bp.before_request
def local_only() -> None:
    if request.remote_addr not in ("127.0.0.1", "::1"):
        raise errors.NotFound


@bp.get("/")
@allowed("demo")
def doors() -> Any:
    place = setup.open_session(g.session)
    return render_template(
        "demo/doors.html",
        place=place,
        counts=queries.summary(g.session, place.id),
        visitor=next((p.name for p in setup.still_to_test(g.session, "visitor")), ""),
        mails=g.session.scalar(select(func.count()).select_from(Notice)),
    )


@bp.post("/doors/<door>")
@allowed("demo")
def open_door(door: str) -> Any:
    if door not in DOORS:
        raise errors.NotFound
    area, role, number = DOORS[door]
    person = setup.free_visitor(g.session, g.now) if role is None else setup.person_with(g.session, role, number)
    token = accounts.make_link(g.session, current_app.settings.secret, person, area, g.now, lasts=timedelta(minutes=5))  # type: ignore[attr-defined]
    return redirect(f"/{area}/in/{token}", 303)


@bp.get("/outbox")
@allowed("demo")
def outbox() -> Any:
    mails = g.session.scalars(select(Notice).order_by(Notice.id.desc()).limit(100)).all()
    return render_template("demo/outbox.html", mails=mails)
