"""A look at a picture's own header, so that what is over the bounds is refused before anything decodes it."""

import struct

from testing_platform import errors

MOST_BYTES = 200_000
WIDEST, HIGHEST = 1280, 960
# A camera's JPEG has one scan, a progressive one some ten. Each costs a pass over the whole picture and can be written in a dozen bytes: 200 kB of them
# take a decoder 20 seconds.
MOST_SCANS = 64


class BadPicture(errors.Refusal):
    code = "bad-picture"


def jpeg_size(data: bytes) -> tuple[int, int]:
    """(width, height) from a JPEG's frame header. Raises BadPicture for anything that is not a whole JPEG."""
    if data[:3] != b"\xff\xd8\xff" or data.rstrip(b"\0")[-2:] != b"\xff\xd9":
        raise BadPicture(why="not-jpeg")
    if data.count(b"\xff\xda") > MOST_SCANS:
        raise BadPicture(why="too-many-scans", most=MOST_SCANS)
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        if marker == 0xDA:
            break
        at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    raise BadPicture(why="no-frame-header")


def check_still(data: bytes) -> tuple[int, int]:
    """Raises BadPicture for a still that is too large by its bytes or by its own header."""
    if len(data) > MOST_BYTES:
        raise BadPicture(why="too-many-bytes", most=MOST_BYTES)
    width, height = jpeg_size(data)
    if not (16 <= width <= WIDEST and 16 <= height <= HIGHEST):
        raise BadPicture(why="size", width=width, height=height)
    return width, height
