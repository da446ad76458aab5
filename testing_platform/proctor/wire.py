"""The 32 bytes before every picture on a live socket."""

import struct
import zlib
from dataclasses import dataclass

HEADER = struct.Struct("!BBBBHHIIQII")
MAGIC, VERSION = 0x54, 1
LIVE_STILL, EVIDENCE_STILL = 1, 2
MOST_BYTES = 512 * 1024


class BadFrame(ValueError):
    """Not a frame of this protocol; `str` names what is wrong, never the content."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    stream: int
    epoch: int
    seq: int
    capture_ms: int
    payload: bytes
    tile: int = 0
    flags: int = 0

    def pack(self, tile: int | None = None) -> bytes:
        return (
            HEADER.pack(
                MAGIC,
                VERSION,
                self.kind,
                self.flags,
                self.stream,
                self.tile if tile is None else tile,
                self.epoch,
                self.seq,
                self.capture_ms,
                len(self.payload),
                zlib.crc32(self.payload),
            )
            + self.payload
        )


def unpack(data: bytes) -> Frame:
    """Raises BadFrame."""
    if len(data) < HEADER.size:
        raise BadFrame("short")
    magic, version, kind, flags, stream, tile, epoch, seq, capture_ms, length, crc = HEADER.unpack_from(data)
    payload = data[HEADER.size :]
    if magic != MAGIC or version != VERSION:
        raise BadFrame("magic")
    if length != len(payload):
        raise BadFrame("length")
    if crc != zlib.crc32(payload):
        raise BadFrame("crc")
    return Frame(kind, stream, epoch, seq, capture_ms, payload, tile, flags)
