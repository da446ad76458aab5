"""Both ends of the live protocol as objects without sockets: messages and time in, things to do out.

`live.py` connects them to WebSockets and to the database; what is durable is confirmed back to the link by its `…_stored` methods.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from testing_platform import errors
from testing_platform.clock import from_ms, to_ms
from testing_platform.delivery import pictures
from testing_platform.proctor import wire
from testing_platform.proctor.wire import Frame

PAGE_EVENTS = frozenset(
    {"focus_lost", "focus_back", "fullscreen_exit", "camera_lost", "camera_back", "copy", "paste", "visibility", "net_back"}
)
HELLO_WITHIN = timedelta(seconds=10)

PROTOCOL, REPLACED, FORBIDDEN, OVER_BOUNDS, COME_BACK, OVER = 4000, 4001, 4003, 4008, 4010, 4011


@dataclass(frozen=True)
class Say:
    """Send this as JSON."""

    message: dict[str, Any]


@dataclass(frozen=True)
class HangUp:
    code: int
    reason: str


@dataclass(frozen=True)
class Prove:
    """Check this ticket, then call `welcome` or hang up."""

    ticket: str
    device: str
    last_event: int


@dataclass(frozen=True)
class Show:
    """A live still for whoever is watching."""

    frame: Frame


@dataclass(frozen=True)
class Keep:
    """An evidence still; call `still_stored` or `still_refused`."""

    frame: Frame


@dataclass(frozen=True)
class Heard:
    """Contact; call `contact_stored` once it is durable. `waiting` answers are not yet acknowledged at the page."""

    at: float
    waiting: int


@dataclass(frozen=True)
class Noted:
    """Something the page noticed; call `event_stored`."""

    number: int
    kind: str
    page_at: datetime
    facts: dict[str, Any]


@dataclass(frozen=True)
class Applied:
    """A command reached the page."""

    command: int


Deed = Say | HangUp | Prove | Show | Keep | Heard | Noted | Applied


@dataclass(frozen=True)
class Policy:
    """How often and how large the camera's stills are."""

    fps: float = 1
    width: int = 320
    height: int = 240
    quality: float = 0.6
    evidence_seconds: int = 30
    heartbeat_seconds: int = 10

    def message(self) -> dict[str, Any]:
        return {
            "fps": self.fps,
            "width": self.width,
            "height": self.height,
            "quality": self.quality,
            "evidence_seconds": self.evidence_seconds,
            "heartbeat_seconds": self.heartbeat_seconds,
            "still_bytes": pictures.MOST_BYTES,
        }


CALM = {"fps": 1, "width": 320, "height": 240}
FOCUSED = {"fps": 5, "width": 640, "height": 480}


def _number(value: Any, most: float = 2**53) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
    return float(value) if good else None


def _word(value: Any, most: int) -> str:
    """What a page says of itself, without what can be written in JSON and stored nowhere: half a character, a zero."""
    return str(value)[:most].replace("\0", "").encode(errors="replace").decode()


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("t"), str) else None


@dataclass
class CandidateLink:
    """The server's side of one candidate's socket."""

    opened_at: datetime
    policy: Policy = field(default_factory=Policy)
    welcomed: bool = False
    epoch: int = 0
    noted: int = 0
    # Noted and not yet stored: nothing from the first of these on is acknowledged.
    pending: set[int] = field(default_factory=set)
    refused: int = 0

    def text(self, text: str, now: datetime) -> list[Deed]:
        said = _object(text)
        if said is None:
            return [HangUp(PROTOCOL, "not a message")]
        kind = said["t"]
        if not self.welcomed:
            if kind != "hello" or not isinstance(said.get("ticket"), str):
                return [HangUp(PROTOCOL, "hello first")]
            return [Prove(_word(said["ticket"], 200), _word(said.get("device", ""), 64), int(_number(said.get("event")) or 0))]
        match kind:
            case "hb":
                at, waiting = _number(said.get("at")), _number(said.get("waiting"), 1e6)
                return [HangUp(PROTOCOL, "hb")] if at is None else [Heard(at, int(waiting or 0))]
            case "event":
                return self._event(said)
            case "command_ack":
                command = _number(said.get("id"))
                return [] if command is None else [Applied(int(command))]
        return []  # a newer page may say more than this server knows

    def _event(self, said: dict[str, Any]) -> list[Deed]:
        number, at = _number(said.get("n"), 2**31 - 1), _number(said.get("at"))
        data = said.get("data") if isinstance(said.get("data"), dict) else {}
        if number is None or at is None:
            return [HangUp(PROTOCOL, "event")]
        if int(number) <= self.noted:
            return self._acknowledge()
        if not isinstance(said.get("kind"), str) or said["kind"] not in PAGE_EVENTS:
            # Acknowledged in its turn all the same: a page that could not get rid of it would send it for ever.
            self.noted = int(number)
            return self._acknowledge()
        try:
            page_at = from_ms(at)
        except (OverflowError, ValueError, OSError):
            return [HangUp(PROTOCOL, "event time")]
        facts = {
            key: value
            for key, value in (data or {}).items()
            if len(key) <= 40 and (isinstance(value, int | float | bool) or (isinstance(value, str) and len(value) <= 40))
        }
        self.noted = int(number)
        self.pending.add(self.noted)
        return [Noted(int(number), said["kind"], page_at, dict(list(facts.items())[:8]))]

    def binary(self, data: bytes, now: datetime) -> list[Deed]:
        if not self.welcomed:
            return [HangUp(PROTOCOL, "hello first")]
        try:
            frame = wire.unpack(data)
            pictures.check_still(frame.payload)
        except wire.BadFrame as problem:
            return self._refuse(None, str(problem))
        except errors.Refusal as refusal:
            return self._refuse(frame.seq, str(refusal.facts.get("why", refusal.code)))
        match frame.kind:
            case wire.LIVE_STILL:
                return [Show(frame), Say({"t": "frame_ack", "seq": frame.seq})]
            case wire.EVIDENCE_STILL:
                return [Keep(frame)]
        return self._refuse(frame.seq, "kind")

    def _refuse(self, seq: int | None, why: str) -> list[Deed]:
        """A few bad frames are a bad line; many are a broken or hostile page."""
        self.refused += 1
        if self.refused >= 20:
            return [HangUp(OVER_BOUNDS, why)]
        return [Say({"t": "nack", "seq": seq, "code": why})]

    def tick(self, now: datetime) -> list[Deed]:
        if not self.welcomed and now - self.opened_at >= HELLO_WITHIN:
            return [HangUp(PROTOCOL, "no hello")]
        return []

    def welcome(self, epoch: int, last_event: int, now: datetime) -> list[Deed]:
        self.welcomed, self.epoch = True, epoch
        self.noted = last_event
        return [
            Say(
                {"t": "welcome", "server_now": to_ms(now), "policy": self.policy.message(), "event": last_event, "stream": {"epoch": epoch}}
            )
        ]

    def contact_stored(self, at: float, stored_at: datetime) -> list[Deed]:
        return [Say({"t": "hb", "at": at, "server_now": to_ms(stored_at)})]

    def event_stored(self, number: int) -> list[Deed]:
        self.pending.discard(number)
        return self._acknowledge()

    def _acknowledge(self) -> list[Deed]:
        """Up to the last event before the first one that is not stored."""
        return [Say({"t": "event_ack", "up_to": min(self.pending) - 1 if self.pending else self.noted})]

    def still_stored(self, frame: Frame, sha256: str) -> list[Deed]:
        return [Say({"t": "chunk_ack", "stream": frame.stream, "epoch": frame.epoch, "seq": frame.seq, "sha256": sha256})]

    def command(self, number: int, action: str, data: dict[str, Any]) -> list[Deed]:
        return [Say({"t": "command", "id": number, "action": action, "data": data})] if self.welcomed else []


@dataclass(frozen=True)
class Watch:
    """The console wants these tiles (none: all of the session) and this focus."""

    tiles: frozenset[int] | None
    focus: int | None


CREDITS = 4


@dataclass
class ConsoleLink:
    """The server's side of one console's socket: newest frame wins, and at most `CREDITS` frames are on their way."""

    opened_at: datetime
    welcomed: bool = False
    credits: int = CREDITS
    tiles: dict[int, int] = field(default_factory=dict)  # attempt → tile number
    wanted: frozenset[int] | None = frozenset()
    focus: int | None = None
    # Newest frame of each tile not yet sent, in the order in which tiles became ready.
    ready: dict[int, Frame] = field(default_factory=dict)

    def text(self, text: str, now: datetime) -> list[Deed | Watch]:
        said = _object(text)
        if said is None:
            return [HangUp(PROTOCOL, "not a message")]
        if not self.welcomed:
            if said["t"] != "hello" or not isinstance(said.get("ticket"), str):
                return [HangUp(PROTOCOL, "hello first")]
            return [Prove(_word(said["ticket"], 200), "", 0)]
        match said["t"]:
            case "credit":
                number = _number(said.get("n"), CREDITS)
                self.credits = min(CREDITS, self.credits + int(number or 0))
            case "subscribe":
                return self._subscribe(said)
            case "hb":
                return [Say({"t": "hb", "server_now": to_ms(now)})]
        return []

    def _subscribe(self, said: dict[str, Any]) -> list[Deed | Watch]:
        tiles, focus = said.get("tiles"), said.get("focus")
        if tiles != "all" and not (isinstance(tiles, list) and all(isinstance(t, int) for t in tiles) and len(tiles) <= 500):
            return [HangUp(PROTOCOL, "subscribe")]
        self.wanted = None if tiles == "all" else frozenset(tiles)
        self.focus = focus if isinstance(focus, int) and not isinstance(focus, bool) else None
        self.ready = {attempt: frame for attempt, frame in self.ready.items() if self.wants(attempt)}
        return [Watch(self.wanted, self.focus)]

    def wants(self, attempt: int) -> bool:
        return self.wanted is None or attempt in self.wanted or attempt == self.focus

    def welcome(self, now: datetime) -> list[Deed]:
        self.welcomed = True
        return [Say({"t": "welcome", "server_now": to_ms(now), "credits": CREDITS})]

    def number(self, attempts: Iterable[int]) -> dict[int, int]:
        """A tile number for each of these attempts; one that has a number keeps it."""
        for attempt in attempts:
            if attempt not in self.tiles:
                self.tiles[attempt] = len(self.tiles) + 1
        return self.tiles

    def offer(self, attempt: int, frame: Frame) -> bool:
        """Take a frame if this console wants the tile; says whether something can be sent now."""
        if not self.welcomed or attempt not in self.tiles or not self.wants(attempt):
            return False
        # A tile that waits keeps its turn and gets the newer picture.
        self.ready[attempt] = frame
        return self.credits > 0

    def take(self) -> bytes | None:
        """The next frame to send, if there is one and a credit for it. The focused candidate goes first."""
        if self.credits <= 0 or not self.ready:
            return None
        attempt = self.focus if self.focus in self.ready else next(iter(self.ready))
        assert attempt is not None
        frame = self.ready.pop(attempt)
        self.credits -= 1
        return frame.pack(self.tiles[attempt])

    def tick(self, now: datetime) -> list[Deed]:
        if not self.welcomed and now - self.opened_at >= HELLO_WITHIN:
            return [HangUp(PROTOCOL, "no hello")]
        return []
