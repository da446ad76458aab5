"""What a row of observations amounts to: signals with a beginning and an end, each for a person to look at. Nothing follows from one by itself.

A signal is a small state machine driven by "so many of the last so many seconds", so that one bad frame neither raises nor clears it. Seconds are
counted, not frames: a frame speaks for the time until the next one, and the rules mean the same at half a frame a second and at ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Box = tuple[float, float, float, float]


class Signal(StrEnum):
    NO_FACE = "no_face"
    MULTIPLE_FACES = "multiple_faces"
    LOOKING_AWAY = "looking_away"
    TOO_DARK = "too_dark"
    OVEREXPOSED = "overexposed"
    BLURRED = "blurred"
    CAMERA_COVERED = "camera_covered"
    FROZEN = "frozen"
    # Known to storage and pages; nothing here raises them.
    LOOPED = "looped"
    OTHER_PERSON = "other_person"
    PHOTO_PRESENTED = "photo_presented"
    SOUND = "sound"


@dataclass(frozen=True)
class Profile:
    name: str = "live"
    on: frozenset[Signal] = field(default_factory=frozenset)

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Profile":
        raise NotImplementedError


@dataclass(frozen=True)
class Raised:
    signal: Signal
    at: float  # when it began, not when enough of it had been seen
    peak: float  # the most extreme figure so far: see `PEAK`


@dataclass(frozen=True)
class Cleared:
    signal: Signal
    start: float
    end: float
    peak: float


class FaceLike(Protocol):
    @property
    def box(self) -> Box: ...


class Seen(Protocol):
    """What a signal needs of a `vision.Observation`, which is one of these."""

    @property
    def faces(self) -> Sequence[FaceLike]: ...
    @property
    def people(self) -> int: ...
    @property
    def yaw(self) -> float | None: ...
    @property
    def pitch(self) -> float | None: ...
    @property
    def luminance(self) -> float: ...
    @property
    def face_luminance(self) -> float | None: ...
    @property
    def contrast(self) -> float: ...
    @property
    def sharpness(self) -> float: ...
    @property
    def digest(self) -> str: ...
    @property
    def thumbnail(self) -> bytes: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


class Watch:
    """One candidate's signals. Knows the time only from its arguments, which are seconds on any one clock."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.active: dict[Signal, float] = {}

    def see(self, observation: Seen, at: float) -> list[Raised | Cleared]:
        raise NotImplementedError

    def silence(self, at: float) -> list[Raised | Cleared]:
        """No frame has come for a while: no data, which is never "nobody there"."""
        raise NotImplementedError

    def close(self, at: float) -> list[Cleared]:
        raise NotImplementedError


LIVE = Profile("live")
CLIP = Profile("clip")
