"""Saving answers: one short write for each request, outside the pages' machinery.

State, epoch and deadline are checked in the inserting statement; what is cached here (the options of a form, which never change) may only refuse
early. The reply leaves after the commit is durable.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from testing_platform import clock, errors
from testing_platform.db import Database, Prepared, Rounds, Statement, Waited, stamp, take_turn, unstamp
from testing_platform.delivery import rules, service, tokens
from testing_platform.delivery.models import Attempt, Message, TimeEntry
from testing_platform.delivery.rules import State
from testing_platform.itembank.models import FormSlot, ItemVersion
from testing_platform.itembank.rules import Choices
from testing_platform.settings import Settings

DEVICE = re.compile(r"[A-Za-z0-9-]{8,64}\Z")
NEEDS_OPTION = {"answered", "struck", "unstruck"}
FORMS_READY = 5000


class EventIn(msgspec.Struct):
    seq: int
    slot: int
    state: str
    option: str | None = None
    elapsed_ms: int = 0


class Batch(msgspec.Struct):
    device: str
    epoch: int
    events: list[EventIn]


class Refused(msgspec.Struct):
    seq: int
    why: Literal["unknown-slot", "unknown-option", "unknown-state", "bad-number"]


@dataclass(frozen=True)
class Where:
    """What the contact statement tells of an attempt."""

    state: State
    epoch: int
    form_id: int
    deadline: datetime | None
    held_since: datetime | None
    started: bool
    heard_at: datetime | None
    patience: timedelta | None  # none where contact is not watched

    def lost(self, now: datetime) -> bool:
        return self.patience is not None and self.heard_at is not None and now - self.heard_at >= self.patience


class UnknownAttempt(errors.NotFound):
    pass


_LOOKED_AT = (
    "SELECT a.state, a.epoch, a.form_id, a.deadline, a.held_since, a.started_at, a.mode, a.contact_patience, c.http_at, c.live_at"
    " FROM attempts a JOIN contacts c ON c.attempt_id = a.id WHERE a.id = :attempt"
)
# Where other transactions run beside this one, an answer and a move of its attempt come one after the other: an answer that is acknowledged before the test
# is handed in is in the digest, and one that comes after it is late.
_LOOK = Statement(_LOOKED_AT, postgresql=_LOOKED_AT + " FOR SHARE OF a")

# Whoever is writing that row now writes down a contact too, so nothing waits for it.
_TOUCH = Statement(
    "UPDATE contacts SET http_at = :now WHERE attempt_id = :attempt",
    postgresql="UPDATE contacts SET http_at = :now"
    " WHERE attempt_id = (SELECT attempt_id FROM contacts WHERE attempt_id = :attempt FOR NO KEY UPDATE SKIP LOCKED)",
)

_INSERT = Statement(
    "INSERT INTO responses (attempt_id, device, seq, epoch, slot, option, state, elapsed_ms, received_at, standing)"
    " SELECT a.id, :device, :seq, :epoch, :slot, :option, :state, :elapsed_ms, :now,"
    " CASE WHEN :epoch < a.epoch THEN 'aside'"
    " WHEN a.held_since IS NOT NULL THEN 'held'"
    " WHEN a.state != 'in_progress' OR a.answers_until < :now THEN 'late'"
    " ELSE 'counted' END"
    " FROM attempts a WHERE a.id = :attempt AND a.started_at IS NOT NULL AND :epoch <= a.epoch"
    " ON CONFLICT (attempt_id, device, seq) DO NOTHING"
)

# The ordinary saves of a round, in one statement and one commit on PostgreSQL: attempts in progress, heard of lately, answered from their newest device
# before their deadline. For every other there is no row and nothing changes, nor for one that is moved at this moment: nobody waits for another's move.
# What another request with the same events is storing at the same moment is not counted in: where that shows, the count is asked again.
_SAVE = Prepared(
    """
    WITH seen AS (
        SELECT asked.*, a.state, a.epoch AS newest, a.deadline,
            a.mode = 'remote' AND asked.now - GREATEST(c.http_at, c.live_at) >= a.contact_patience * INTERVAL '1 millisecond' AS lost
        FROM unnest(:attempt, :device, :epoch, :now) WITH ORDINALITY AS asked (attempt, device, epoch, now, number)
        JOIN attempts a ON a.id = asked.attempt JOIN contacts c ON c.attempt_id = a.id FOR SHARE OF a SKIP LOCKED
    ), calm AS (
        SELECT number, attempt, device, epoch, now, deadline FROM seen
        WHERE state = 'in_progress' AND epoch = newest AND now < deadline AND lost IS NOT TRUE
    ), kept AS (
        INSERT INTO responses (attempt_id, device, seq, epoch, slot, option, state, elapsed_ms, received_at, standing)
        SELECT calm.attempt, calm.device, e.seq, calm.epoch, e.slot, e.option, e.state, e.elapsed_ms, calm.now, 'counted'
        FROM unnest(:number, :seq, :slot, :option, :state, :elapsed_ms) AS e (number, seq, slot, option, state, elapsed_ms) JOIN calm USING (number)
        ORDER BY calm.attempt, calm.device, e.seq
        ON CONFLICT (attempt_id, device, seq) DO NOTHING RETURNING attempt_id, device, seq
    ), touched AS (
        UPDATE contacts SET http_at = free.now FROM
            (SELECT c.attempt_id, calm.now FROM calm JOIN contacts c ON c.attempt_id = calm.attempt FOR NO KEY UPDATE OF c SKIP LOCKED) AS free
        WHERE contacts.attempt_id = free.attempt_id
    )
    SELECT calm.number, (EXTRACT(EPOCH FROM calm.deadline) * 1000)::bigint,
        before.count + fresh.count, COALESCE(GREATEST(before.greatest, fresh.greatest), 0)
    FROM calm
        CROSS JOIN LATERAL (
            SELECT COUNT(*) AS count, MAX(seq) AS greatest FROM responses r WHERE r.attempt_id = calm.attempt AND r.device = calm.device
        ) AS before
        CROSS JOIN LATERAL (
            SELECT COUNT(*) AS count, MAX(seq) AS greatest FROM kept WHERE kept.attempt_id = calm.attempt AND kept.device = calm.device
        ) AS fresh
    """,
    {
        "attempt": "int[]",
        "device": "text[]",
        "epoch": "int[]",
        "now": "timestamptz[]",
        "number": "int[]",
        "seq": "int[]",
        "slot": "int[]",
        "option": "text[]",
        "state": "text[]",
        "elapsed_ms": "int[]",
    },
)

_COUNT = Statement("SELECT COUNT(*), MAX(seq) FROM responses WHERE attempt_id = :attempt AND device = :device")
_SEQS = Statement("SELECT seq FROM responses WHERE attempt_id = :attempt AND device = :device ORDER BY seq")
_LATE = Statement("SELECT seq FROM responses WHERE attempt_id = :attempt AND device = :device AND standing = 'late' ORDER BY seq")


def acknowledged(connection: Connection, attempt_id: int, device: str) -> tuple[int, list[list[int]]]:
    """(n, gaps): every event 1…n is stored, and these ranges are missing below the greatest one."""
    count, greatest = _COUNT.run(connection, {"attempt": attempt_id, "device": device}).fetchone()
    if not count or count == greatest:
        return greatest or 0, []
    gaps: list[list[int]] = []
    expected = 1
    for (seq,) in _SEQS.run(connection, {"attempt": attempt_id, "device": device}):
        if seq > expected:
            gaps.append([expected, seq - 1])
        expected = seq + 1
    return gaps[0][0] - 1, gaps


class Answers:
    """The answer path over one database."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        self._options: dict[int, dict[int, Choices]] = {}  # form → slot
        self._choices: dict[int, Choices] = {}  # item version, which never changes
        self._forms: dict[int, int] = {}  # attempt → form, which never changes
        self._rounds = Rounds(self._save_all)

    def options_of(self, connection: Connection, form_id: int) -> dict[int, Choices]:
        found = self._options.get(form_id)
        if found is None:
            versions = dict(connection.execute(select(FormSlot.slot, FormSlot.item_version_id).where(FormSlot.form_id == form_id)).all())
            unknown = set(versions.values()) - self._choices.keys()
            if unknown:
                content = select(ItemVersion.id, ItemVersion.kind, ItemVersion.options, ItemVersion.max_choices)
                for version_id, kind, options, most in connection.execute(content.where(ItemVersion.id.in_(unknown))):
                    self._choices[version_id] = Choices.of(kind, (option["key"] for option in options), most)
            # Where each candidate has a form of their own there are many.
            if len(self._options) >= FORMS_READY:
                self._options.clear()
            found = self._options[form_id] = {slot: self._choices[version_id] for slot, version_id in versions.items()}
        return found

    def contact(self, connection: Connection, attempt_id: int, now: datetime) -> Where:
        """Hear from the page: hold first what was lost meanwhile, close what is due, then note the contact. Raises UnknownAttempt."""
        where = self._look(connection, attempt_id)
        if where.state == State.IN_PROGRESS:
            # Only then is the whole attempt read.
            if where.lost(now) or (where.deadline and now >= where.deadline):
                take_turn(connection)
                with Session(connection) as session:
                    attempt = session.get_one(Attempt, attempt_id)
                    if service.lose_contact(session, attempt, now) or service.time_is_up(session, attempt, now):
                        session.flush()
                where = self._look(connection, attempt_id)
        _TOUCH.run(connection, {"attempt": attempt_id, "now": stamp(connection, now)})
        return where

    def _look(self, connection: Connection, attempt_id: int) -> Where:
        row = _LOOK.run(connection, {"attempt": attempt_id}).fetchone()
        if row is None:
            raise UnknownAttempt
        state, epoch, form_id, deadline, held_since, started_at, mode, patience, http_at, live_at = row
        return Where(
            State(state),
            epoch,
            form_id,
            unstamp(deadline),
            unstamp(held_since),
            started_at is not None,
            max((at for at in (unstamp(http_at), unstamp(live_at)) if at), default=None),
            timedelta(milliseconds=patience) if mode == "remote" else None,
        )

    def save(self, attempt_id: int, batch: Batch, now: datetime) -> tuple[int, dict[str, Any]]:
        """Store a batch durably; the HTTP status and the reply."""
        if not self.db.sqlite:
            reply = self._save_at_once(attempt_id, batch, now)
            if reply is not None:
                return 200, reply
        return self.db.group(lambda connection: self.receive(connection, attempt_id, batch, now))

    def _save_at_once(self, attempt_id: int, batch: Batch, now: datetime) -> dict[str, Any] | None:
        """The reply of the ordinary case; none where there is more to do or to tell."""
        options = self._options.get(self._forms.get(attempt_id, 0))
        if options is None or any(_fault(event, options) for event in batch.events):
            return None
        row = self._rounds.ask((attempt_id, batch, now))
        if row is None:
            return None
        _, deadline, acked, greatest = row
        if acked != greatest or any(event.seq > acked for event in batch.events):
            return None
        return {
            "acked": acked,
            "gaps": [],
            "late": [],
            "server_now": clock.to_ms(now),
            "deadline": deadline,
            "status": rules.status(State.IN_PROGRESS),
        }

    def _save_all(self, asked: list[tuple[int, Batch, datetime]]) -> list[tuple[int, ...] | None]:
        events = [(number, event) for number, (_, batch, _) in enumerate(asked, 1) for event in batch.events]
        try:
            rows = self.db.at_once(
                _SAVE,
                {
                    "attempt": [attempt for attempt, _, _ in asked],
                    "device": [batch.device for _, batch, _ in asked],
                    "epoch": [batch.epoch for _, batch, _ in asked],
                    "now": [now for _, _, now in asked],
                    "number": [number for number, _ in events],
                    "seq": [event.seq for _, event in events],
                    "slot": [event.slot for _, event in events],
                    "option": [_option(event) for _, event in events],
                    "state": [event.state for _, event in events],
                    "elapsed_ms": [_elapsed(event) for _, event in events],
                },
            )
        except Waited:  # one of them waits for somebody: each by itself, so that the others need not
            return [None] * len(asked)
        found = {row[0]: row for row in rows}
        return [found.get(number) for number in range(1, len(asked) + 1)]

    def receive(self, connection: Connection, attempt_id: int, batch: Batch, now: datetime) -> tuple[int, dict[str, Any]]:
        """Store a batch; the HTTP status and the reply."""
        where = self.contact(connection, attempt_id, now)
        if not where.started:
            raise rules.NotNow(state=where.state)
        self._forms[attempt_id] = where.form_id
        options = self.options_of(connection, where.form_id)
        good, refused = [], []
        received = stamp(connection, now)
        for event in batch.events:
            why = _fault(event, options)
            if why is None:
                good.append(
                    {
                        "attempt": attempt_id,
                        "device": batch.device,
                        "seq": event.seq,
                        "epoch": batch.epoch,
                        "slot": event.slot,
                        "option": _option(event),
                        "state": event.state,
                        "elapsed_ms": _elapsed(event),
                        "now": received,
                    }
                )
            else:
                refused.append(Refused(event.seq, why))
        # In one order, so that two requests with the same events never wait for each other.
        for values in sorted(good, key=itemgetter("seq")):
            _INSERT.run(connection, values)
        reply = self._reply(connection, attempt_id, batch.device, where, now)
        sent = {event.seq for event in batch.events}
        late = (
            ()
            if where.held_since or (where.deadline and now <= where.deadline and where.state == State.IN_PROGRESS)
            else (_LATE.run(connection, {"attempt": attempt_id, "device": batch.device}))
        )
        reply["late"] = [seq for (seq,) in late if seq in sent]
        if batch.epoch < where.epoch:
            return 409, {"status": "moved", "server_now": reply["server_now"]}
        if refused:
            return 422, {"code": refused[0].why, "refused": refused, **reply}
        return 200, reply

    def state(self, connection: Connection, attempt_id: int, epoch: int, device: str, messages: int, now: datetime) -> dict[str, Any]:
        where = self.contact(connection, attempt_id, now)
        reply = self._reply(connection, attempt_id, device, where, now)
        if epoch < where.epoch:
            reply["status"] = "moved"
        with Session(connection) as session:
            return reply | self.told(session, session.get_one(Attempt, attempt_id), messages)

    def told(self, session: Session, attempt: Attempt, messages: int) -> dict[str, Any]:
        """What the page shows beside the questions: why it stands still, messages, time given."""
        entry = service.running_hold(session, attempt)
        granted = session.scalars(
            select(TimeEntry).where(TimeEntry.attempt_id == attempt.id, TimeEntry.kind == "grant").order_by(TimeEntry.id)
        )
        return {
            "state": attempt.state,
            "version": attempt.version,
            "pause": None
            if entry is None
            else {
                "kind": entry.cause,
                "since": clock.to_ms(entry.began_at),
                "reason": entry.reason,
            },
            "messages": [message_json(m) for m in service.messages_after(session, attempt.id, messages)],
            "time_given": [
                {"minutes": round(entry.amount.total_seconds() / 60), "at": clock.to_ms(entry.began_at)}
                for entry in granted
                if entry.amount is not None
            ],
        }

    def _reply(self, connection: Connection, attempt_id: int, device: str, where: Where, now: datetime) -> dict[str, Any]:
        acked, gaps = acknowledged(connection, attempt_id, device)
        deadline = where.deadline
        if deadline and where.held_since:
            deadline += max(timedelta(), now - where.held_since)
        return {
            "acked": acked,
            "gaps": gaps,
            "late": [],
            "server_now": clock.to_ms(now),
            "deadline": clock.to_ms(deadline),
            "status": rules.status(where.state),
        }


def message_json(message: Message) -> dict[str, Any]:
    return {"number": message.number, "from": message.sender, "text": message.text, "at": clock.to_ms(message.at)}


def _option(event: EventIn) -> str | None:
    return event.option if event.state in NEEDS_OPTION else None


def _elapsed(event: EventIn) -> int:
    return min(max(event.elapsed_ms, 0), 2**31 - 1)


def _fault(event: EventIn, options: dict[int, Choices]) -> Any:
    if not (0 < event.seq < 2**31):
        return "bad-number"
    known = options.get(event.slot)
    if known is None:
        return "unknown-slot"
    if event.state == "answered":
        return None if known.allow(event.option) else "unknown-option"
    if event.state in NEEDS_OPTION:
        return None if event.option in known.keys else "unknown-option"
    return None if event.state in ("cleared", "flagged", "unflagged") else "unknown-state"


ROUTE = re.compile(r"/api/attempts/(\d{1,18})/(responses|state)\Z")
MOST_BYTES = 64 * 1024
StartResponse = Callable[..., Any]


class AnswerApp:
    """The two busiest addresses as plain WSGI in front of the pages' application."""

    def __init__(self, pages: Callable[..., Any], answers: Answers, log: Any) -> None:
        self.pages = pages
        self.answers = answers
        self.log = log
        self.encoder = msgspec.json.Encoder()
        self.decoder = msgspec.json.Decoder(Batch)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Any:
        found = ROUTE.match(environ.get("PATH_INFO", ""))
        if found is None:
            return self.pages(environ, start_response)
        now = clock.now()
        method = environ["REQUEST_METHOD"]
        try:
            attempt_id, what = int(found[1]), found[2]
            token = tokens.read(self.answers.settings.secret, environ.get("HTTP_AUTHORIZATION", ""), attempt_id, now)
            if what == "responses" and method == "POST":
                status, reply = self._responses(environ, token, now)
            elif what == "state" and method == "GET":
                status, reply = self._state(environ, token, now)
            else:
                status, reply = 405, {"code": "method"}
        except tokens.BadToken:
            status, reply = 401, {"code": "bad-token"}
        except errors.BadRequest as refusal:
            status, reply = 400, {"code": refusal.code, **refusal.facts}
        except rules.NotNow as refusal:
            status, reply = 409, {"code": refusal.code, "state": refusal.facts.get("state")}
        except errors.NotFound:
            status, reply = 404, {"code": "not-found"}
        except errors.Unavailable:
            status, reply = 503, {"code": "unavailable"}
        except Exception as problem:
            self.log.error("answers.failed", kind=type(problem).__name__, exc_info=True)
            status, reply = 503, {"code": "unavailable"}
        if status >= 400:
            self.log.info("answers.refused", status=status, attempt=found[1], code=reply.get("code", reply.get("status")))
        return _send(start_response, status, self.encoder.encode(reply))

    def _body(self, environ: dict[str, Any]) -> bytes:
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = -1
        if not 0 < length <= MOST_BYTES:
            raise errors.BadRequest(why="length", most_bytes=MOST_BYTES)
        body: bytes = environ["wsgi.input"].read(length)
        if len(body) != length:
            raise errors.BadRequest(why="cut-off")
        return body

    def _responses(self, environ: dict[str, Any], token: tokens.Token, now: datetime) -> tuple[int, dict[str, Any]]:
        try:
            batch = self.decoder.decode(self._body(environ))
        except (msgspec.DecodeError, RecursionError) as problem:
            raise errors.BadRequest(why="shape") from problem
        if len(batch.events) > 100 or not DEVICE.match(batch.device):
            raise errors.BadRequest(why="too-many-events" if len(batch.events) > 100 else "device")
        if batch.epoch != token.epoch:
            raise tokens.BadToken
        return self.answers.save(token.attempt_id, batch, now)

    def _state(self, environ: dict[str, Any], token: tokens.Token, now: datetime) -> tuple[int, dict[str, Any]]:
        asked = dict(part.partition("=")[::2] for part in environ.get("QUERY_STRING", "").split("&"))
        device, number = asked.get("device", ""), asked.get("messages", "0")
        if not DEVICE.match(device) or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise errors.BadRequest(why="query")
        return 200, self.answers.db.group(
            lambda connection: self.answers.state(connection, token.attempt_id, token.epoch, device, int(number), now)
        )


REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    422: "Unprocessable Content",
    503: "Service Unavailable",
}


def _send(start_response: StartResponse, status: int, body: bytes) -> list[bytes]:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if status == 503:
        headers.append(("Retry-After", "2"))
    start_response(f"{status} {REASONS[status]}", headers)
    return [body]
