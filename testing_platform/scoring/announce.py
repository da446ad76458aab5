"""Says to another system that results are out: one signed POST for each decision, tried again until it is taken.

The body names the administration and where to fetch the list; no person is in it. `X-Testing-Platform-Signature: t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 with the
key in `webhook.key` over `SECONDS.BODY`.
"""

import hashlib
import hmac
import http.client
import json
import ssl
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from testing_platform.audit import service as audit
from testing_platform.db import Database
from testing_platform.scoring import api, results
from testing_platform.scoring.api_models import Announcement
from testing_platform.scoring.models import PassingScoreDecision
from testing_platform.settings import Settings

log = structlog.get_logger("announce")
PATIENCE = 5.0  # seconds for an answer: the worker has other work
# After each failure twice as long as before, and at most so long; given up after so many tries, which is about two days.
FIRST, LONGEST, MOST = timedelta(seconds=10), timedelta(hours=2), 35
# An installation that is given an address later does not say what happened before.
BACK = timedelta(days=7)


def due(session: Session, settings: Settings, now: datetime) -> bool:
    return bool(settings.webhook_url) and (_unsaid(session, now) is not None or _next(session, now) is not None)


def _unsaid(session: Session, now: datetime) -> PassingScoreDecision | None:
    said = select(Announcement.decision_id)
    return session.scalars(
        select(PassingScoreDecision)
        .where(
            PassingScoreDecision.outcome == "approved", PassingScoreDecision.approved_at > now - BACK, PassingScoreDecision.id.not_in(said)
        )
        .order_by(PassingScoreDecision.id)
        .limit(1)
    ).first()


def _next(session: Session, now: datetime) -> Announcement | None:
    return session.scalars(
        select(Announcement).where(Announcement.state == "due", Announcement.next_at <= now).order_by(Announcement.next_at).limit(1)
    ).first()


def go_on(db: Database, settings: Settings, now: datetime) -> None:
    """Take in a decision that nobody was told of, and try one that is due; between two transactions, so that nothing waits for the other system."""
    with db.write() as session:
        new = _unsaid(session, now)
        if new is not None:
            session.add(Announcement(decision_id=new.id, next_at=now))
            session.flush()
        one = _next(session, now)
        if one is None:
            return
        number, body = one.id, body_of(session, one)
    said = "superseded" if body is None else post(settings, body, now)
    with db.write() as session:
        one = session.get_one(Announcement, number)
        one.tries += 1
        one.said = said
        taken = said.isdigit() and said.startswith("2")
        if taken:
            one.state = "taken"
        elif body is None or one.tries >= MOST:
            one.state = "given_up"
        else:
            one.next_at = now + min(FIRST * 2 ** (one.tries - 1), LONGEST)
        if one.state == "taken":
            audit.record(session, "results.announced", f"decision:{one.decision_id}", now, None, tries=one.tries)
        elif one.state == "given_up":
            audit.record(session, "results.not_announced", f"decision:{one.decision_id}", now, None, said=said, tries=one.tries)
    log.info("announced" if taken else "not-announced", said=said, tries=one.tries)


def body_of(session: Session, one: Announcement) -> bytes | None:
    """None where another decision has taken its place meanwhile, which has an announcement of its own."""
    administration = one.decision.administration
    standing = results.decision_in_force(session, administration.id)
    if standing is None or standing.id != one.decision_id:
        return None
    return json.dumps({"event": "results.released", "id": one.id, **api.about(session, administration)}).encode()


def signature(key: bytes, at: int, body: bytes) -> str:
    return f"t={at},v1={hmac.new(key, str(at).encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def post(settings: Settings, body: bytes, now: datetime) -> str:
    """The status that came back, or the kind of trouble. Redirects are not followed: the settings name the one address that may hear it."""
    parts = urlsplit(settings.webhook_url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "testing-platform",
        "X-Testing-Platform-Signature": signature(settings.webhook_key, int(now.timestamp()), body),
    }
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=PATIENCE, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as problem:
        return type(problem).__name__
    finally:
        connection.close()
