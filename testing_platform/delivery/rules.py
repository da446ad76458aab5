"""The states of an attempt and its moves, its clock, and what a list of responses amounts to."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from testing_platform import errors


class State(StrEnum):
    CHECKING_IN = "checking_in"
    IN_PERSON_OFFERED = "in_person_offered"
    AWAITING = "awaiting"
    REFUSED = "refused"
    ADMITTED = "admitted"
    IN_PROGRESS = "in_progress"
    PAUSED_PROCTOR = "paused_proctor"
    PAUSED_BREAK = "paused_break"
    PAUSED_TECHNICAL = "paused_technical"
    PAUSED_LOCKDOWN = "paused_lockdown"
    AWAITING_RESUME = "awaiting_resume"
    SUBMITTED = "submitted"
    TERMINATED = "terminated"
    ABANDONED = "abandoned"
    VOIDED_RETEST = "voided_retest"
    SEALED = "sealed"


class Who(StrEnum):
    CANDIDATE = "candidate"
    PROCTOR = "proctor"
    LEAD = "lead_proctor"
    ANALYST = "analyst"
    CLOCK = "clock"  # the system's own


S = State
BEFORE = frozenset({S.CHECKING_IN, S.IN_PERSON_OFFERED, S.AWAITING, S.ADMITTED})
PAUSED = frozenset({S.PAUSED_PROCTOR, S.PAUSED_BREAK, S.PAUSED_TECHNICAL, S.PAUSED_LOCKDOWN, S.AWAITING_RESUME})
UNDER_WAY = PAUSED | {S.IN_PROGRESS}
OVER = frozenset({S.SUBMITTED, S.TERMINATED, S.ABANDONED, S.VOIDED_RETEST, S.SEALED})


class Event(StrEnum):
    STEPS_DONE = "steps_done"
    OFFER_IN_PERSON = "offer_in_person"
    RETURN_TO_STEP = "return_to_step"
    ADMIT = "admit"
    REFUSE = "refuse"
    DEVICE_CHANGED = "device_changed"
    BEGIN = "begin"
    PAUSE = "pause"
    TAKE_BREAK = "take_break"
    LOSE_CONTACT = "lose_contact"
    REGAIN_CONTACT = "regain_contact"
    LONG_GAP = "long_gap"
    LEAVE_LOCKDOWN = "leave_lockdown"
    RESUME = "resume"
    SUBMIT = "submit"
    TIME_IS_UP = "time_is_up"
    END = "end"
    REACTIVATE = "reactivate"
    ABANDON = "abandon"
    VOID = "void"
    SEAL = "seal"


@dataclass(frozen=True)
class Move:
    """One row of the table of moves; `guard` says in words what the service checks before it makes the move."""

    number: str
    sources: frozenset[State]
    event: Event
    who: frozenset[Who]
    target: State
    guard: str = ""


def _move(number: str, sources: Iterable[State], event: Event, who: Iterable[Who], target: State, guard: str = "") -> Move:
    return Move(number, frozenset(sources), event, frozenset(who), target, guard)


_C, _P, _L, _X, _S = Who.CANDIDATE, Who.PROCTOR, Who.LEAD, Who.ANALYST, Who.CLOCK

MOVES: tuple[Move, ...] = (
    _move("T5", [S.CHECKING_IN], Event.OFFER_IN_PERSON, [_C, _S], S.IN_PERSON_OFFERED, "a step was declined or cannot work"),
    _move("T6", [S.CHECKING_IN], Event.STEPS_DONE, [_S], S.AWAITING, "all required steps done"),
    _move("T7", [S.AWAITING], Event.RETURN_TO_STEP, [_P, _L], S.CHECKING_IN, "a step and a reason"),
    _move("T8", [S.AWAITING], Event.ADMIT, [_P, _L, _S], S.ADMITTED, "identity looked at"),
    _move("T9", [S.AWAITING, S.CHECKING_IN], Event.REFUSE, [_L], S.REFUSED, "proposed by another person"),
    _move("T10", [S.ADMITTED], Event.BEGIN, [_C], S.IN_PROGRESS, "inside the session's window, on the admitted device"),
    _move("T11", [S.ADMITTED], Event.DEVICE_CHANGED, [_S, _C], S.AWAITING),
    _move("T12", [S.IN_PROGRESS], Event.PAUSE, [_P, _L], S.PAUSED_PROCTOR, "a reason"),
    _move("T13", [S.IN_PROGRESS], Event.TAKE_BREAK, [_C], S.PAUSED_BREAK, "break allowance left"),
    _move("T14", [S.IN_PROGRESS], Event.LOSE_CONTACT, [_S], S.PAUSED_TECHNICAL, "remote, no contact for the patience"),
    _move("T15", [S.PAUSED_TECHNICAL], Event.REGAIN_CONTACT, [_S], S.IN_PROGRESS, "same device, short gap, cap not used up"),
    _move("T16", [S.PAUSED_TECHNICAL], Event.LONG_GAP, [_S], S.AWAITING_RESUME, "long gap or cap used up"),
    _move("T16d", [S.IN_PROGRESS, *PAUSED - {S.PAUSED_LOCKDOWN}], Event.DEVICE_CHANGED, [_C, _S], S.AWAITING_RESUME),
    _move("T17", [S.IN_PROGRESS], Event.LEAVE_LOCKDOWN, [_S], S.PAUSED_LOCKDOWN, "the session enforces it"),
    _move("T18", [S.PAUSED_PROCTOR, S.PAUSED_LOCKDOWN, S.AWAITING_RESUME], Event.RESUME, [_P, _L], S.IN_PROGRESS),
    _move("T18b", [S.PAUSED_BREAK], Event.RESUME, [_C, _P, _L], S.IN_PROGRESS),
    _move("T20", [S.IN_PROGRESS], Event.SUBMIT, [_C], S.SUBMITTED, "what this device journalled is stored"),
    _move("T21", [S.IN_PROGRESS], Event.TIME_IS_UP, [_S], S.SUBMITTED, "deadline and grace passed"),
    _move("T22", UNDER_WAY, Event.END, [_L], S.TERMINATED, "proposed by another person"),
    _move("T23", [S.TERMINATED], Event.REACTIVATE, [_L, _X], S.AWAITING_RESUME, "two people, same day"),
    _move("T24", [*PAUSED], Event.ABANDON, [_S], S.ABANDONED, "an hour without contact"),
    _move("T25", [S.ABANDONED, S.TERMINATED], Event.VOID, [_X], S.VOIDED_RETEST),
    _move("T26", [S.SUBMITTED, S.TERMINATED, S.ABANDONED], Event.SEAL, [_S], S.SEALED, "the tail is stored or a day passed"),
)


class NotNow(errors.Refusal):
    """The attempt's state does not allow this."""

    code = "not-now"


class NotReady(errors.Refusal):
    """The session's hours have not come, or are over."""

    code = "not-ready"


def after(state: State, event: Event, who: Who) -> State:
    """The state that `event` leads to. Raises NotNow when the table has no such move for this person."""
    for move in MOVES:
        if event is move.event and state in move.sources and who in move.who:
            return move.target
    raise NotNow(state=state, event=event, who=who)


class Status(StrEnum):
    """What the candidate's page needs to know of a state."""

    BEFORE = "before"
    RUNNING = "running"
    PAUSED = "paused"
    COVERED = "covered"
    WAITING = "waiting"
    SUBMITTED = "submitted"
    ENDED = "ended"


def status(state: State) -> Status:
    match state:
        case S.IN_PROGRESS:
            return Status.RUNNING
        case S.PAUSED_TECHNICAL:
            return Status.COVERED
        case S.AWAITING_RESUME:
            return Status.WAITING
        case S.SUBMITTED | S.SEALED:
            return Status.SUBMITTED
        case S.TERMINATED | S.ABANDONED | S.VOIDED_RETEST | S.REFUSED:
            return Status.ENDED
    return Status.PAUSED if state in PAUSED else Status.BEFORE


@dataclass(frozen=True)
class Clock:
    """The server's clock of one attempt. `given` is the sum of grants and of finished holds."""

    time_limit: timedelta
    multiplier: Decimal = Decimal(1)
    started_at: datetime | None = None
    given: timedelta = timedelta()
    held_since: datetime | None = None

    @property
    def time_allowed(self) -> timedelta:
        # Exact: a float would lose part of a millisecond on odd factors.
        milliseconds = Decimal(self.time_limit // timedelta(milliseconds=1)) * self.multiplier
        return timedelta(milliseconds=int(milliseconds))

    @property
    def deadline(self) -> datetime | None:
        """`started_at + time limit × multiplier + grants + holds`, as it stands if no hold were running."""
        return None if self.started_at is None else self.started_at + self.time_allowed + self.given

    def deadline_at(self, now: datetime) -> datetime | None:
        """What the deadline would be if the clock went on at `now`."""
        deadline = self.deadline
        if deadline is None or self.held_since is None:
            return deadline
        return deadline + max(timedelta(), now - self.held_since)

    def left(self, now: datetime) -> timedelta:
        deadline = self.deadline_at(now)
        return self.time_allowed if deadline is None else max(timedelta(), deadline - now)


def contact_lost_at(last_contact: datetime, patience: timedelta, now: datetime) -> datetime | None:
    """The instant from which the page has covered the questions, or none while contact is good enough."""
    covered = last_contact + patience
    return covered if now >= covered else None


def covered_from(held_since: datetime, claimed: datetime | None, slack: timedelta, now: datetime) -> datetime:
    """Where the span that is given back begins.

    The page knows when it covered the questions; the server knows when it could have. A reply lost on its way makes the page cover earlier, by at
    most `slack` (the interval of its calls); a computer that slept covered later, and the time before was nobody's loss.
    """
    if claimed is None:
        return held_since
    return min(max(claimed, held_since - slack), now)


@dataclass(frozen=True)
class Said:
    """One stored response event, as the rules see it. `order` is the server's order of arrival."""

    device: str
    seq: int
    epoch: int
    slot: int
    state: str
    option: str | None
    order: int
    counts: bool = True


@dataclass
class Answer:
    option: str | None = None
    flagged: bool = False
    struck: set[str] = field(default_factory=set)


def sheet(said: Iterable[Said]) -> dict[int, Answer]:
    """What each slot's events amount to: the one with the greatest (epoch, seq) decides.

    Two journals of one epoch (a browser that lost its storage) follow in the order in which they were first heard of, since each counts from 1.
    """
    events = [event for event in said if event.counts]
    first: dict[str, int] = {}
    for event in events:
        first[event.device] = min(event.order, first.get(event.device, event.order))
    answers: dict[int, Answer] = {}
    for event in sorted(events, key=lambda e: (e.epoch, first[e.device], e.seq)):
        answer = answers.setdefault(event.slot, Answer())
        match event.state:
            case "answered":
                answer.option = event.option
            case "cleared":
                answer.option = None
            case "flagged":
                answer.flagged = True
            case "unflagged":
                answer.flagged = False
            case "struck" if event.option:
                answer.struck.add(event.option)
            case "unstruck" if event.option:
                answer.struck.discard(event.option)
    return answers


def answers_digest(attempt_id: int, options: Mapping[int, str]) -> str:
    """SHA-256 over the attempt and its final answers by slot; anyone with the stored responses can take it again."""
    text = f"{attempt_id}\n" + "".join(f"{slot}:{options[slot]}\n" for slot in sorted(options))
    return hashlib.sha256(text.encode()).hexdigest()


def receipt_code(digest: str) -> str:
    """The short form that stands on the receipt: twelve hex digits in threes of four."""
    head = digest[:12].upper()
    return f"{head[:4]}-{head[4:8]}-{head[8:]}"


class Step(StrEnum):
    CONSENT = "consent"
    SYSTEM = "system"
    PHOTO = "photo"


REMOTE_STEPS = (Step.CONSENT, Step.SYSTEM, Step.PHOTO)
# At a City facility the room's proctor looks at the person and a document; a choice is asked only where the bulletin has one for the room.
STEPS: Mapping[str, tuple[Step, ...]] = {"remote": REMOTE_STEPS, "facility": (Step.CONSENT,)}


def next_step(done: Iterable[str], mode: str = "remote") -> Step | None:
    """The first check-in step that is not done; consent comes first, always."""
    finished = set(done)
    return next((step for step in STEPS[mode] if step not in finished), None)


class OverTheLimit(errors.Refusal):
    """More time than this person may give."""

    code = "over-the-limit"


def check_grant(minutes: int, given_before: timedelta, limit: timedelta) -> timedelta:
    """Raises OverTheLimit; a grant is never negative and never nothing."""
    # Compared as minutes first: a number may be larger than any span of time.
    if minutes < 1 or minutes > limit / timedelta(minutes=1) or given_before + timedelta(minutes=minutes) > limit:
        raise OverTheLimit(limit_minutes=int(limit.total_seconds() // 60), given_minutes=int(given_before.total_seconds() // 60))
    return timedelta(minutes=minutes)


class NotOnTheList(errors.Refusal):
    """A choice that the list does not have, or another document without its name."""

    code = "not-on-the-list"


class NoSuchSeat(errors.Refusal):
    code = "no-such-seat"


class SeatTaken(errors.Refusal):
    """Somebody else sits there."""

    code = "seat-taken"


class NotSeated(errors.Refusal):
    """The room's proctor has not yet looked at this candidate's document and given a seat."""

    code = "not-seated"


class WrongStartCode(errors.Refusal):
    """No code of a proctor who is signed in now."""

    code = "wrong-start-code"


class NotOnRoster(errors.Refusal):
    """The code is right; nobody with this number is booked in its session."""

    code = "not-on-roster"


class AtTheFacility(errors.Refusal):
    """This test is taken at a workstation of the City, with the code on the room's board."""

    code = "at-the-facility"


class NoProctorHere(errors.Refusal):
    """No proctor of the room is signed in with a code that was shown."""

    code = "no-proctor-here"


class RoomPaused(errors.Refusal):
    """The whole room stands still; nobody begins."""

    code = "room-paused"


class WrongTakeOverCode(errors.Refusal):
    """Unknown, used, too old, or another candidate's: the four are not told apart."""

    code = "wrong-take-over-code"


# The room of a City facility: what identity was seen by, and why somebody who was expected did not test. The page has the words.
IDENTITY = ("city_badge", "driver_licence", "passport", "other")
DID_NOT_COME = "did_not_come"
NO_SHOW = ("late", "wrong_id", "other_session", "left_before_start", DID_NOT_COME)

# Read aloud and across a room: no letter that looks or sounds like another one here, none that make words. 16 letters, 4 bits each.
BOARD_LETTERS = "CDFHJKLMPQRTVWXY"
START_LETTERS = 6
TAKE_OVER_LETTERS = 8
TAKE_OVER_LASTS = timedelta(minutes=10)


def spell(digest: bytes, letters: int) -> str:
    """The first letters of a keyed digest: the same digest always gives the same code, and nothing else gives it."""
    return "".join(BOARD_LETTERS[byte % len(BOARD_LETTERS)] for byte in digest[:letters])


def spaced(code: str) -> str:
    """A code in two groups, as it stands on the board."""
    half = len(code) // 2
    return f"{code[:half]} {code[half:]}"


def check_identity(identity: str, note: str) -> str:
    """What is written down of the document that was looked at; another document is named. Raises NotOnTheList."""
    note = " ".join(note.split())[:80]
    if identity not in IDENTITY or (identity == "other" and not note):
        raise NotOnTheList(what="identity", choices=list(IDENTITY))
    return f"other: {note}" if identity == "other" else identity


def check_no_show(reason: str) -> str:
    if reason not in NO_SHOW:
        raise NotOnTheList(what="no-show", choices=list(NO_SHOW))
    return reason


def check_seat(seat: int, seats: int) -> int:
    if not 1 <= seat <= seats:
        raise NoSuchSeat(seat=seat, seats=seats)
    return seat
