"""Moving drawings of made-up people in made-up rooms, as their cameras would send them. A seed gives always the same figure."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

cv2.setNumThreads(1)

# One round of movement; every motion below has a period that divides it, so that the loop has no seam.
LOOP_SECONDS = 40
WIDTH, HEIGHT = 320, 240
VISITOR = 1000  # between the seed of a figure and that of who comes by
QUALITY = 72

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Point = tuple[float, float]
# A place on a turning face, from how far right and down of its middle.
Face = Callable[[float, float], Point]

SKINS = ("#f6d7bd", "#eec19d", "#e0a97c", "#c98a5b", "#a96f47", "#8a5636", "#6b4129", "#4f3021")
HAIRS = ("#2a2422", "#4a3226", "#6e4a2f", "#a3703d", "#c9a25f", "#8b3f2a", "#8f8b87", "#d8d4cd")
CLOTHES = ("#3f6c8f", "#9c4f58", "#4f7d5b", "#c18a3c", "#6a5a8e", "#37777a", "#b8674a", "#5b6470", "#a0577f", "#7d8a4a")
WALLS = ("#e9dfcd", "#d9e2df", "#dcd7e6", "#e6d3cb", "#d3dde8", "#dfe3cd", "#efe6d8", "#cfd8d2")
INK = (58, 48, 52)


def _colour(text: str) -> Colour:
    red, green, blue = (int(text[at : at + 2], 16) for at in (1, 3, 5))
    return blue, green, red


def _shade(colour: Colour, factor: float) -> Colour:
    blue, green, red = (max(0, min(255, round(part * factor))) for part in colour)
    return blue, green, red


class Pen:
    """Draws with an outline on an image whose unit is a pixel of 320 × 240."""

    PARTS = 4  # bits below the pixel, so that slow movements do not jump

    def __init__(self, image: Image, scale: float, moved: Point = (0, 0)) -> None:
        self.image = image
        self.scale = scale
        self.moved = moved
        self.ink = max(1, round(1.3 * scale))

    def _at(self, point: Point) -> tuple[int, int]:
        unit = self.scale * (1 << self.PARTS)
        return round((point[0] + self.moved[0]) * unit), round((point[1] + self.moved[1]) * unit)

    def _lengths(self, axes: Point) -> tuple[int, int]:
        unit = self.scale * (1 << self.PARTS)
        return round(axes[0] * unit), round(axes[1] * unit)

    def oval(self, centre: Point, axes: Point, colour: Colour, angle: float = 0, outline: bool = True) -> None:
        places = (self._at(centre), self._lengths(axes), angle, 0, 360)
        cv2.ellipse(self.image, *places, colour, -1, cv2.LINE_AA, self.PARTS)
        if outline:
            cv2.ellipse(self.image, *places, INK, self.ink, cv2.LINE_AA, self.PARTS)

    def arc(self, centre: Point, axes: Point, start: float, end: float, colour: Colour = INK, width: float = 1.3, angle: float = 0) -> None:
        thickness = max(1, round(width * self.scale))
        cv2.ellipse(self.image, self._at(centre), self._lengths(axes), angle, start, end, colour, thickness, cv2.LINE_AA, self.PARTS)

    def shape(self, points: list[Point], colour: Colour, outline: bool = True) -> None:
        corners = np.array([self._at(point) for point in points], np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, self.PARTS)
        if outline:
            cv2.polylines(self.image, [corners], True, INK, self.ink, cv2.LINE_AA, self.PARTS)

    def line(self, points: list[Point], width: float = 1.3, colour: Colour = INK) -> None:
        corners = np.array([self._at(point) for point in points], np.int32)
        cv2.polylines(self.image, [corners], False, colour, max(1, round(width * self.scale)), cv2.LINE_AA, self.PARTS)

    def box(self, left: float, top: float, width: float, height: float, colour: Colour, outline: bool = True) -> None:
        self.shape([(left, top), (left + width, top), (left + width, top + height), (left, top + height)], colour, outline)


class Scene(StrEnum):
    """What is before the camera."""

    ALONE = "alone"
    AWAY = "away"  # the chair is empty
    VISITED = "visited"  # someone else has come into the picture


@dataclass(frozen=True)
class Pose:
    """How the figure sits at an instant. Lengths in units, `turn` and `nod` from -1 to 1."""

    sway: float
    breath: float
    turn: float
    nod: float
    tilt: float
    eyes: float
    mouth: float
    hand: bool


def _curve(points: list[Point], steps: int = 6) -> list[Point]:
    """A closed soft line through the points (Catmull-Rom)."""
    found: list[Point] = []
    count = len(points)
    for at in range(count):
        a, b, c, d = (points[(at + k - 1) % count] for k in range(4))
        for step in range(steps):
            t = step / steps
            found.append(
                tuple(  # type: ignore[arg-type]
                    0.5
                    * (
                        2 * b[k]
                        + (c[k] - a[k]) * t
                        + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t * t
                        + (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t**3
                    )
                    for k in (0, 1)
                )
            )
    return found


@dataclass
class Figure:
    """One made-up person at a desk."""

    seed: int
    _loop: dict[tuple[int, Scene], bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        chance = random.Random(f"figure {self.seed}")
        self.skin = _colour(chance.choice(SKINS))
        self.hair = _colour(chance.choice(HAIRS))
        self.clothes = _colour(chance.choice(CLOTHES))
        self.wall = _colour(chance.choice(WALLS))
        self.style = chance.choice(("short", "short", "bob", "long", "bun", "curls", "side", "bald", "scarf"))
        self.glasses = chance.choice(("none", "none", "round", "square", "half"))
        self.beard = (
            chance.choice(("none", "none", "none", "full", "moustache")) if self.style in ("short", "side", "bald", "curls") else "none"
        )
        self.dress = chance.choice(("crew", "collar", "stripes", "hood", "buttons"))
        self.earrings = self.style in ("bob", "long", "bun") and chance.random() < 0.5
        self.width, self.height = chance.uniform(31, 36), chance.uniform(41, 46)
        self.place = (chance.uniform(150, 172), chance.uniform(108, 118))
        self.brow = chance.uniform(-1.5, 1.5)
        self.phases = [chance.uniform(0, 2 * math.pi) for _ in range(6)]
        self.things = chance.sample(("window", "shelf", "picture", "plant", "lamp", "clock", "door"), 2)
        self.cat = chance.random() < 0.2
        # Two blinks fall on whole seconds, so that they are seen at one picture a second too.
        self.blinks = [float(chance.randrange(1, LOOP_SECONDS)) for _ in range(2)] + [chance.uniform(0, LOOP_SECONDS) for _ in range(8)]
        self.reads_at = chance.uniform(0, LOOP_SECONDS - 9)
        self.thinks_at = chance.uniform(0, LOOP_SECONDS - 7)
        self.rng = chance.randrange(2**31)

    # ------------------------------------------------------------ movement

    def pose(self, seconds: float) -> Pose:
        t = seconds % LOOP_SECONDS
        wave = [math.sin(2 * math.pi * t / period + phase) for period, phase in zip((40, 20, 10, 8, 5, 4), self.phases, strict=True)]
        reading = max(0.0, math.sin(math.pi * (t - self.reads_at) / 9)) if 0 <= t - self.reads_at <= 9 else 0.0
        thinking = 0 <= t - self.thinks_at <= 7
        blink = any(0 <= t - at < 0.3 for at in self.blinks)
        return Pose(
            sway=3.5 * wave[0] + 1.5 * wave[2],
            breath=1.3 * wave[5],
            turn=0.42 * wave[1] + 0.25 * wave[3] + (0.2 if thinking else 0),
            nod=0.25 * wave[2] + 0.9 * reading,
            tilt=2.5 * wave[1] + (5 if thinking else 0),
            eyes=0.08 if blink else 1 - 0.35 * reading,
            mouth=0.5 + 0.5 * wave[4],
            hand=thinking,
        )

    # ------------------------------------------------------------ pictures

    def still(self, seconds: float, width: int = WIDTH, height: int = HEIGHT, scene: Scene = Scene.ALONE) -> bytes:
        """The JPEG at an instant. Pictures of the usual size come from the loop, one a second, drawn once."""
        if (width, height) != (WIDTH, HEIGHT):
            return self._jpeg(self.draw(seconds, width, height, scene))
        # An empty room without a camera's noise would be taken for a picture that stands still.
        if scene is Scene.AWAY:
            return self._jpeg(self._noisy(self.draw(seconds, width, height, scene), seconds))
        place = (int(seconds) % LOOP_SECONDS, scene)
        if place not in self._loop:
            self._loop[place] = self._jpeg(self.draw(place[0], scene=scene))
        return self._loop[place]

    def _noisy(self, image: Image, seconds: float) -> Image:
        noise = np.random.default_rng([self.rng, int(seconds * 10)]).normal(0, 2, (*image.shape[:2], 1))
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    @staticmethod
    def _jpeg(image: Image) -> bytes:
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()

    def draw(self, seconds: float, width: int = WIDTH, height: int = HEIGHT, scene: Scene = Scene.ALONE) -> Image:
        scale = max(width / WIDTH, height / HEIGHT)
        image = _room(self.seed, width, height).copy()
        pen = Pen(image, scale)
        if self.cat:
            self._cat(pen, seconds)
        if scene is Scene.AWAY:
            return image
        if scene is Scene.VISITED:
            Figure(self.seed + VISITOR)._sit(Pen(image, scale * 0.8, (160, 36)), seconds)
        self._sit(pen, seconds)
        return image

    def _sit(self, pen: Pen, seconds: float) -> None:
        pose = self.pose(seconds)
        head = (self.place[0] + pose.sway, self.place[1] + 0.5 * pose.breath + 3 * pose.nod)
        self._hair_behind(pen, head, pose)
        self._body(pen, pose)
        self._head(pen, head, pose)
        if pose.hand:
            self._hand(pen, head)

    def room(self, width: int, height: int) -> Image:
        """What stays still behind the figure."""
        scale = max(width / WIDTH, height / HEIGHT)
        shade = np.linspace(1.04, 0.9, height)[:, None, None] * np.linspace(1.02, 0.95, width)[None, :, None]
        image = np.clip(np.array(self.wall, float) * shade, 0, 255).astype(np.uint8)
        pen = Pen(image, scale)
        for thing, left in zip(self.things, (6, 226), strict=True):
            getattr(self, f"_{thing}")(pen, left)
        # A camera's grain, the same in every picture so that it costs nothing to draw.
        grain = np.random.default_rng(self.rng).normal(0, 1.2, (height, width, 1))
        return np.clip(image + grain, 0, 255).astype(np.uint8)

    def _window(self, pen: Pen, left: float) -> None:
        pen.box(left, 18, 86, 92, (250, 247, 240))
        pen.box(left + 6, 24, 74, 80, (238, 214, 176), outline=False)
        pen.oval((left + 26, 46), (13, 6), (252, 250, 248), outline=False)
        pen.oval((left + 36, 42), (12, 7), (252, 250, 248), outline=False)
        pen.shape(
            [(left + 6, 104), (left + 6, 88), (left + 30, 80), (left + 56, 90), (left + 80, 82), (left + 80, 104)],
            (128, 168, 138),
            outline=False,
        )
        pen.line([(left + 43, 24), (left + 43, 104)], 2.4, (250, 247, 240))
        pen.line([(left + 6, 62), (left + 80, 62)], 2.4, (250, 247, 240))
        pen.box(left - 4, 108, 94, 6, (246, 242, 234))

    def _shelf(self, pen: Pen, left: float) -> None:
        chance = random.Random(self.seed)
        for top in (52, 104):
            at = left + 3
            while at < left + 76:
                width, height = chance.uniform(5, 11), chance.uniform(24, 38)
                pen.box(at, top - height, width, height, _shade(_colour(chance.choice(CLOTHES)), 1.15))
                at += width + chance.choice((0.5, 0.5, 6))
            pen.box(left, top, 88, 5, (92, 132, 172))

    def _picture(self, pen: Pen, left: float) -> None:
        pen.box(left + 10, 22, 62, 48, (70, 104, 140))
        pen.box(left + 15, 27, 52, 38, (226, 232, 236))
        pen.shape([(left + 15, 65), (left + 32, 40), (left + 44, 56), (left + 54, 46), (left + 67, 65)], _shade(self.clothes, 1.1))
        pen.oval((left + 56, 36), (5, 5), (96, 190, 240))

    def _plant(self, pen: Pen, left: float) -> None:
        for angle in (-64, -34, -8, 20, 48):
            tip = (left + 42 + 46 * math.sin(math.radians(angle)), 150 - 66 * math.cos(math.radians(angle)))
            middle = ((left + 42 + tip[0]) / 2, (150 + tip[1]) / 2)
            pen.oval(middle, (34, 8), (96, 148, 92), angle=angle - 90)
        pen.shape([(left + 22, 148), (left + 62, 148), (left + 56, 196), (left + 28, 196)], (86, 120, 190))

    def _lamp(self, pen: Pen, left: float) -> None:
        pen.oval((left + 42, 92), (54, 50), _shade(self.wall, 1.07), outline=False)
        pen.line([(left + 42, 96), (left + 42, 200)], 3, (70, 74, 84))
        pen.shape([(left + 26, 56), (left + 58, 56), (left + 70, 98), (left + 14, 98)], (168, 222, 246))

    def _clock(self, pen: Pen, left: float) -> None:
        pen.oval((left + 44, 46), (22, 22), (248, 246, 244))
        pen.line([(left + 44, 46), (left + 44, 31)], 2)
        pen.line([(left + 44, 46), (left + 55, 52)], 2)

    def _door(self, pen: Pen, left: float) -> None:
        pen.box(left + 8, 26, 70, 190, _shade(self.wall, 0.86))
        for top in (40, 118):
            pen.box(left + 20, top, 46, 62, _shade(self.wall, 0.91))
        pen.oval((left + 70, 122), (3.5, 3.5), (80, 150, 190))

    def _cat(self, pen: Pen, seconds: float) -> None:
        left, fur = 268, (92, 122, 158)
        tail = 7 * math.sin(2 * math.pi * seconds / 5)
        pen.line(
            _curve([(left + 24, 196), (left + 38, 186), (left + 36 + tail, 164), (left + 36 + tail, 165), (left + 38, 187)])[:18], 6, fur
        )
        pen.oval((left + 6, 200), (23, 20), fur)
        pen.shape([(left - 12, 176), (left - 8, 160), (left - 1, 170), (left + 8, 170), (left + 15, 160), (left + 19, 176)], fur)
        pen.oval((left + 3, 180), (16, 13), fur)
        asleep = int(seconds) % 8 < 5
        for x in (left - 3, left + 9):
            pen.arc((x, 178), (3, 1.6), 0, 180) if asleep else pen.oval((x, 178), (2, 2.6), INK, outline=False)
        pen.oval((left + 3, 184), (1.6, 1.2), (130, 130, 200), outline=False)

    def _body(self, pen: Pen, pose: Pose) -> None:
        x, y = self.place[0] + 0.7 * pose.sway, self.place[1] + 62 - pose.breath
        pen.shape(_curve([(x - 15, y - 24), (x + 15, y - 24), (x + 16, y + 8), (x - 16, y + 8)]), _shade(self.skin, 0.9))
        shoulders = [
            (x - 92, 262),
            (x - 84, y + 34),
            (x - 56, y + 12),
            (x - 20, y - 1),
            (x, y + 6),
            (x + 20, y - 1),
            (x + 56, y + 12),
            (x + 84, y + 34),
            (x + 92, 262),
        ]
        pen.shape(_curve(shoulders, 5), self.clothes)
        dark, light = _shade(self.clothes, 0.78), _shade(self.clothes, 1.25)
        match self.dress:
            case "collar":
                pen.shape([(x - 20, y - 2), (x, y + 16), (x - 15, y + 26), (x - 30, y + 6)], light)
                pen.shape([(x + 20, y - 2), (x, y + 16), (x + 15, y + 26), (x + 30, y + 6)], light)
            case "stripes":
                for down in (26, 44, 62):
                    pen.arc((x, y + down - 18), (80, 20), 30, 150, light, 4)
            case "hood":
                pen.arc((x, y - 4), (34, 22), 15, 165, dark, 9)
                pen.line([(x - 10, y + 18), (x - 12, y + 40)], 1.6, light)
                pen.line([(x + 10, y + 18), (x + 12, y + 40)], 1.6, light)
            case "buttons":
                pen.line([(x, y + 8), (x, 250)], 1.3, dark)
                for down in (22, 40, 58):
                    pen.oval((x + 5, y + down), (2, 2), light)
            case _:
                pen.arc((x, y - 6), (21, 16), 20, 160, dark, 4)

    def _hair_behind(self, pen: Pen, head: Point, pose: Pose) -> None:
        x, y = head[0] - 2 * pose.turn, head[1]
        w, h = self.width, self.height
        match self.style:
            case "long":
                pen.shape(
                    _curve(
                        [
                            (x - w - 9, y - 10),
                            (x, y - h - 10),
                            (x + w + 9, y - 10),
                            (x + w + 12, y + 66),
                            (x + 20, y + 74),
                            (x - 20, y + 74),
                            (x - w - 12, y + 66),
                        ]
                    ),
                    self.hair,
                )
            case "bob":
                pen.shape(
                    _curve([(x - w - 9, y - 8), (x, y - h - 9), (x + w + 9, y - 8), (x + w + 9, y + 32), (x, y + 40), (x - w - 9, y + 32)]),
                    self.hair,
                )
            case "bun":
                pen.oval((x, y - h - 11), (16, 14), self.hair)
                pen.oval((x, y - 6), (w + 5, h), self.hair)
            case "curls":
                for angle in range(170, 380, 26):
                    away = (x + (w + 3) * math.cos(math.radians(angle)), y - 8 + (h - 2) * math.sin(math.radians(angle)))
                    pen.oval(away, (14, 14), self.hair)
            case "scarf":
                pen.shape(
                    _curve(
                        [
                            (x - w - 11, y),
                            (x - w, y - 34),
                            (x, y - h - 12),
                            (x + w, y - 34),
                            (x + w + 11, y),
                            (x + w + 6, y + 62),
                            (x, y + 78),
                            (x - w - 6, y + 62),
                        ]
                    ),
                    _shade(self.clothes, 1.2),
                )

    def _head(self, pen: Pen, head: Point, pose: Pose) -> None:
        x, y = head
        w, h = self.width, self.height
        lean = math.radians(pose.tilt)

        def at(right: float, down: float) -> Point:
            """A place on the face; what lies nearer to the middle moves more when the head turns."""
            depth = 1 - min(1.0, (right / w) ** 2)
            across, along = right + 11 * pose.turn * depth, down + 7 * pose.nod * (1 - min(1.0, (down / h) ** 2))
            return x + across * math.cos(lean) - along * math.sin(lean), y + across * math.sin(lean) + along * math.cos(lean)

        covered_ears = self.style in ("long", "bob", "scarf")
        if not covered_ears:
            for side in (-1, 1):
                pen.oval(at(side * (w + 1), 2), (6, 9), _shade(self.skin, 0.92), pose.tilt)
        face = [
            at(0, -h),
            at(w * 0.72, -h * 0.72),
            at(w, -2),
            at(w * 0.86, h * 0.5),
            at(w * 0.4, h * 0.92),
            at(0, h),
            at(-w * 0.4, h * 0.92),
            at(-w * 0.86, h * 0.5),
            at(-w, -2),
            at(-w * 0.72, -h * 0.72),
        ]
        pen.shape(_curve(face), self.skin)
        for side in (-1, 1):
            pen.oval(at(side * w * 0.56, 15), (7, 4.5), _shade_towards(self.skin, (120, 120, 232), 0.22), pose.tilt, outline=False)
        if self.earrings:
            for side in (-1, 1):
                pen.oval(at(side * (w + 2), 16), (2.6, 3.4), (120, 200, 235))
        self._beard(pen, at, pose)
        self._features(pen, at, pose)
        self._hair_before(pen, at)
        self._glasses(pen, at, pose)

    def _features(self, pen: Pen, at: Face, pose: Pose) -> None:
        w = self.width
        dark = _shade(self.hair, 0.75) if self.style not in ("bald", "scarf") else INK
        for side in (-1, 1):
            eye = at(side * w * 0.45, -3)
            if pose.eyes < 0.2:
                pen.arc(eye, (6.5, 2.4), 10, 170, width=1.6, angle=pose.tilt)
            else:
                pen.oval(eye, (6.6, 4.6 * pose.eyes), (250, 250, 250), pose.tilt)
                looked = (eye[0] + 2.2 * pose.turn, eye[1] + 1.6 * pose.nod)
                pen.oval(looked, (2.7, min(2.7, 3.4 * pose.eyes)), INK, outline=False)
                pen.oval((looked[0] + 0.9, looked[1] - 0.9), (0.8, 0.8), (255, 255, 255), outline=False)
            inner, outer = at(side * w * 0.24, -13 + self.brow), at(side * w * 0.66, -13.5 - self.brow * 0.6)
            pen.line([inner, ((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2 - 2), outer], 2.2, dark)
        nose = at(1.5 * pose.turn, 10)
        pen.line([at(2 + 3 * pose.turn, -1), (nose[0] + 3.5, nose[1]), (nose[0] - 1.5, nose[1] + 2)], 1.3, _shade(self.skin, 0.55))
        pen.arc(at(0, 21), (8.5, 3 + 1.6 * pose.mouth), 15, 165, _shade(self.skin, 0.42), 1.9, pose.tilt)

    def _beard(self, pen: Pen, at: Face, pose: Pose) -> None:
        w, h = self.width, self.height
        if self.beard == "full":
            pen.shape(
                _curve(
                    [
                        at(-w * 0.95, 6),
                        at(-w * 0.5, 14),
                        at(0, 15),
                        at(w * 0.5, 14),
                        at(w * 0.95, 6),
                        at(w * 0.8, h * 0.66),
                        at(0, h + 5),
                        at(-w * 0.8, h * 0.66),
                    ]
                ),
                self.hair,
            )
            pen.oval(at(0, 22), (10, 5), self.skin, pose.tilt, outline=False)
        elif self.beard == "moustache":
            pen.shape(_curve([at(-13, 18), at(0, 13), at(13, 18), at(0, 18.5)]), self.hair)

    def _hair_before(self, pen: Pen, at: Face) -> None:
        w, h = self.width, self.height
        cap = [
            at(-w - 3, 0),
            at(-w - 1, -h * 0.6),
            at(-w * 0.5, -h - 5),
            at(0, -h - 8),
            at(w * 0.5, -h - 5),
            at(w + 1, -h * 0.6),
            at(w + 3, 0),
        ]
        match self.style:
            case "short":
                pen.shape(
                    _curve(
                        [
                            at(-w - 2, -5),
                            *cap[1:-1],
                            at(w + 2, -5),
                            at(w * 0.86, -h * 0.36),
                            at(w * 0.6, -h * 0.64),
                            at(0, -h * 0.7),
                            at(-w * 0.6, -h * 0.64),
                            at(-w * 0.86, -h * 0.36),
                        ]
                    ),
                    self.hair,
                )
            case "side":
                pen.shape(
                    _curve([*cap, at(w * 0.84, -h * 0.42), at(w * 0.1, -h * 0.5), at(-w * 0.45, -h * 0.78), at(-w * 0.88, -h * 0.36)]),
                    self.hair,
                )
            case "bob":
                pen.shape(
                    _curve([*cap[1:-1], at(w * 0.9, -h * 0.3), at(w * 0.45, -h * 0.44), at(-w * 0.45, -h * 0.44), at(-w * 0.9, -h * 0.3)]),
                    self.hair,
                )
            case "long" | "bun":
                pen.shape(_curve([*cap, at(w * 0.8, -h * 0.45), at(0, -h * 0.86), at(-w * 0.8, -h * 0.45)]), self.hair)
            case "curls":
                for share in (-0.75, -0.38, 0, 0.38, 0.75):
                    pen.oval(at(w * share, -h * (0.98 - 0.3 * share * share)), (11, 10), self.hair)
            case "scarf":
                pen.shape(_curve([*cap, at(w * 0.9, -h * 0.3), at(0, -h * 0.74), at(-w * 0.9, -h * 0.3)]), _shade(self.clothes, 1.2))

    def _glasses(self, pen: Pen, at: Face, pose: Pose) -> None:
        if self.glasses == "none":
            return
        frame = (60, 44, 40) if sum(self.skin) > 300 else (150, 190, 210)
        left, right = at(-self.width * 0.45, -2), at(self.width * 0.45, -2)
        for eye in (left, right):
            if self.glasses == "round":
                pen.arc(eye, (11, 10.5), 0, 360, frame, 1.8)
            elif self.glasses == "half":
                pen.arc(eye, (12, 8.5), 0, 180, frame, 1.8, pose.tilt)
            else:
                x, y = eye
                pen.line([(x - 12, y - 8), (x + 12, y - 8), (x + 11, y + 8), (x - 11, y + 8), (x - 12, y - 8)], 1.8, frame)
        pen.line([(left[0] + 11, left[1] - 2), (right[0] - 11, right[1] - 2)], 1.8, frame)
        pen.line([(left[0] - 11, left[1] - 2), at(-self.width, -4)], 1.6, frame)
        pen.line([(right[0] + 11, right[1] - 2), at(self.width, -4)], 1.6, frame)

    def _hand(self, pen: Pen, head: Point) -> None:
        x, y = head[0] + 20, head[1] + self.height - 2
        pen.shape([(x + 10, y + 12), (x + 26, y + 6), (x + 62, 246), (x + 30, 246)], _shade(self.clothes, 0.92))
        pen.oval((x + 8, y + 2), (15, 12), self.skin, -24)
        for k in range(3):
            pen.oval((x - 6 + 6.5 * k, y - 8 + k), (4, 7.5), self.skin, -14)


def _shade_towards(colour: Colour, other: Colour, share: float) -> Colour:
    blue, green, red = (round(a * (1 - share) + b * share) for a, b in zip(colour, other, strict=True))
    return blue, green, red


@lru_cache(maxsize=96)
def _room(seed: int, width: int, height: int) -> Image:
    return Figure(seed).room(width, height)
