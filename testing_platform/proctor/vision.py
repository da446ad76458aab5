"""Frames in, observations out: who is in a picture, where they look, and whether the picture shows anything. No database, no sockets.

What an observation amounts to is decided in `signals`, over time; nothing here raises a flag.
"""

import hashlib
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from testing_platform import assets, errors
from testing_platform.delivery import pictures
from testing_platform.proctor.signals import count_people

Picture = NDArray[Any]

MODEL = assets.PACKAGE / "proctor" / "face_model" / "face_detection_yunet_2023mar.onnx"
MODEL_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

FACE = 0.6  # "a face is there"
SIGHT = 320 * 240  # pixels that the detector is given, whatever the picture's shape; light and sharpness are measured on a quarter of them
LIT, MOST_GAIN = 40, 8  # the second look turns the light up twofold, and further until the mean is this
THUMBNAIL = (32, 24)
LONGEST = 8  # times the short side: what is longer is no picture of a person

# Millimetres; x to the image's right, y down, z away from the camera: eyes, tip of the nose, corners of the mouth, in the detector's order, and the
# middle of the box, which lies behind the face. Without that sixth point the pitch of one still head wanders by 20 degrees.
NOSE, EYES = 30.0, 63.0
HEAD = np.array([(-EYES / 2, -34, 0), (EYES / 2, -34, 0), (0, 0, -NOSE), (-25, 33, -3), (25, 33, -3), (0, 0, 43)], dtype=np.float64)
FOCAL = 0.76  # of the diagonal, which is 0.95 of the width of a 4:3 picture

# Otherwise the library tells every new detector of an engine that is not there.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Unreadable(errors.Refusal):
    """A frame that is broken, too large or no picture. It costs this one frame."""

    code = "unreadable-picture"


class ModelWrong(errors.Refusal):
    """The file of the face detector is missing or is not the one that was shipped."""

    code = "face-model-wrong"


@dataclass(frozen=True)
class Face:
    """A face and the box around it: x, y, width and height in pixels of the frame as it was sent."""

    box: tuple[float, float, float, float]
    score: float
    yaw: float | None  # degrees; positive: the nose moves to the image's left
    pitch: float | None  # degrees; positive: down


@dataclass(frozen=True)
class Observation:
    """What one frame shows."""

    faces: tuple[Face, ...]  # best score first, none below 0.6
    people: int  # one for a face, and one more for each that is surely a second one
    yaw: float | None  # of the largest face
    pitch: float | None
    luminance: float  # mean grey, 0 to 255
    face_luminance: float | None  # the same inside the box of the largest face
    contrast: float  # standard deviation of grey
    sharpness: float  # variance of the Laplacian, inside the box of the largest face if there is one
    detail: float  # the same as a share of the variance of grey there, which light does not change: below 0.1 is out of focus
    frame_detail: float  # the same share of the whole picture
    digest: str  # SHA-256 of the bytes
    thumbnail: bytes  # 32x24 grey
    width: int
    height: int


@dataclass(frozen=True)
class Bounds:
    """How large a picture may be by its bytes and by its own header, which is read before anything decodes it."""

    most_bytes: int
    most_pixels: int


FILE = Bounds(64 * 1024**2, 50_000_000)


class Eyes:
    """A detector and what it needs. One for each thread or process: two that share one get wrong answers without an error."""

    def __init__(self, model: Path | None = None) -> None:
        check_model(model or MODEL)
        self._detector = cv2.FaceDetectorYN.create(str(model or MODEL), "", (320, 240), FACE, 0.3, 50)
        self._size = (320, 240)

    def look(self, jpeg: bytes) -> Observation:
        """A frame of the live stream. Raises Unreadable."""
        try:
            width, height = pictures.check_still(jpeg)
        except pictures.BadPicture as bad:
            raise Unreadable(**bad.facts) from None
        return self._look(jpeg, width, height)

    def look_at_file(self, data: bytes, bounds: Bounds = FILE) -> Observation:
        """A photograph or a frame of a recording: JPEG, PNG or WebP, also far larger than a live still may be. Raises Unreadable."""
        if len(data) > bounds.most_bytes:
            raise Unreadable(why="too-many-bytes", most=bounds.most_bytes)
        width, height = size_of(data)
        short, long = sorted((width, height))
        if short < 16 or long > LONGEST * short or width * height > bounds.most_pixels:
            raise Unreadable(why="size", width=width, height=height)
        return self._look(data, width, height)

    def _look(self, data: bytes, width: int, height: int) -> Observation:
        seen = _decode(data, width, height)
        if (seen.shape[1] > seen.shape[0]) != (width > height):
            width, height = height, width  # the camera lay on its side and its file says so
        grey = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)
        grey = cv2.resize(grey, (seen.shape[1] // 2, seen.shape[0] // 2), interpolation=cv2.INTER_AREA)
        edges = cv2.Laplacian(grey, cv2.CV_32F)
        mean, contrast = _mean_and_spread(grey)
        # Dark pictures have faces that only show when the light is turned up.
        found = self._detect(seen) or self._detect(cv2.convertScaleAbs(seen, alpha=min(MOST_GAIN, max(2.0, LIT / max(mean, 1.0)))))
        scale = (width / seen.shape[1], height / seen.shape[0])
        faces = tuple(_face(row, scale, seen.shape) for row in found)
        largest = max(range(len(faces)), key=lambda at: faces[at].box[2] * faces[at].box[3], default=None)
        sharpness = frame_sharpness = _mean_and_spread(edges)[1] ** 2
        face_mean, face_contrast = None, contrast
        if largest is not None:
            part = _part(grey, found[largest])
            face_mean, face_contrast = _mean_and_spread(grey[part])
            sharpness = _mean_and_spread(edges[part])[1] ** 2
        return Observation(
            faces=faces,
            people=count_people(faces, width, height),
            yaw=None if largest is None else faces[largest].yaw,
            pitch=None if largest is None else faces[largest].pitch,
            luminance=mean,
            face_luminance=face_mean,
            contrast=contrast,
            sharpness=sharpness,
            detail=sharpness / max(1.0, face_contrast**2),
            frame_detail=frame_sharpness / max(1.0, contrast**2),
            digest=hashlib.sha256(data).hexdigest(),
            thumbnail=cv2.resize(grey, THUMBNAIL, interpolation=cv2.INTER_AREA).tobytes(),
            width=width,
            height=height,
        )

    def _detect(self, picture: Picture) -> list[Picture]:
        """Rows of box, five points and score; best score first."""
        size = (picture.shape[1], picture.shape[0])
        if size != self._size:
            self._detector.setInputSize(size)
            self._size = size
        rows = self._detector.detect(picture)[1]
        return [] if rows is None else sorted(rows, key=lambda row: -row[14])


def check_model(path: Path = MODEL) -> None:
    """Raises ModelWrong unless the file is there and is the one that was shipped."""
    if not path.is_file():
        raise ModelWrong(why="missing", file=path.name)
    if hashlib.sha256(path.read_bytes()).hexdigest() != MODEL_SHA256:
        raise ModelWrong(why="another-file", file=path.name)


def size_of(data: bytes) -> tuple[int, int]:
    """(width, height) from the header of a JPEG, PNG or WebP. Raises Unreadable."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        if len(data) < 33 or data[12:16] != b"IHDR" or data[-12:-4] != b"\0\0\0\0IEND":
            raise Unreadable(why="broken")
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _size_of_webp(data)
    if not data.startswith(b"\xff\xd8\xff"):
        raise Unreadable(why="no-picture")
    end = data.rfind(b"\xff\xd9")  # telephones write more of their own behind the picture
    if end < 0:
        raise Unreadable(why="broken")
    try:
        return pictures.jpeg_size(data[: end + 2])
    except (pictures.BadPicture, struct.error):
        raise Unreadable(why="broken") from None


def _size_of_webp(data: bytes) -> tuple[int, int]:
    """RFC 9649, 2.5 to 2.7: the three kinds of first chunk."""
    if len(data) < 30 or len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise Unreadable(why="broken")
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            both = int.from_bytes(data[21:25], "little")
            return 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise Unreadable(why="broken")


def _decode(data: bytes, width: int, height: int) -> Picture:
    """The picture as the detector is to see it: of its own shape, upright, and of the size the limits were measured at."""
    wide, high = _sight(width, height)
    reduce, flag = next(
        (
            (by, flag)
            for by, flag in ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))
            if width >= wide * by and height >= high * by
        ),
        (1, cv2.IMREAD_COLOR),
    )
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:
        picture = None
    if picture is None:
        raise Unreadable(why="broken")
    if (picture.shape[1] > picture.shape[0]) != (width > height):
        wide, high = high, wide
    if (picture.shape[1], picture.shape[0]) == (wide, high):
        return picture
    smaller = picture.shape[1] > wide
    return cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _sight(width: int, height: int) -> tuple[int, int]:
    """The size at which a picture of this shape has as many pixels as 320x240."""
    by = math.sqrt(SIGHT / (width * height))
    return max(32, round(width * by)), max(32, round(height * by))


def _face(row: Picture, scale: tuple[float, float], shape: tuple[int, ...]) -> Face:
    x, y, wide, high = (float(value) for value in row[:4])
    points = np.vstack((row[4:14].reshape(5, 2), (x + wide / 2, y + high / 2))).astype(np.float64)
    return Face((x * scale[0], y * scale[1], wide * scale[0], high * scale[1]), float(row[14]), yaw_of(points), pitch_of(points, shape))


def yaw_of(points: Picture) -> float | None:
    """How far the tip of the nose lies beside the line from between the eyes to the middle of the mouth, as an angle.

    Everybody's is zero in front. The solver below agrees on heads that are really turned, but takes a narrow face for a turned one and a broad face
    for a straight one, because it also reads the turn out of the distance of the eyes over the length of the face.
    """
    right, left, nose, mouth = points[0], points[1], points[2], (points[3] + points[4]) / 2
    across, down = left - right, mouth - (left + right) / 2
    apart, long = float(np.hypot(*across)), float(np.dot(down, down))
    if apart < 1 or long < 1:
        return None
    foot = (left + right) / 2 + down * (np.dot(nose - (left + right) / 2, down) / long)
    return math.degrees(math.atan2(float(np.dot(foot - nose, across)) / apart * EYES, NOSE * apart))


def pitch_of(points: Picture, shape: tuple[int, ...]) -> float | None:
    """How far the nose points down, from the pose that the six points have in front of a webcam."""
    high, wide = shape[:2]
    focal = FOCAL * math.hypot(wide, high)
    camera = np.array([(focal, 0, wide / 2), (0, focal, high / 2), (0, 0, 1)], dtype=np.float64)
    good, rotation, _ = cv2.solvePnP(HEAD, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not good:
        return None
    x, y, z = -cv2.Rodrigues(rotation)[0][:, 2]  # the way the nose points
    return math.degrees(math.atan2(y, math.hypot(x, z)))


def _part(grey: Picture, row: Picture) -> tuple[slice, slice]:
    """The part of the half-sized grey picture that a face takes."""
    x, y, wide, high = (float(value) / 2 for value in row[:4])
    left, top = (min(max(0, int(at)), edge - 1) for at, edge in ((x, grey.shape[1]), (y, grey.shape[0])))
    return slice(top, max(top + 1, round(y + high))), slice(left, max(left + 1, round(x + wide)))


def _mean_and_spread(values: Picture) -> tuple[float, float]:
    mean, spread = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(spread[0, 0])
