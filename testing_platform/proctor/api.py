import uuid
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, g, jsonify

from testing_platform import errors
from testing_platform.accounts.permissions import allowed
from testing_platform.delivery.api import make_ticket
from testing_platform.delivery.models import Attempt
from testing_platform.examinations.models import TestSession
from testing_platform.proctor import flag_service, queries, service
from testing_platform.proctor.models import Flag
from testing_platform.proctor.rules import Act
from testing_platform.web.frame import json_body

bp = Blueprint("proctor_api", __name__, url_prefix="/api/proctor")


@bp.post("/sessions/<int:session_id>/ticket")
@allowed("session.watch")
def ticket(place: TestSession) -> Any:
    return jsonify(ticket=make_ticket(g.person.id, session_id=place.id))


@bp.get("/sessions/<int:session_id>/rows")
@allowed("session.watch")
def rows(place: TestSession) -> Any:
    return jsonify(rows=queries.rows(g.session, place.id, g.now))


@bp.get("/attempts/<int:attempt_id>")
@allowed("attempt.watch")
def focus(attempt: Attempt) -> Any:
    return jsonify(queries.focus(g.session, attempt, ZoneInfo(attempt.session.zone), g.now))


def _asked(said: dict[str, Any]) -> service.Asked:
    """Raises errors.BadRequest, naming the field that is not as it should be."""
    reason: dict[str, Any] = said["reason"] if isinstance(said.get("reason"), dict) else {}
    try:
        act = Act(said.get("act", ""))
        key = str(uuid.UUID(str(said.get("key", ""))))
    except ValueError:
        raise errors.BadRequest(why="act or key") from None
    version, minutes = said.get("version", 0), said.get("minutes", 0)
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in (version, minutes)):
        raise errors.BadRequest(why="version or minutes")
    text = str(said.get("text") or said.get("note") or reason.get("text") or "")
    return service.Asked(act, version, key, str(reason.get("category", "")), text, str(said.get("step", "")), minutes)


@bp.post("/attempts/<int:attempt_id>/acts")
@allowed("attempt.act")
def act(attempt: Attempt) -> Any:
    asked = _asked(json_body())
    try:
        with g.session.begin_nested():
            service.do(g.session, attempt, g.person, asked, g.now)
    except errors.VersionMoved as moved:
        return jsonify(code=moved.code, row=queries.rows(g.session, attempt.session_id, g.now, {attempt.id})[0]), 409
    g.session.flush()
    return jsonify(row=queries.rows(g.session, attempt.session_id, g.now, {attempt.id})[0])


@bp.post("/attempts/<int:attempt_id>/flags/<int:number>")
@allowed("attempt.flag")
def decide(attempt: Attempt, number: int) -> Any:
    said = json_body()
    try:
        decision = flag_service.Decision(said.get("act", ""))
    except ValueError:
        raise errors.BadRequest(why="act") from None
    key, note = flag_service.read_key(said.get("key", "")), str(said.get("note") or "")
    flag = g.session.get(Flag, number)
    if flag is None or flag.attempt_id != attempt.id:
        raise errors.NotFound
    status = 200
    try:
        with g.session.begin_nested():
            flag_service.decide(g.session, attempt, flag, g.person, decision, key, note, g.now)
    except errors.VersionMoved:
        status = 409
    g.session.flush()
    found = queries.rows(g.session, attempt.session_id, g.now, {attempt.id})[0]
    flagged = queries.flags(g.session, attempt.id)
    reply = {"row": found, "flag": next(one for one in flagged if one["id"] == flag.id)}
    return jsonify(reply if status == 200 else {"code": errors.VersionMoved.code, **reply}), status
