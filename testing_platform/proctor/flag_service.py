"""Flags in the database: software writes them down, a person decides each of them once. The caller owns the transaction.

Nothing here touches an attempt, its clock or its answers, and no other function reads a flag to do so.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from testing_platform import bus, errors
from testing_platform.accounts.models import Person
from testing_platform.audit import service as audit
from testing_platform.delivery.models import Attempt
from testing_platform.proctor import flags
from testing_platform.proctor.models import Act, Flag, FlagFrame, VisionSettings
from testing_platform.proctor.signals import Profile

MOST_NOTE = 500


class Decision(StrEnum):
    CONFIRM = "confirm"
    DISMISS = "dismiss"


OUTCOMES = {Decision.CONFIRM: "confirmed", Decision.DISMISS: "dismissed"}


@dataclass(frozen=True)
class Frame:
    """A picture that is in the object store."""

    place: str
    captured_at: datetime
    object_name: str
    sha256: str
    size: int


# ------------------------------------------------------------ what software does


def keep_settings(session: Session, used: Profile, now: datetime) -> int:
    """The number under which these numbers are stored; each content once."""
    digest = flags.digest(used)
    known = session.scalar(select(VisionSettings.number).where(VisionSettings.digest == digest))
    if known is not None:
        return known
    number = (session.scalar(select(func.max(VisionSettings.number))) or 0) + 1
    session.add(VisionSettings(number=number, profile=used.as_dict(), digest=digest, since=now))
    audit.record(session, "vision.settings", f"vision_settings:{number}", now, digest=digest)
    session.flush()
    return number


def find(session: Session, attempt_id: int, signal: str, began_at: datetime) -> Flag | None:
    return session.scalars(select(Flag).where(Flag.attempt_id == attempt_id, Flag.signal == signal, Flag.began_at == began_at)).first()


def raise_flag(
    session: Session, attempt_id: int, session_id: int, begun: flags.Begun, frames: list[Frame], settings_number: int, now: datetime
) -> None:
    """Write down what software noticed. A second time changes nothing."""
    if find(session, attempt_id, begun.signal, begun.began_at) is not None:
        return
    flag = Flag(
        attempt_id=attempt_id,
        signal=str(begun.signal),
        began_at=begun.began_at,
        raised_at=begun.raised_at,
        peak=begun.peak,
        settings_number=settings_number,
    )
    session.add(flag)
    session.flush()
    for frame in frames:
        _keep_frame(session, flag, frame)
    facts: dict[str, Any] = {"flag": flag.id, "signal": flag.signal}
    bus.publish(session, "attempt.flag", now, session_id=session_id, attempt_id=attempt_id, **facts)
    audit.record(session, "attempt.flag", f"attempt:{attempt_id}", now, **facts, settings=settings_number)


def follow(session: Session, attempt_id: int, followed: flags.Followed, frame: Frame | None) -> None:
    """The picture after it; the first one stays."""
    flag = find(session, attempt_id, followed.signal, followed.began_at)
    if flag is not None and frame is not None:
        _keep_frame(session, flag, frame)


def _keep_frame(session: Session, flag: Flag, frame: Frame) -> None:
    if session.get(FlagFrame, (flag.id, frame.place)) is None:
        session.add(
            FlagFrame(
                flag_id=flag.id,
                place=frame.place,
                captured_at=frame.captured_at,
                object_name=frame.object_name,
                sha256=frame.sha256,
                size=frame.size,
            )
        )
        session.flush()


def end_flag(session: Session, attempt_id: int, ended: flags.Ended) -> None:
    flag = find(session, attempt_id, ended.signal, ended.began_at)
    if flag is not None and flag.ended_at is None:
        flag.ended_at, flag.peak = ended.ended_at, ended.peak


def close_left_open(session: Session) -> int:
    """What an earlier `live` had no time to end, ends when it was last seen; says how many."""
    left = session.scalars(select(Flag).where(Flag.ended_at.is_(None))).all()
    for flag in left:
        flag.ended_at = max([flag.raised_at, flag.began_at, *(frame.captured_at for frame in flag.frames)])
    return len(left)


# ------------------------------------------------------------ what a person does


def decide(session: Session, attempt: Attempt, flag: Flag, person: Person, decision: Decision, key: str, note: str, now: datetime) -> None:
    """A person has looked: something was there, or nothing to see. Raises errors.VersionMoved when someone else has decided meanwhile."""
    act = f"flag_{decision}"
    done = session.get(Act, key)
    if done is not None:
        if (done.attempt_id, done.actor_id, done.act) != (attempt.id, person.id, act) or flag.decided_by_id != person.id:
            raise errors.BadRequest(why="this key belongs to another act")
        return
    # Judged in the statement that writes: of two people who press in the same instant one is told.
    values = {"outcome": OUTCOMES[decision], "decided_by_id": person.id, "decided_at": now, "note": _note(note)}
    decided = session.execute(update(Flag).where(Flag.id == flag.id, Flag.outcome == "open").values(values).returning(Flag.id)).all()
    session.refresh(flag)
    if not decided:
        raise errors.VersionMoved(outcome=flag.outcome)
    session.add(Act(key=key, attempt_id=attempt.id, actor_id=person.id, act=act, at=now))
    facts: dict[str, Any] = {"flag": flag.id, "signal": flag.signal, "outcome": flag.outcome}
    bus.publish(session, "attempt.flag_decided", now, session_id=attempt.session_id, attempt_id=attempt.id, actor_id=person.id, **facts)
    # The note is a person's words and may name someone: the trail has only that there is one.
    audit.record(session, "attempt.flag_decided", f"attempt:{attempt.id}", now, person.id, **facts, note=bool(flag.note))
    session.flush()


def _note(text: str) -> str:
    """Without what can be written in JSON and stored nowhere."""
    return text.replace("\0", "").encode(errors="replace").decode().strip()[:MOST_NOTE]


def read_key(text: object) -> str:
    """Raises errors.BadRequest."""
    try:
        return str(uuid.UUID(str(text)))
    except ValueError:
        raise errors.BadRequest(why="key") from None
