"""What becomes of signals: a flag with a beginning, an end and three pictures. No sockets, no database.

A flag is a marker for a person to look at. Nothing here, and nothing that reads it, pauses, ends or lowers anything.
"""

import hashlib
import tomllib
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from testing_platform.digests import canonical
from testing_platform.proctor.signals import LIVE, Cleared, Profile, Raised, Seen, Signal, Watch
from testing_platform.settings import FaultySetting

# Cameras send one picture a second; a little less, so that one that comes early is looked at all the same.
LOOK_EACH = 0.8
# A flag that lasts gets its picture "after" then, so that a proctor need not wait for its end.
AFTER_AT_THE_LATEST = timedelta(seconds=10)
# The picture before a flag began is looked for among these.
REMEMBERED = timedelta(seconds=20)
MOST_REMEMBERED = 24

EVENTS = frozenset({"attempt.flag", "attempt.flag_decided"})


@dataclass(frozen=True)
class Picture:
    at: datetime
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True)
class Begun:
    """A flag is there. With the attempt, `signal` and `began_at` name it from now on."""

    signal: Signal
    began_at: datetime
    raised_at: datetime
    peak: float
    pictures: dict[str, Picture] = field(default_factory=dict)


@dataclass(frozen=True)
class Followed:
    """The picture after it."""

    signal: Signal
    began_at: datetime
    picture: Picture


@dataclass(frozen=True)
class Ended:
    signal: Signal
    began_at: datetime
    ended_at: datetime
    peak: float


Deed = Begun | Followed | Ended


def profile(file: Path | None) -> Profile:
    """The numbers in use: the defaults, and over them those of a TOML file. Raises FaultySetting."""
    if file is None:
        return LIVE
    try:
        return Profile.from_dict(LIVE.as_dict() | tomllib.loads(file.read_text()))
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise FaultySetting(f"vision_file: {file} cannot be used ({type(problem).__name__}: {problem})") from problem


def digest(used: Profile) -> str:
    """Names the content of a profile: the same numbers, the same digest."""
    return hashlib.sha256(canonical(used.as_dict())).hexdigest()


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass
class Noticing:
    """One candidate's pictures as they were looked at, and the flags that came of them."""

    watch: Watch
    seen_at: datetime | None = None
    recent: deque[Picture] = field(default_factory=lambda: deque(maxlen=MOST_REMEMBERED), repr=False)
    open: dict[Signal, Begun] = field(default_factory=dict)
    # Flags, open or ended, that have no picture after them yet.
    unfollowed: list[Begun] = field(default_factory=list)

    @classmethod
    def by(cls, used: Profile) -> "Noticing":
        return cls(Watch(used))

    def see(self, observation: Seen, at: datetime, jpeg: bytes) -> list[Deed]:
        picture = Picture(at, jpeg)
        deeds = self._note(self.watch.see(observation, at.timestamp()), picture)
        ended = [begun for begun in self.unfollowed if self.open.get(begun.signal) is not begun]
        for begun in self.unfollowed[:]:
            if begun in ended or at - begun.raised_at >= AFTER_AT_THE_LATEST:
                self.unfollowed.remove(begun)
                deeds.append(Followed(begun.signal, begun.began_at, picture))
        self.recent.append(picture)
        while at - self.recent[0].at > REMEMBERED:
            self.recent.popleft()
        self.seen_at = at
        return deeds

    def wait(self, now: datetime) -> list[Deed]:
        """Time passes. A gap in the pictures is no data, never "nobody there"."""
        return self._note(self.watch.silence(now.timestamp()), None)

    def leave(self) -> list[Deed]:
        """The candidate has gone, has handed in or is paused: what is open ends with the last picture that was looked at. May go on later."""
        if self.seen_at is None:
            return []
        deeds = self._note(list(self.watch.close(self.seen_at.timestamp())), None)
        self.recent.clear()
        self.unfollowed.clear()
        return deeds

    def _note(self, found: list[Raised | Cleared], picture: Picture | None) -> list[Deed]:
        deeds: list[Deed] = []
        for one in found:
            match one:
                case Raised(signal, seconds, peak):
                    began_at = _instant(seconds)
                    at = picture or (self.recent[-1] if self.recent else None)
                    begun = Begun(signal, began_at, at.at if at else began_at, peak, self._pictures(began_at, at))
                    # What waits for its end must not hold the pictures in memory.
                    self.open[signal] = kept = replace(begun, pictures={})
                    self.unfollowed.append(kept)
                    deeds.append(begun)
                case Cleared(signal, _, end, peak):
                    if (was := self.open.pop(signal, None)) is not None:
                        deeds.append(Ended(signal, was.began_at, max(_instant(end), was.began_at), peak))
        return deeds

    def _pictures(self, began_at: datetime, at: Picture | None) -> dict[str, Picture]:
        before = next((one for one in reversed(self.recent) if one.at < began_at), None)
        return {place: one for place, one in (("before", before), ("at", at)) if one is not None}
