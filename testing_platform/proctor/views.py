from typing import Any

import structlog
from flask import Blueprint, Response, current_app, g, redirect, render_template
from flask_babel import gettext as _

from testing_platform import clock, errors
from testing_platform.accounts.permissions import allowed
from testing_platform.accounts.rules import Role
from testing_platform.delivery.models import Attempt, CheckInStep, MediaKey
from testing_platform.examinations.models import TestSession
from testing_platform.examinations.rules import TestDay
from testing_platform.proctor import lead, objects, queries, session_queries
from testing_platform.proctor.models import EvidenceStill, Flag, FlagFrame
from testing_platform.proctor.signals import Signal
from testing_platform.storage import KeyDestroyed

log = structlog.get_logger("proctor")
bp = Blueprint("proctor", __name__, url_prefix="/proctor")


@bp.get("/")
@allowed("proctor.home")
def home() -> Any:
    places = objects.sessions_of(g.session, g.person.id)
    leads = Role.LEAD_PROCTOR in g.person.roles
    g.rail = lead.rail("/proctor/") if leads else [(_("Today"), "/proctor/", True)]
    return render_template(
        "proctor/home.html",
        sessions=[session_queries.in_short(g.session, place, leads, g.now) for place in places],
        asks=lead.asked(g.session, g.person) if leads else [],
        rooms_alone=all(place.room_id is not None for place in places),
    )


@bp.get("/now")
@allowed("proctor.home")
def now() -> Any:
    """Where a sign-in leads: into the session that is on, or to the list when there is none or a choice."""
    on = [place for place in objects.sessions_of(g.session, g.person.id) if session_queries.is_on(g.session, place, g.now)]
    return redirect(session_queries.address(on[0]) if len(on) == 1 else "/proctor/", 303)


@bp.get("/sessions/<int:session_id>")
@allowed("session.watch")
def console(place: TestSession) -> Any:
    if place.room_id is not None:
        return redirect(f"/proctor/rooms/{place.id}", 303)
    day = TestDay.of(place.administration.test_day)
    facts = {
        "session": {
            "id": place.id,
            "title": place.title,
            "starts_at": clock.to_ms(place.window.opens_at),
            "ends_at": clock.to_ms(place.window.closes_at),
        },
        "me": {"id": g.person.id, "name": g.person.name, "lead": Role.LEAD_PROCTOR in g.person.roles},
        "urls": {
            "ticket": f"/api/proctor/sessions/{place.id}/ticket",
            "rows": f"/api/proctor/sessions/{place.id}/rows",
            "attempt": "/api/proctor/attempts/0",
            "acts": "/api/proctor/attempts/0/acts",
            "flags": "/api/proctor/attempts/0/flags",
        },
        "live": "/live/proctor",
        "steps": ["consent", "system", "photo"],
        "flag_words": {signal: queries.flag_words(signal) for signal in [*Signal, "other"]},
        "reasons": queries.reasons(),
        "phrases": [
            _("Thank you. Everything looks fine."),
            _("Please sit so that your face is in the picture."),
            _("Please turn on a light in front of you."),
            _("Your picture is dark or blurred. Please look at your camera."),
            _("Please make sure that you are alone in the room."),
            _("We see that your line is slow. Your answers are safe; keep working."),
        ],
        "limits": {
            "proctor_minutes": round(day.proctor_grant.total_seconds() / 60),
            "lead_minutes": round(day.lead_grant.total_seconds() / 60),
        },
    }
    return render_template("proctor/console.html", console=facts, place=place)


def _picture(attempt: Attempt, name: str) -> Response:
    key = g.session.get(MediaKey, attempt.id)
    try:
        data = current_app.vault.get(key.wrapped if key else None, name)  # type: ignore[attr-defined]
    except (KeyDestroyed, FileNotFoundError):
        raise errors.NotFound(why="deleted") from None
    except ValueError:
        log.error("picture.changed", attempt=attempt.id)
        raise errors.NotFound(why="changed") from None
    return Response(data, mimetype="image/jpeg", headers={"Cache-Control": "private, no-store"})


@bp.get("/attempts/<int:attempt_id>/photo.jpg")
@allowed("attempt.evidence")
def photo(attempt: Attempt) -> Any:
    step = g.session.get(CheckInStep, (attempt.id, "photo"))
    if step is None or not step.facts.get("object"):
        raise errors.NotFound
    return _picture(attempt, step.facts["object"])


@bp.get("/attempts/<int:attempt_id>/evidence/<int:number>.jpg")
@allowed("attempt.evidence")
def evidence(attempt: Attempt, number: int) -> Any:
    still = g.session.get(EvidenceStill, number)
    if still is None or still.attempt_id != attempt.id:
        raise errors.NotFound
    return _picture(attempt, still.object_name)


@bp.get("/attempts/<int:attempt_id>/flags/<int:number>/<place>.jpg")
@allowed("attempt.evidence")
def flag_frame(attempt: Attempt, number: int, place: str) -> Any:
    flag = g.session.get(Flag, number)
    frame = g.session.get(FlagFrame, (number, place))
    if flag is None or frame is None or flag.attempt_id != attempt.id:
        raise errors.NotFound
    return _picture(attempt, frame.object_name)
