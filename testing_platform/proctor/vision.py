"""Frames in, observations out: who is in a picture, where they look, and whether the picture shows anything. No database, no sockets.

What an observation amounts to is decided in `signals`, over time; nothing here raises a flag.
"""

import hashlib
import math
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from testing_platform import assets, errors
from testing_platform.delivery import pictures

Picture = NDArray[Any]

MODEL = assets.PACKAGE / "proctor" / "face_model" / "face_detection_yunet_2023mar.onnx"
MODEL_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

FACE = 0.6  # "a face is there"
SECOND_FACE = 0.8  # "a second face is there": none false in 1,025 pictures
SECOND_HEIGHT = 0.25  # of the first face's height
SECOND_PIXELS = 24  # of the 240 that detection sees
SIGHT = 320 * 240  # pixels that the detector is given, whatever the picture's shape
QUALITY = 160 * 120  # pixels on which light and sharpness are measured
THUMBNAIL = (32, 24)

# Millimetres; x to the image's right, y down, z away from the camera: eyes, tip of the nose, corners of the mouth, in the detector's order.
HEAD = np.array([(-31.5, -34, 0), (31.5, -34, 0), (0, 0, -22), (-25, 33, -3), (25, 33, -3)], dtype=np.float64)
# 0.95 of the width of a 4:3 picture, and right for other shapes too.
FOCAL = 0.76  # of the diagonal

# Otherwise the library tells every new detector of an engine that is not there.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Unreadable(errors.Refusal):
    """A frame that is broken, too large or no picture. It costs this one frame."""

    code = "unreadable-picture"


class ModelWrong(errors.Refusal):
    """The file of the face detector is missing or is not the one that was shipped."""

    code = "face-model-wrong"


@dataclass(frozen=True)
class Bounds:
    """How large a picture may be, read from its own header before anything decodes it."""

    most_bytes: int
    most_pixels: int
    live: bool = False


LIVE_STILL = Bounds(pictures.MOST_BYTES, pictures.WIDEST * pictures.HIGHEST, live=True)
FILE = Bounds(64 * 1024**2, 50_000_000)


@dataclass(frozen=True)
class Face:
    """A face and the box around it: x, y, width and height in pixels of the frame as it was sent."""

    box: tuple[float, float, float, float]
    score: float
    yaw: float | None  # degrees; positive: the nose moves to the image's left
    pitch: float | None  # degrees; positive: down


@dataclass(frozen=True)
class Observation:
    faces: tuple[Face, ...]  # best score first, none below 0.6
    people: int
    yaw: float | None  # of the largest face
    pitch: float | None
    luminance: float  # mean grey, 0 to 255
    contrast: float  # standard deviation of grey
    sharpness: float  # variance of the Laplacian, inside the box of the largest face if there is one
    digest: str  # SHA-256 of the bytes
    thumbnail: bytes  # 32x24 grey
    width: int
    height: int
    face_luminance: float | None  # mean grey inside the box of the largest face


class Eyes:
    """A detector and what it needs. One for each thread or process: two that share one get wrong answers without an error."""

    def __init__(self, model: Path | None = None) -> None:
        path = model or MODEL
        check_model(path)
        self._detector = cv2.FaceDetectorYN.create(str(path), "", (320, 240), FACE, 0.3, 50)
        self._size = (320, 240)

    def look(self, data: bytes, bounds: Bounds = LIVE_STILL) -> Observation:
        raise NotImplementedError


def check_model(path: Path = MODEL) -> None:
    """Raises ModelWrong unless the file is there and is the one that was shipped."""
    if not path.is_file():
        raise ModelWrong(why="missing", file=path.name)
    if hashlib.sha256(path.read_bytes()).hexdigest() != MODEL_SHA256:
        raise ModelWrong(why="another-file", file=path.name)
