"""What a row of observations amounts to: signals with a beginning and an end, each for a person to look at. Nothing follows from one by itself.

A signal is driven by "so many of the last so many seconds", so that one bad frame neither raises nor clears it. Seconds are counted, not frames: a
frame speaks for the time until the next one, and the rules mean the same at half a frame a second and at ten. Frames that do not come are no data.
"""

import math
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Protocol

from testing_platform import errors

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


WATCHED = tuple(Signal)[:8]
QUALITY = frozenset({Signal.TOO_DARK, Signal.OVEREXPOSED, Signal.BLURRED, Signal.CAMERA_COVERED})


class ProfileWrong(errors.Refusal):
    """A stored profile with a name that no setting has, or a value that it cannot have."""

    code = "vision-profile-wrong"


@dataclass(frozen=True)
class Window:
    """So many seconds of the last so many."""

    seconds: float
    of: float


@dataclass(frozen=True)
class Profile:
    """Every number that decides about a signal. Numbers that name no other source are those of the field notes, measured on real photographs."""

    name: str
    on: frozenset[Signal]
    version: int = 2  # goes up with any change of a default, and stands in each stored flag

    # How long. Each "k of n" of the notes counts frames at one a second.
    no_face_raise: Window = Window(4, 5)
    no_face_clear: Window = Window(3, 4)
    multiple_faces_raise: Window = Window(3, 4)
    multiple_faces_clear: Window = Window(5, 6)
    away_raise: Window = Window(5, 6)
    away_share: Window | None = Window(24, 120)  # or a fifth of two minutes
    away_clear: Window = Window(3, 4)
    quality_raise: Window = Window(5, 6)
    covered_raise: Window = Window(3, 3)
    quality_clear: Window = Window(4, 5)
    frozen_raise: Window = Window(8, 8)
    frozen_clear: Window = Window(1, 1.5)  # "two changes", which are a second apart at one frame a second

    # What one frame has to show.
    second_face: float = 0.8  # score; none false in 1,025 pictures
    second_height: float = 0.25  # of the first face's height
    second_pixels: float = 24  # of the 240 that the detector sees
    away_degrees: float = 30  # from the baseline
    away_back_degrees: float = 20
    camera_degrees: float = 0  # and from the camera; own choice
    down_degrees: float | None = 20  # None: a head that looks down is left alone
    dark: float = 25  # mean grey, of the picture and of the face
    blind: float = 12  # mean grey below which "no face found" says nothing; the notes' alarm
    overexposed: float = 225  # mean grey, of the picture and of the face
    # The notes have "Laplacian variance below 60". That follows the contrast of the face: the same lens out of focus gives 31 to 141 for 13 persons, so
    # these are shares of the variance of grey: out of focus by 3 of 320 pixels at most 0.12 and 0.03, in focus at least 0.25 and 0.07 (measured here).
    blurred: float = 0.15  # in the face
    blurred_frame: float = 0.04  # and in the whole picture, because a blurred room behind a clear face is a feature, and so is the reverse
    blurred_light: float = 35  # mean grey below which noise hides the blur
    blurred_contrast: float = 20  # standard deviation of grey that a picture without a face needs before missing detail says something
    covered: float = 6  # standard deviation of grey, and nobody found
    # A scene that is only dark keeps its contrast as a share of its brightness (0.4 in ordinary pictures), a covered lens does not have it (0.13).
    covered_share: float = 0.3
    frozen: float = 0.05  # mean difference of the 32x24 thumbnails; a live camera has 0.16 and more
    frozen_contrast: float = 4  # standard deviation of grey below which pictures are alike because they are empty

    # A second face that does not move is a picture on the wall: shown once, then left alone.
    static_seconds: float | None = 60
    static_share: float = 0.03  # of its height

    baseline_seconds: float | None = 30  # the median of so long is straight ahead; None: straight ahead is 0 degrees
    baseline_drift: float = 600  # seconds in which the baseline follows a camera that was moved; own choice
    settle: float = 5  # seconds in which a camera that has just started finds its exposure
    hold: float = 2  # longest that one frame speaks for: the slowest regular rate is a frame in two seconds
    gap: float = 5  # without frames for longer: no data, windows start anew; own choice
    lost: float = 30  # and for longer than this, what was raised ends where it was last seen; own choice

    def as_dict(self) -> dict[str, Any]:
        """For storage as JSON."""
        return {one.name: _stored(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Profile":
        """What is missing is as in `LIVE`. Raises ProfileWrong."""
        known = {one.name for one in fields(cls)}
        found: dict[str, Any] = {}
        for name, value in stored.items():
            if name not in known:
                raise ProfileWrong(name=name)
            default = getattr(LIVE, name)
            try:
                if name == "on":
                    value = frozenset(Signal(one) for one in value)
                elif isinstance(value, list | tuple):
                    value = Window(*(float(part) for part in value))
            except (TypeError, ValueError):
                raise ProfileWrong(name=name) from None
            alike = isinstance(value, int | float) if isinstance(default, int | float) else isinstance(value, type(default))
            if not alike and not (value is None and name in ("away_share", "down_degrees", "static_seconds", "baseline_seconds")):
                raise ProfileWrong(name=name)
            found[name] = value
        return replace(LIVE, **found)


def _stored(value: Any) -> Any:
    if isinstance(value, Window):
        return [value.seconds, value.of]
    return sorted(value) if isinstance(value, frozenset) else value


LIVE = Profile("live", frozenset(WATCHED) - {Signal.LOOKING_AWAY})

_TWO = Window(2, 2.5)
_BACK = Window(1, 1.25)
# For recordings of a few seconds.
CLIP = Profile(
    "clip",
    frozenset(WATCHED),
    no_face_raise=_TWO,
    no_face_clear=_BACK,
    multiple_faces_raise=_TWO,
    multiple_faces_clear=_BACK,
    away_raise=Window(1.5, 1.75),
    away_share=None,
    away_clear=Window(0.75, 1),  # so that a turn to one side and then to the other are two
    quality_raise=_TWO,
    covered_raise=_TWO,
    quality_clear=_BACK,
    frozen_raise=_TWO,
    # From where this person looks in the whole recording (`straight_ahead`). Heads that were turned by 48 degrees in a picture of theirs read 20 to 35,
    # and what stays with one person who looks ahead is 5 (9 persons, measured here); no more than 9 degrees from the camera is nobody's turning away.
    away_degrees=14,
    away_back_degrees=10,
    camera_degrees=9,
    down_degrees=None,  # how far down "straight ahead" looks differs by 20 degrees from one person and camera to the next
    static_seconds=None,
    baseline_seconds=None,
    settle=0,
)
# One picture has no "where this person looks": persons who look ahead have up to 15, heads turned so that it shows 18 and more.
STILL = replace(CLIP, name="still", away_degrees=18)

HABIT, HABIT_SHARE = 16, 0.25  # degrees, and the share of a recording that has to lie within them; own choice


class FaceLike(Protocol):
    @property
    def box(self) -> Box: ...
    @property
    def score(self) -> float: ...


class Seen(Protocol):
    """What a signal needs of a `vision.Observation`, which is one of these."""

    @property
    def faces(self) -> Sequence[FaceLike]: ...
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
    def detail(self) -> float: ...
    @property
    def frame_detail(self) -> float: ...
    @property
    def digest(self) -> str: ...
    @property
    def thumbnail(self) -> bytes: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@dataclass(frozen=True)
class Raised:
    signal: Signal
    at: float  # when it began, not when enough of it had been seen
    peak: float  # the most extreme figure so far: persons, degrees, mean grey, sharpness, contrast, change of the picture


@dataclass(frozen=True)
class Cleared:
    signal: Signal
    start: float
    end: float
    peak: float


Reading = bool | None  # it is there, it is not, or this frame cannot tell


# ------------------------------------------------------------ one frame


def count_people(faces: Sequence[FaceLike], width: int, height: int, profile: Profile = LIVE) -> int:
    """One for a face, and one more for each that is surely a second one. The faces are those of 0.6 and better."""
    sure = sorted(face.box[3] for face in faces if face.score >= profile.second_face)
    if not sure:
        return min(1, len(faces))
    least = max(profile.second_pixels * math.sqrt(width * height / (320 * 240)), profile.second_height * sure[-1])
    return 1 + sum(high >= least for high in sure[:-1])


def is_covered(seen: Seen, profile: Profile) -> bool:
    if seen.faces or seen.luminance > profile.overexposed:
        return False
    return seen.contrast < min(profile.covered, profile.covered_share * seen.luminance + 0.5)


def is_dark(seen: Seen, profile: Profile) -> bool:
    """A face that the screen lights in a dark room is light enough."""
    return max(seen.luminance, seen.face_luminance or 0) < profile.dark and not is_covered(seen, profile)


def is_overexposed(seen: Seen, profile: Profile) -> bool:
    """A white wall is no fault of the light while the face before it can be seen."""
    return min(seen.luminance, 255 if seen.face_luminance is None else seen.face_luminance) > profile.overexposed


def is_blurred(seen: Seen, profile: Profile) -> Reading:
    if seen.luminance < profile.blurred_light or is_covered(seen, profile) or is_overexposed(seen, profile):
        return None
    if not seen.faces and seen.contrast < profile.blurred_contrast:
        return None
    return seen.frame_detail < profile.blurred_frame and seen.detail < profile.blurred


def is_nobody(seen: Seen, faces: int, profile: Profile) -> Reading:
    """Where nothing can be seen, a face that is not found says nothing; a covered lens shows nobody."""
    if faces:
        return False
    return None if (seen.luminance < profile.blind and not is_covered(seen, profile)) or is_overexposed(seen, profile) else True


def difference(one: bytes, other: bytes) -> float:
    """Mean difference of two thumbnails in grey levels."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one) if len(one) == len(other) and one else 255.0


def straight_ahead(yaws: Sequence[float]) -> float:
    """Where a person looks who looks ahead, from all of a recording: cameras stand aside and faces are not even. Who is turned throughout has no such place: 0."""
    near = [yaw for yaw in yaws if abs(yaw) < HABIT]
    return statistics.median(near) if near and len(near) >= HABIT_SHARE * len(yaws) else 0.0


def still_signals(seen: Seen, profile: Profile = STILL) -> list[Signal]:
    """What one picture by itself shows, time left out."""
    people = count_people(seen.faces, seen.width, seen.height, profile)
    readings = {
        Signal.NO_FACE: is_nobody(seen, len(seen.faces), profile),
        Signal.MULTIPLE_FACES: people > 1,
        Signal.LOOKING_AWAY: seen.yaw is not None and abs(seen.yaw) > profile.away_degrees and not is_dark(seen, profile),
        Signal.TOO_DARK: is_dark(seen, profile),
        Signal.OVEREXPOSED: is_overexposed(seen, profile),
        Signal.BLURRED: is_blurred(seen, profile),
        Signal.CAMERA_COVERED: is_covered(seen, profile),
    }
    return [signal for signal, there in readings.items() if there and signal in profile.on]


# ------------------------------------------------------------ time


@dataclass
class _Span:
    start: float
    end: float
    reading: Reading


class Gauge:
    """One signal over time: raised when enough of a window was bad, cleared when enough of another was good."""

    def __init__(self, raises: Sequence[Window], clears: Window, extreme: Callable[[float, float], float], hold: float) -> None:
        self.raises, self.clears, self.extreme, self.hold = raises, clears, extreme, hold
        self.longest = max(window.of for window in (*raises, clears))
        self.spans: deque[_Span] = deque()
        self.now: tuple[float, Reading] | None = None  # the newest frame
        self.peaks: deque[tuple[float, float]] = deque()
        self.raised: tuple[float, float] | None = None  # when it began, its peak
        self.bad_until: float | None = None

    def take(self, at: float, reading: Reading, figure: float) -> tuple[float, float] | tuple[float, float, float] | None:
        """(start, peak) at the frame that raises it, (start, end, peak) at the one that clears it."""
        self._remember(at, reading)
        if reading and self.raised:
            self.raised = (self.raised[0], self.extreme(self.raised[1], figure))
        elif reading:
            self.peaks.append((at, figure))
        if self.raised is None and reading:
            for window in self.raises:
                if self._sum(True, at - window.of) >= window.seconds - EARLY:
                    start = next(span.start for span in self.spans if span.reading and span.end > at - window.of)
                    self.raised = (start, _most([figure for when, figure in self.peaks if when >= start - EARLY], self.extreme))
                    self.peaks.clear()
                    return self.raised
        elif self.raised and reading is False and self._sum(False, at - self.clears.of) >= self.clears.seconds - EARLY:
            ended = self.end(at)
            self.now = (at, reading)
            return ended
        return None

    def end(self, at: float) -> tuple[float, float, float] | None:
        if self.raised is None:
            return None
        start, peak = self.raised
        end = at if self.bad_until is None else min(at, self.bad_until)
        self.raised = None
        self.forget()
        return start, max(start, end), peak

    def forget(self) -> None:
        """No data from here on: nothing that was seen before counts towards a change."""
        self.spans.clear()
        self.peaks.clear()
        self.now = None

    def _remember(self, at: float, reading: Reading) -> None:
        if self.now:
            since, before = self.now
            until = min(at, since + self.hold)
            if self.spans and self.spans[-1].reading is before and self.spans[-1].end == since:
                self.spans[-1].end = until
            else:
                self.spans.append(_Span(since, until, before))
            if before:
                self.bad_until = until
        if reading:
            self.bad_until = at + self.hold
        self.now = (at, reading)
        while self.spans and self.spans[0].end <= at - self.longest:
            self.spans.popleft()
        while self.peaks and self.peaks[0][0] < at - self.longest:
            self.peaks.popleft()

    def _sum(self, reading: bool, since: float) -> float:
        return sum(span.end - max(span.start, since) for span in self.spans if span.reading is reading and span.end > since)


EARLY = 0.1  # seconds by which frames may come early


def _most(figures: Sequence[float], extreme: Callable[[float, float], float]) -> float:
    found = figures[0]
    for figure in figures[1:]:
        found = extreme(found, figure)
    return found


def _more(one: float, other: float) -> float:
    return max(one, other)


def _less(one: float, other: float) -> float:
    return min(one, other)


def _farther(one: float, other: float) -> float:
    return max(one, other, key=abs)


@dataclass
class _Place:
    """Where a second face was seen, in shares of the picture's height."""

    points: deque[tuple[float, float, float, float]] = field(default_factory=deque)  # when, middle x, middle y, height

    def has(self, x: float, y: float, high: float) -> bool:
        _, at_x, at_y, at_high = self.points[-1]
        return math.hypot(x - at_x, y - at_y) < at_high / 2 and 2 / 3 < high / at_high < 1.5

    def rests(self, share: float) -> bool:
        high = statistics.fmean(point[3] for point in self.points)
        return max(statistics.pstdev(point[axis] for point in self.points) for axis in (1, 2)) <= share * high


class Watch:
    """One candidate's signals. Knows the time only from its arguments, which are seconds on any one clock."""

    def __init__(self, profile: Profile, ahead: float = 0.0) -> None:
        """`ahead` is the yaw of straight ahead where the profile learns none."""
        self.profile = profile
        self._last: float | None = None
        self._began: float | None = None
        self._gauges = {signal: _gauge(signal, profile) for signal in WATCHED if signal in profile.on}
        self._reference: tuple[str, bytes] | None = None
        self._away = False
        self._ahead: tuple[float, float] | None = (ahead, 0.0) if profile.baseline_seconds is None else None
        self._learning: list[tuple[float, float, float]] = []
        self._places: list[_Place] = []
        self._muted: list[tuple[float, float, float]] = []

    @property
    def active(self) -> dict[Signal, float]:
        """What is raised now, and since when."""
        return {signal: gauge.raised[0] for signal, gauge in self._gauges.items() if gauge.raised}

    def see(self, seen: Seen, at: float) -> list[Raised | Cleared]:
        """A frame that came at this time. One that is older than the last is left out."""
        if self._last is not None and at <= self._last:
            return []
        found = self.silence(at)
        since, self._last = self._last, at
        if self._began is None:
            self._began = at
        for signal, (reading, figure) in self._read(seen, at, 0.0 if since is None else at - since).items():
            change = self._gauges[signal].take(at, reading, figure)
            if change:
                found.append(Raised(signal, *change) if len(change) == 2 else Cleared(signal, *change))
        return found

    def silence(self, at: float) -> list[Raised | Cleared]:
        """May be called at any time: when no frame has come for a while, there is no data, which is never "nobody there"."""
        if self._last is None or at - self._last <= self.profile.gap:
            return []
        for gauge in self._gauges.values():
            gauge.forget()
        self._began = self._reference = None
        return [*self.close(at)] if at - self._last > self.profile.lost else []

    def close(self, at: float) -> list[Cleared]:
        """The end: what is raised ends now, or where it was last seen."""
        until = at if self._last is None else min(at, self._last + self.profile.hold)
        ends = [(signal, gauge.end(until)) for signal, gauge in self._gauges.items()]
        return [Cleared(signal, *end) for signal, end in ends if end]

    # -------------------------------------------------------- one frame

    def _read(self, seen: Seen, at: float, passed: float) -> dict[Signal, tuple[Reading, float]]:
        profile = self.profile
        faces = self._faces(seen, at)
        people = count_people(faces, seen.width, seen.height, profile)
        settled = self._began is not None and at - self._began >= profile.settle
        frozen, change = self._compare(seen)
        away, turned = self._turned(seen, at, passed) if people == 1 and len(faces) == len(seen.faces) else (None, 0.0)
        every: dict[Signal, tuple[Reading, float]] = {
            Signal.NO_FACE: (is_nobody(seen, len(faces), profile), 0.0),
            Signal.MULTIPLE_FACES: (people > 1, float(people)),
            Signal.LOOKING_AWAY: (away, turned),
            Signal.TOO_DARK: (is_dark(seen, profile), seen.luminance),
            Signal.OVEREXPOSED: (is_overexposed(seen, profile), seen.luminance),
            Signal.BLURRED: (is_blurred(seen, profile), seen.sharpness),
            Signal.CAMERA_COVERED: (is_covered(seen, profile), seen.contrast),
            Signal.FROZEN: (frozen, change),
        }
        return {
            signal: (None, figure) if signal in QUALITY and not settled else (reading, figure)
            for signal, (reading, figure) in every.items()
            if signal in self._gauges
        }

    def _compare(self, seen: Seen) -> tuple[Reading, float]:
        """With the first frame of a row of like ones, so that a slow change adds up however many frames it takes."""
        before, self._reference = self._reference, (seen.digest, seen.thumbnail)
        if before is None or seen.contrast < self.profile.frozen_contrast:
            return None, 0.0
        if before[0] != seen.digest and (is_dark(seen, self.profile) or is_overexposed(seen, self.profile)):
            return None, 0.0  # black and white have no noise
        change = 0.0 if before[0] == seen.digest else difference(before[1], seen.thumbnail)
        if change >= self.profile.frozen:
            return False, change
        self._reference = before
        return True, change

    def _turned(self, seen: Seen, at: float, passed: float) -> tuple[Reading, float]:
        """Away once past the limit, and until well back within it. Down counts from the candidate's own baseline only."""
        profile = self.profile
        if seen.yaw is None or seen.pitch is None or seen.luminance < profile.dark or is_blurred(seen, profile):
            return None, 0.0
        if self._ahead is None:
            self._learn(seen.yaw, seen.pitch, min(passed, profile.hold))
            return None, 0.0
        aside, down = seen.yaw - self._ahead[0], seen.pitch - self._ahead[1]
        part = profile.away_back_degrees / profile.away_degrees if self._away else 1
        limit = part * profile.away_degrees
        low = profile.down_degrees is not None and down > part * profile.down_degrees
        self._away = (abs(aside) > limit and abs(seen.yaw) > part * profile.camera_degrees) or low
        if abs(aside) < profile.away_back_degrees and profile.baseline_seconds is not None:
            share = min(passed, profile.hold) / profile.baseline_drift
            self._ahead = (self._ahead[0] + share * aside, self._ahead[1] + share * down)
        return self._away, down if low and abs(aside) <= limit else aside

    def _learn(self, yaw: float, pitch: float, passed: float) -> None:
        self._learning.append((passed, yaw, pitch))
        if sum(one[0] for one in self._learning) >= (self.profile.baseline_seconds or 0):
            self._ahead = (statistics.median(one[1] for one in self._learning), statistics.median(one[2] for one in self._learning))
            self._learning.clear()

    def _faces(self, seen: Seen, at: float) -> list[FaceLike]:
        """The faces that are no picture on the wall."""
        if self.profile.static_seconds is not None and len(seen.faces) > 1:
            self._rest(seen, at)
        if not self._muted:
            return list(seen.faces)
        return [face for face in seen.faces if not any(_same(_middle(face.box, seen.height), place) for place in self._muted)]

    def _rest(self, seen: Seen, at: float) -> None:
        """Notices a second face that has not moved for long enough."""
        profile = self.profile
        largest = max(seen.faces, key=lambda face: face.box[3])
        for face in seen.faces:
            x, y, high = _middle(face.box, seen.height)
            if face is largest or any(_same((x, y, high), place) for place in self._muted):
                continue
            place = next((one for one in self._places if one.has(x, y, high)), None)
            if place is None:
                self._places.append(_Place(deque([(at, x, y, high)])))
                continue
            if at - place.points[-1][0] < 1:
                continue
            place.points.append((at, x, y, high))
            seconds = profile.static_seconds or 0
            if at - place.points[0][0] >= seconds - EARLY:
                if place.rests(profile.static_share):
                    self._muted.append((*(statistics.fmean(point[axis] for point in place.points) for axis in (1, 2, 3)),))  # type: ignore[arg-type]
                    self._places.remove(place)
                else:
                    place.points.popleft()
        self._places = [place for place in self._places if at - place.points[-1][0] <= profile.gap]


def _middle(box: Box, height: int) -> tuple[float, float, float]:
    return (box[0] + box[2] / 2) / height, (box[1] + box[3] / 2) / height, box[3] / height


def _same(one: tuple[float, float, float], place: tuple[float, float, float]) -> bool:
    return math.hypot(one[0] - place[0], one[1] - place[1]) < place[2] / 4 and 0.8 < one[2] / place[2] < 1.25


def _gauge(signal: Signal, profile: Profile) -> Gauge:
    share = [profile.away_share] if profile.away_share else []
    rules: dict[Signal, tuple[list[Window], Window, Callable[[float, float], float]]] = {
        Signal.NO_FACE: ([profile.no_face_raise], profile.no_face_clear, _less),
        Signal.MULTIPLE_FACES: ([profile.multiple_faces_raise], profile.multiple_faces_clear, _more),
        Signal.LOOKING_AWAY: ([profile.away_raise, *share], profile.away_clear, _farther),
        Signal.TOO_DARK: ([profile.quality_raise], profile.quality_clear, _less),
        Signal.OVEREXPOSED: ([profile.quality_raise], profile.quality_clear, _more),
        Signal.BLURRED: ([profile.quality_raise], profile.quality_clear, _less),
        Signal.CAMERA_COVERED: ([profile.covered_raise], profile.quality_clear, _less),
        Signal.FROZEN: ([profile.frozen_raise], profile.frozen_clear, _less),
    }
    raises, clears, extreme = rules[signal]
    return Gauge(raises, clears, extreme, profile.hold)
