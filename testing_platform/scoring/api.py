"""For other systems: what a scheduler may take along, with a token in place of a sign-in. There is PASS in it, and never a score."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform import errors
from testing_platform.accounts.models import Person
from testing_platform.accounts.permissions import allowed, object_rule
from testing_platform.audit import service as audit
from testing_platform.clock import to_ms
from testing_platform.examinations.models import Administration
from testing_platform.scoring import exports, results
from testing_platform.scoring.api_models import ApiToken
from testing_platform.web.frame import recorded

bp = Blueprint("scheduling_api", __name__, url_prefix="/api/scheduling/v1")

# Long enough that nobody guesses one; the beginning says what it is to whoever finds one where it does not belong.
BEGINNING = "tps_"
# A system that asks each second would write each second.
USED_EACH = timedelta(minutes=1)


class FaultyName(errors.Refusal):
    """A token is known by the system that has it."""

    code = "faulty-token-name"


class BadApiToken(errors.Refusal):
    """None, of no shape, unknown or taken back: the four are not told apart."""

    code = "bad-api-token"


def tokens(session: Session) -> list[ApiToken]:
    return list(session.scalars(select(ApiToken).order_by(ApiToken.revoked_at.is_not(None), ApiToken.id.desc())))


def make_token(session: Session, secret: bytes, key: str, name: str, person: Person, now: datetime) -> str:
    """The token, which nobody can read again. Raises FaultyName.

    `key` is new with each page that asks for a name: the same page sent twice, because its answer was lost or it was
    loaded again, is answered with the same token, and makes no second one.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= 100:
        raise FaultyName(most=100)
    made_of = hmac.digest(secret, f"api token\0{person.id}\0{key}".encode(), "sha256")
    shown = BEGINNING + base64.urlsafe_b64encode(made_of).decode().rstrip("=")
    if session.scalars(select(ApiToken.id).where(ApiToken.digest == _digest(shown))).first() is not None:
        return shown
    made = ApiToken(name=name, digest=_digest(shown), made_by_id=person.id, made_at=now)
    session.add(made)
    session.flush()
    audit.record(session, "api_token.made", f"api_token:{made.id}", now, person.id)
    return shown


def revoke_token(session: Session, number: int, person: Person, now: datetime) -> None:
    """It opens nothing from now on; done twice, it changes nothing. Raises errors.NotFound."""
    found = session.get(ApiToken, number)
    if found is None:
        raise errors.NotFound
    if found.revoked_at is None:
        found.revoked_at, found.revoked_by_id = now, person.id
        audit.record(session, "api_token.revoked", f"api_token:{found.id}", now, person.id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def token_of(session: Session, header: str, now: datetime) -> ApiToken:
    """Whose request this is, by its Authorization header. Raises BadApiToken."""
    kind, _, shown = header.partition(" ")
    if kind.lower() != "bearer" or not shown.startswith(BEGINNING) or len(shown) > 100:
        raise BadApiToken
    found = session.scalars(select(ApiToken).where(ApiToken.digest == _digest(shown), ApiToken.revoked_at.is_(None))).first()
    if found is None:
        raise BadApiToken
    if found.used_at is None or now - found.used_at >= USED_EACH:
        found.used_at = now
    return found


@object_rule("api_token")
def api_token(session: Session, person: Person | None, **_: Any) -> ApiToken:
    return token_of(session, request.headers.get("Authorization", ""), g.now)


@object_rule("api_released_administration")
def api_released_administration(session: Session, person: Person | None, administration_id: int, **_: Any) -> Administration:
    """One whose results are released. Any other does not exist for a scheduler."""
    g.api_token = token_of(session, request.headers.get("Authorization", ""), g.now)
    found = session.get(Administration, administration_id)
    if found is None or results.decision_in_force(session, administration_id) is None:
        raise errors.NotFound
    return found


def about(session: Session, one: Administration) -> dict[str, Any]:
    """What is said of an administration with results, in a list and to whoever waits for it."""
    decision = results.released(session, one.id)
    return {
        "administration": one.id,
        "exam_no": exports.examination_number(one),
        "class_code": one.examination.bulletin.job_class.code,
        "title": one.examination.title,
        "decision_version": decision.number,
        "released_at": to_ms(decision.approved_at),
        "interview_candidates": f"/api/scheduling/v1/administrations/{one.id}/interview-candidates.json",
    }


@bp.get("/administrations")
@recorded
@allowed("api.list")
def listed(token: ApiToken) -> Any:
    return jsonify(administrations=[about(g.session, one) for one in results.released_administrations(g.session)])


@bp.get("/administrations/<int:administration_id>/interview-candidates.<any(json, csv):format>")
@recorded
@allowed("api.export")
def candidates(one: Administration, format: str) -> Any:
    return _file(one, "interview_candidates", format)


@bp.get("/administrations/<int:administration_id>/interview-schedule.<any(csv, ics):format>")
@recorded
@allowed("api.export")
def schedule(one: Administration, format: str) -> Any:
    return _file(one, "interview_schedule", format)


def _file(one: Administration, kind: str, format: str) -> Response:
    """On record as what the person took who made the token; the trail names the token beside it."""
    settings = current_app.settings  # type: ignore[attr-defined]
    content, job = exports.export(g.session, one, kind, format, settings, g.api_token.made_by_id, g.now)
    audit.record(g.session, "api_token.used", f"api_token:{g.api_token.id}", g.now, None, job=job.id)
    return Response(content, content_type=exports.TYPES[format])
