"""The doors and the outbox of the demo. The blueprint is registered by `demo` alone, and answers this machine alone."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, g, redirect, render_template, request
from sqlalchemy import select

from testing_platform import errors
from testing_platform.accounts import service as accounts
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Area, Role
from testing_platform.demo import facility, queries, setup
from testing_platform.notices.models import Notice

bp = Blueprint("demo", __name__, url_prefix="/demo")

# Who comes in by which door, and into which part. The one at a workstation comes by the code on the board of the room.
DOORS = {
    "candidate": (Area.CANDIDATE, None),
    "proctor": (Area.PROCTOR, Role.PROCTOR),
    "room": (Area.PROCTOR, Role.FACILITY_PROCTOR),
    "lead": (Area.PROCTOR, Role.LEAD_PROCTOR),
    "analyst": (Area.ANALYST, Role.ANALYST),
    "approver": (Area.ANALYST, Role.APPROVER),
    "writer": (Area.ANALYST, Role.ITEM_WRITER),
    "reviewer": (Area.ANALYST, Role.ITEM_REVIEWER),
    "fairness": (Area.ANALYST, Role.FAIRNESS_REVIEWER),
    "scheduler": (Area.SCHEDULER, Role.SCHEDULER),
    "validation": (Area.VALIDATION, Role.VALIDATION_ANALYST),
    "auditor": (Area.AUDITOR, Role.AUDITOR),
    "operator": (Area.OPERATOR, Role.OPERATOR),
}


@bp.before_request
def local_only() -> None:
    if request.remote_addr not in ("127.0.0.1", "::1"):
        raise errors.NotFound


@bp.get("/")
@allowed("demo")
def doors() -> Any:
    names = {door: setup.person_with(g.session, role).name for door, (_, role) in DOORS.items() if role is not None}
    names["candidate"] = next((person.name for person in setup.still_to_test(g.session, "visitor")), "")
    return render_template("demo/doors.html", names=names, now=queries.behind_doors(g.session, g.now))


@bp.post("/doors/<door>")
@allowed("demo")
def open_door(door: str) -> Any:
    if door == "workstation":
        return _sit_down()
    if door not in DOORS:
        raise errors.NotFound
    area, role = DOORS[door]
    person = setup.free_visitor(g.session, g.now) if role is None else setup.person_with(g.session, role)
    token = accounts.make_link(g.session, current_app.settings.secret, person, area, g.now, lasts=timedelta(minutes=5))  # type: ignore[attr-defined]
    return redirect(f"/{area}/in/{token}", 303)


def _sit_down() -> Any:
    """What stands on the desk of a candidate who has a seat, and on the board of the room."""
    settings = current_app.settings  # type: ignore[attr-defined]
    attempt = facility.seated_visitor(g.session, settings, g.now)
    code = facility.code_on_the_board(g.session, settings, g.now)
    return render_template("demo/workstation.html", person_here=attempt.person, room=attempt.session.room, code=code)


@bp.get("/outbox")
@allowed("demo")
def outbox() -> Any:
    mails = g.session.scalars(select(Notice).where(queries.of_today(g.now)).order_by(Notice.id.desc()).limit(100)).all()
    return render_template("demo/outbox.html", mails=mails)
