"""`testing-platform vision …`: the eyes on files alone, with no database."""

import contextlib
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from testing_platform.proctor.signals import CLIP, Cleared, Watch, still_signals, straight_ahead

if TYPE_CHECKING:
    from testing_platform.proctor.vision import Eyes, Observation

RATE = 10  # frames a second in a clip
CHUNK = 1 << 16
START, END = b"\xff\xd8\xff", b"\xff\xd9"


@click.group()
def vision() -> None:
    """What software sees in pictures. It flags, a person decides."""


@vision.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def inspect(files: tuple[Path, ...], as_json: bool) -> None:
    """Look at photographs (JPEG, PNG, WebP) and clips (.mjpeg: JPEG frames back to back, 10 a second).

    For a clip: the most common count of faces, medians, and what the profile for clips makes of it, in seconds from the start.
    """
    from testing_platform.proctor.vision import Eyes

    eyes = Eyes()
    found, refused = [], []
    for file in files:
        try:
            found.append(look_at(eyes, file))
        except Cannot as problem:
            click.echo(f"testing-platform: {file}: {problem}", err=True)
            refused.append({"file": str(file), "error": str(problem)})
    if as_json:
        click.echo(json.dumps({"files": found} | ({"refused": refused} if refused else {})))
    else:
        for line in table(found):
            click.echo(line)
    sys.exit(1 if refused else 0)


class Cannot(Exception):
    """Why a file cannot be looked at, as a sentence's end."""


WHY = {
    "no-picture": "is no JPEG, PNG or WebP picture",
    "broken": "is damaged or cut off, so it cannot be decoded",
    "too-many-bytes": "is larger than 64 MiB",
    "size": "is smaller than 16 pixels, longer than 8 times its width, or larger than 50 megapixels",
}


def look_at(eyes: "Eyes", file: Path) -> dict[str, Any]:
    """What one file shows. Raises Cannot."""
    from testing_platform.proctor.vision import FILE, Unreadable

    try:
        if file.is_dir():
            raise Cannot("is a folder")
        if file.suffix.lower() in (".mjpeg", ".mjpg"):
            with file.open("rb") as source:
                return look_at_clip(eyes, file, source)
        with file.open("rb") as source:
            data = source.read(FILE.most_bytes + 1)
        if not data:
            raise Cannot("is empty")
        return look_at_still(eyes, file, data)
    except Unreadable as problem:
        raise Cannot(WHY[problem.facts["why"]]) from None
    except FileNotFoundError:
        raise Cannot("there is no such file") from None
    except OSError as problem:
        raise Cannot(f"cannot be read ({problem.strerror})") from None


def look_at_still(eyes: "Eyes", file: Path, data: bytes) -> dict[str, Any]:
    seen = eyes.look_at_file(data)
    return {
        "file": str(file),
        "frames": 1,
        "faces": seen.people,
        "boxes": boxes(seen),
        "yaw": rounded(seen.yaw),
        "pitch": rounded(seen.pitch),
        "luminance": rounded(seen.luminance),
        "sharpness": rounded(seen.sharpness),
        "signals": [{"signal": signal, "start": 0, "end": 0, "peak": rounded(peak(seen, signal))} for signal in still_signals(seen)],
    }


def look_at_clip(eyes: "Eyes", file: Path, source: BinaryIO) -> dict[str, Any]:
    from testing_platform.proctor.vision import Unreadable

    shown: list[tuple[float, Observation]] = []  # the pictures themselves are not kept, a clip may be long
    number = 0
    for number, jpeg in enumerate(frames_of(source), 1):
        # A frame that cannot be decoded costs this frame; its place in time is kept.
        with contextlib.suppress(Unreadable):
            shown.append(((number - 1) / RATE, eyes.look_at_file(jpeg)))
    if not shown:
        raise Cannot("holds no whole JPEG frame that can be decoded")
    every = [seen for _, seen in shown]
    yaws = [seen.yaw for seen in every if seen.yaw is not None]
    watch = Watch(CLIP, straight_ahead(yaws))
    told = [one for at, seen in shown for one in watch.see(seen, at)] + [*watch.close(number / RATE)]
    count = Counter(seen.people for seen in every).most_common(1)[0][0]
    found = {
        "file": str(file),
        "frames": len(every),
        "faces": count,
        "boxes": next(boxes(seen) for seen in reversed(every) if seen.people == count),
        "yaw": middle(yaws),
        "pitch": middle([seen.pitch for seen in every if seen.pitch is not None]),
        "luminance": middle([seen.luminance for seen in every]),
        "sharpness": middle([seen.sharpness for seen in every]),
        "signals": [
            {"signal": one.signal, "start": round(one.start, 2), "end": round(one.end, 2), "peak": rounded(one.peak)}
            for one in sorted((one for one in told if isinstance(one, Cleared)), key=lambda one: (one.start, one.signal))
        ],
    }
    return found | ({"unreadable": number - len(every)} if number > len(every) else {})


def frames_of(source: BinaryIO, most: int = 64 * 1024**2) -> Iterator[bytes]:
    """The JPEG frames of a stream, whatever lies between them. A frame that is cut off at the end is left out; nothing is read whole.

    A frame ends at an end mark outside its segments: a picture within a picture, as telephones and cameras embed them, ends no frame.
    """
    held = bytearray()
    at_end = False

    def more() -> bool:
        nonlocal at_end
        read = source.read(max(CHUNK, len(held)))  # twice as much each time, because a frame is looked at from its start
        at_end = not read
        held.extend(read)
        return not at_end

    while True:
        start = held.find(START)
        if start < 0:
            del held[: max(0, len(held) - 2)]
            if not more():
                return
            continue
        del held[:start]
        while (end := frame_end(held)) == MORE and len(held) <= most and more():
            pass
        if end > 0:
            yield bytes(held[:end])
            del held[:end]
        elif end == MORE and at_end and held.find(START, 2) < 0:
            return
        else:
            # No frame begins here after all, or one that never ends: look for the next start.
            del held[:2]


MORE, NONE = 0, -1


def frame_end(data: bytearray) -> int:
    """Where the frame that begins this ends; MORE where that is not there yet, NONE where it is no frame."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return NONE
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            return at + 2
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            return NONE
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xDA:
            # In the picture's own data a mark is FF and something other than 00 or a restart.
            while True:
                at = data.find(0xFF, at)
                if at < 0 or at + 1 >= len(data):
                    return MORE
                if data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
                    at += 2
                elif data[at + 1] == 0xFF:
                    at += 1
                else:
                    break
    if data[at : at + 2] == END:
        return at + 2
    return MORE


# ------------------------------------------------------------ figures and words


def boxes(seen: "Observation") -> list[list[float]]:
    return [[*(round(value, 1) for value in face.box), round(face.score, 3)] for face in seen.faces]


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def middle(values: list[float]) -> float | None:
    return rounded(statistics.median(values)) if values else None


def peak(seen: "Observation", signal: str) -> float:
    return {
        "no_face": 0.0,
        "multiple_faces": float(seen.people),
        "looking_away": seen.yaw or 0.0,
        "too_dark": seen.luminance,
        "overexposed": seen.luminance,
        "blurred": seen.sharpness,
        "camera_covered": seen.contrast,
    }[signal]


def table(found: list[dict[str, Any]]) -> list[str]:
    """For people: a line for each file."""
    if not found:
        return []
    heads = ("file", "frames", "faces", "yaw", "pitch", "light", "sharpness", "signals")
    rows = [
        (
            one["file"],
            str(one["frames"]),
            str(one["faces"]),
            *("–" if one[name] is None else f"{one[name]:.0f}" for name in ("yaw", "pitch", "luminance", "sharpness")),
            ", ".join(said(signal, one["frames"] > 1) for signal in one["signals"]) or "none",
        )
        for one in found
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return [
        "  ".join(
            text.ljust(width) if column in (0, len(heads) - 1) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    ]


def said(signal: dict[str, Any], clip: bool) -> str:
    words = str(signal["signal"]).replace("_", " ")
    return f"{words} {signal['start']:g}–{signal['end']:g} s" if clip else words
