"""JSON for the candidate's pages. The two busiest addresses are in `answers.py`."""

import hashlib
import re
from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app, g, jsonify, request

from testing_platform import clock, errors
from testing_platform.accounts import rules as accounts
from testing_platform.accounts.permissions import allowed
from testing_platform.delivery import comments, pictures, queries, rules, service, tokens
from testing_platform.delivery.answers import message_json
from testing_platform.delivery.models import Attempt, MediaKey, Ticket
from testing_platform.delivery.rules import State, Step
from testing_platform.web.frame import csrf, json_body

bp = Blueprint("delivery_api", __name__, url_prefix="/api")

PROBE_BYTES = 131072
KEY = re.compile(r"[0-9A-Za-z-]{8,64}")


def _settings() -> Any:
    return current_app.settings  # type: ignore[attr-defined]


@bp.get("/clock")
@allowed("clock")
def server_clock() -> Any:
    return jsonify(server_now=clock.to_ms(clock.now()))


@bp.post("/candidate/attempts/<int:attempt_id>/probe")
@allowed("attempt.check_in")
def probe(attempt: Attempt) -> Any:
    """Takes the bytes by which the page measures its way up."""
    return ("", 204) if len(request.get_data()) <= PROBE_BYTES else ("", 413)


@bp.post("/candidate/attempts/<int:attempt_id>/system-check")
@allowed("attempt.check_in")
def system_check(attempt: Attempt) -> Any:
    said = json_body()
    camera = said.get("camera")
    if not isinstance(camera, dict) or not camera.get("ok"):
        raise errors.BadRequest(why="the camera must work first")

    def number(value: Any) -> float | None:
        return round(value, 1) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else None

    screen: dict[str, Any] = said["screen"] if isinstance(said.get("screen"), dict) else {}
    service.finish_step(
        g.session,
        attempt,
        Step.SYSTEM,
        g.now,
        browser=str(said.get("browser", ""))[:200],
        camera_label=str(camera.get("label", ""))[:100],
        camera_width=number(camera.get("width")),
        camera_height=number(camera.get("height")),
        clock_offset_ms=number(said.get("clock_offset_ms")),
        rtt_ms=number(said.get("rtt_ms")),
        upload_kbps=number(said.get("upload_kbps")),
        screen_width=number(screen.get("width")),
        screen_height=number(screen.get("height")),
    )
    return jsonify(next=queries.page_of(g.session, attempt))


@bp.post("/candidate/attempts/<int:attempt_id>/photo")
@allowed("attempt.check_in")
def photo(attempt: Attempt) -> Any:
    data = request.get_data()
    width, height = pictures.check_still(data)
    key = g.session.get_one(MediaKey, attempt.id)
    # A picture for each try: what a proctor looked at is never overwritten.
    name = f"attempts/{attempt.id}/photo-{int(g.now.timestamp() * 1000)}"
    current_app.vault.put(key.wrapped, name, data)  # type: ignore[attr-defined]
    service.finish_step(
        g.session, attempt, Step.PHOTO, g.now, object=name, width=width, height=height, sha256=hashlib.sha256(data).hexdigest()
    )
    return jsonify(next=queries.page_of(g.session, attempt))


@bp.get("/candidate/attempts/<int:attempt_id>/place")
@allowed("attempt.check_in")
def place(attempt: Attempt) -> Any:
    waiting = attempt.state == State.AWAITING
    return jsonify(
        state=attempt.state,
        position=queries.place_in_queue(g.session, attempt) if waiting else 0,
        next=None if waiting else queries.page_of(g.session, attempt),
        reason=next((reason for step in Step if (reason := queries.returned_reason(g.session, attempt.id, step))), ""),
        messages=[message_json(m) for m in service.messages_after(g.session, attempt.id, 0)],
    )


@bp.post("/candidate/attempts/<int:attempt_id>/ticket")
@allowed("attempt.ticket")
def ticket(attempt: Attempt) -> Any:
    if State(attempt.state) in rules.OVER or attempt.state == State.REFUSED:
        raise rules.NotNow(state=attempt.state)
    return jsonify(ticket=make_ticket(g.person.id, attempt_id=attempt.id))


def make_ticket(person_id: int, *, attempt_id: int | None = None, session_id: int | None = None) -> str:
    token = accounts.new_token()
    g.session.add(
        Ticket(
            token_hash=tokens.hashed(_settings().secret, token),
            person_id=person_id,
            attempt_id=attempt_id,
            session_id=session_id,
            expires_at=g.now + timedelta(seconds=60),
        )
    )
    return token


def _moved(attempt: Attempt) -> Any:
    return jsonify(status="moved", server_now=clock.to_ms(g.now)), 409


def _state(attempt: Attempt) -> dict[str, Any]:
    answers = current_app.answers  # type: ignore[attr-defined]
    g.session.flush()
    return {
        "status": rules.status(State(attempt.state)),
        "server_now": clock.to_ms(g.now),
        "deadline": clock.to_ms(attempt.clock.deadline_at(g.now)),
        "acked": 0,
        "gaps": [],
        **answers.told(g.session, attempt, 0),
    }


@csrf.exempt
@bp.post("/attempts/<int:attempt_id>/resume")
@allowed("attempt.resume_contact")
def resume(attempt: Attempt) -> Any:
    if g.epoch < attempt.epoch:
        return _moved(attempt)
    claimed = json_body().get("covered_at")
    try:
        covered_at = clock.from_ms(claimed) if isinstance(claimed, int | float) and not isinstance(claimed, bool) else None
    except (OverflowError, ValueError, OSError):
        raise errors.BadRequest(why="covered_at") from None
    service.lose_contact(g.session, attempt, g.now)
    service.time_is_up(g.session, attempt, g.now)
    attempt.contact.http_at = g.now
    service.regain_contact(g.session, attempt, covered_at, timedelta(seconds=_settings().state_seconds), g.now)
    return jsonify(_state(attempt))


@csrf.exempt
@bp.post("/attempts/<int:attempt_id>/submit")
@allowed("attempt.submit")
def submit(attempt: Attempt) -> Any:
    if g.epoch < attempt.epoch:
        return _moved(attempt)
    service.time_is_up(g.session, attempt, g.now)
    attempt.contact.http_at = g.now
    service.submit(g.session, attempt, g.now)
    return jsonify(status="submitted", receipt=f"/candidate/attempts/{attempt.id}/receipt")


@csrf.exempt
@bp.post("/attempts/<int:attempt_id>/messages")
@allowed("attempt.write")
def write(attempt: Attempt) -> Any:
    if g.epoch < attempt.epoch:
        return _moved(attempt)
    if State(attempt.state) in rules.OVER:
        raise rules.NotNow(state=attempt.state)
    attempt.contact.http_at = g.now
    message = service.write_message(g.session, attempt, "candidate", attempt.person_id, str(json_body().get("text", "")), g.now)
    return jsonify(number=message.number, at=clock.to_ms(message.at)), 201


@csrf.exempt
@bp.post("/attempts/<int:attempt_id>/comments")
@allowed("attempt.comment")
def comment(attempt: Attempt) -> Any:
    if g.epoch < attempt.epoch:
        return _moved(attempt)
    said = json_body()
    slot, key = said.get("slot"), said.get("key")
    if type(slot) is not int or not 0 < slot < 10_000 or not isinstance(key, str) or not KEY.fullmatch(key):
        raise errors.BadRequest(why="slot and key")
    service.time_is_up(g.session, attempt, g.now)
    attempt.contact.http_at = g.now
    comments.write(g.session, attempt, slot, str(said.get("text", "")), key, g.now)
    return jsonify(kept=True), 201
