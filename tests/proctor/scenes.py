"""Pictures to look at: the sample media beside the checkout where they are, and scenes made of a portrait that a package carries."""

import csv
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage import data

MEDIA = Path(__file__).parents[3] / "shared" / "media"
Picture = Any

EXPECTED: dict[str, list[str]] = {
    "blurred": ["blurred"],
    "covered": ["camera_covered", "no_face"],
    "dark": ["too_dark"],
    "frozen": ["frozen"],
    "leave_return": ["no_face"],
    "no_face": ["no_face"],
    "one_face_a": [],
    "turned": ["looking_away", "looking_away"],
    "two_faces": ["multiple_faces"],
}
EXPECTED_OF_MEDIA = EXPECTED | {
    "looped": [],
    "one_face_b": [],
    "other_person": [],
    "other_person_b": [],
    "phone": [],
    "turned_real": ["looking_away"],
}


@cache
def person() -> Picture:
    """A portrait, blue first."""
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)


# The face in it: left, top, width, height.
FACE = (178, 68, 85, 112)


def frame(
    size: float = 0.4,
    shape: tuple[int, int] = (640, 480),
    light: float = 1,
    blur: float = 0,
    noise: float = 2.5,
    seed: int = 1,
    shift: tuple[float, float] = (0, 0),
    mirrored: bool = False,
    turned: float = 0,
    picture: Picture | None = None,
) -> Picture:
    """A webcam's frame with the person's face of this height (as a share), out of focus by `blur` of 320 pixels."""
    wide, high = shape
    found = framed(size, shape) if picture is None else cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
    if turned:
        found = turn(found, FACE[2] * size * high / FACE[3], wide / 2, turned)
    if any(shift):
        found = cv2.warpAffine(found, np.array([(1, 0, shift[0]), (0, 1, shift[1])]), shape, borderMode=cv2.BORDER_REPLICATE)
    if mirrored:
        found = found[:, ::-1]
    if blur:
        found = cv2.GaussianBlur(found, (0, 0), blur * wide / 320)
    return noisy(found * float(light), noise, seed)


def framed(size: float, shape: tuple[int, int]) -> Picture:
    by = size * shape[1] / FACE[3]
    x, y = FACE[0] + FACE[2] / 2, FACE[1] + FACE[3] / 2
    picture = person()
    if by < 0.5:
        picture = cv2.resize(picture, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
        matrix = np.array([(1, 0, shape[0] / 2 - by * x), (0, 1, shape[1] * 0.45 - by * y)])
    else:
        matrix = np.array([(by, 0, shape[0] / 2 - by * x), (0, by, shape[1] * 0.45 - by * y)])
    return cv2.warpAffine(picture, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def box(size: float, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Where `frame` puts the face."""
    high = size * shape[1]
    wide = high * FACE[2] / FACE[3]
    return shape[0] / 2 - wide / 2, shape[1] * 0.45 - high / 2, wide, high


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Common part over both together."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(0, wide) * max(0, high)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def turn(picture: Picture, face_wide: float, middle: float, degrees: float) -> Picture:
    """The head as a cylinder that is turned; positive: the nose goes to the image's left."""
    high, wide = picture.shape[:2]
    radius = 0.55 * face_wide
    at = np.arange(wide, dtype=np.float32)
    angle = np.arcsin(np.clip((at - middle) / radius, -1, 1))
    source = middle + radius * np.sin(np.clip(angle + math.radians(degrees), -math.pi / 2, math.pi / 2))
    columns = np.where(abs(at - middle) < radius, source, at).astype(np.float32)
    rows = np.tile(np.arange(high, dtype=np.float32)[:, None], (1, wide))
    return cv2.remap(picture, np.tile(columns, (high, 1)), rows, cv2.INTER_LINEAR)


def noisy(picture: Picture, noise: float, seed: int) -> Picture:
    return np.clip(picture + np.random.default_rng(seed).normal(0, noise, (*picture.shape[:2], 1)), 0, 255).astype(np.uint8)


def jpeg(picture: Picture, quality: int = 70, *more: int) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, *more])[1].tobytes()


def png(picture: Picture) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def empty_room() -> Picture:
    return cv2.cvtColor(data.rocket(), cv2.COLOR_RGB2BGR)


def two_persons(shape: tuple[int, int] = (640, 480), size: float = 0.35) -> Picture:
    half = (shape[0] // 2, shape[1])
    return np.hstack((framed(size, half), framed(size, half)[:, ::-1]))


def made(name: str, rate: int = 10, seconds: float = 8, shape: tuple[int, int] = (640, 480)) -> Iterator[bytes]:
    """The frames of a clip like that of the sample media with this name, made of our one portrait."""
    stopped: bytes | None = None
    for number in range(round(rate * seconds)):
        at = number / rate
        later = at >= 2
        sway = (3 * math.sin(at * 1.3), 2 * math.sin(at * 0.9))
        if name == "frozen" and later and stopped:
            yield stopped
            continue
        if name == "no_face" or (name == "leave_return" and 3 <= at < 6):
            found = frame(shape=shape, seed=number, picture=empty_room())
        elif name == "two_faces":
            found = frame(shape=shape, seed=number, shift=sway, picture=two_persons(shape))
        elif name == "covered" and later:
            found = noisy(np.full((shape[1], shape[0], 3), 24.0) + np.linspace(-6, 6, shape[0])[None, :, None], 1, number)
        elif name == "turned":
            left, right = (math.sin(math.pi * max(0, min(1, (at - since) / 2.4))) for since in (1.5, 4.6))
            found = frame(shape=shape, seed=number, turned=48 * min(1, 1.6 * left) - 48 * min(1, 1.6 * right))
        else:
            found = frame(
                shape=shape,
                seed=number,
                shift=sway,
                light=0.05 if name == "dark" and later else 1,
                blur=3 if name == "blurred" and later else 0,
            )
        stopped = jpeg(found)
        yield stopped


def clip(name: str, folder: Path) -> Path:
    """The clip of the sample media, or one made in the folder."""
    there = MEDIA / "clips" / f"{name}.mjpeg"
    if there.is_file():
        return there
    file = folder / f"{name}.mjpeg"
    file.write_bytes(b"".join(made(name)))
    return file


def labelled() -> list[tuple[str, bytes, int]]:
    """Stills with the number of persons on each."""
    if MEDIA.is_dir():
        with (MEDIA / "labels.csv").open() as file:
            rows = [(row["file"], int(row["faces"])) for row in csv.DictReader(file)]
        return [(name, (MEDIA / name).read_bytes(), count) for name, count in rows if count >= 0]
    kinds = {name: list(made(name, rate=2)) for name in ("one_face_a", "no_face", "two_faces", "dark", "blurred", "covered")}
    counts = {"no_face": (0, 0), "two_faces": (2, 2), "covered": (1, 0)}
    return [
        (f"{name} {number}", still, counts.get(name, (1, 1))[number >= 4])
        for name, stills in kinds.items()
        for number, still in enumerate(stills)
    ]


def quiet(seconds: int, rate: float, shape: tuple[int, int] = (320, 240)) -> Iterator[tuple[float, bytes]]:
    """Frames of somebody who only sits there, with fresh sensor noise on each, as a candidate's page sends them."""
    if MEDIA.is_dir():
        clips = [
            [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in frames(MEDIA / "clips" / f"{name}.mjpeg")]
            for name in ("one_face_a", "one_face_b")
        ]
    else:
        clips = [[cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in made("one_face_a", rate=5)]]
    rng = np.random.default_rng(7)
    for number in range(round(seconds * rate)):
        every = clips[number * len(clips) // round(seconds * rate)]
        shown = every[round(number / rate * 10) % len(every) if rate >= 1 else number % len(every)]
        found = np.clip(shown + rng.normal(0, 1.5, (*shown.shape[:2], 1)), 0, 255).astype(np.uint8)
        yield number / rate, jpeg(cv2.resize(found, shape, interpolation=cv2.INTER_AREA))


def frames(path: Path) -> list[bytes]:
    return [b"\xff\xd8\xff" + part for part in path.read_bytes().split(b"\xff\xd8\xff")[1:]]
