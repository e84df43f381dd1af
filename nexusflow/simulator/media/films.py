"""Real MP4 files without a library: one drawn PNG for each second, in a file that players can open."""

import hashlib
import struct

from nexusflow.simulator.media.pictures import draw_png

_SCALE = 1000  # units of time in a second
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def film(width: int, height: int, seconds: int, seed: bytes) -> bytes:
    """An MP4 of so many seconds; another seed gives another film, the same seed the same bytes."""
    frames = [draw_png(width, height, hashlib.sha256(seed + bytes([index])).digest()) for index in range(seconds)]
    head = _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41")
    first = len(head) + len(_movie(width, height, frames, 0)) + 8
    return head + _movie(width, height, frames, first) + _box(b"mdat", *frames)


def _movie(width: int, height: int, frames: list[bytes], first: int) -> bytes:
    """The description of a film whose first frame begins `first` bytes into the file."""
    length = len(frames) * _SCALE
    movie = _full(b"mvhd", 0, struct.pack(">5IH10x", 0, 0, _SCALE, length, 0x10000, 0x100), _MATRIX, bytes(24), _u32(2))
    track = _full(
        b"tkhd", 7, struct.pack(">5I8x4H", 0, 0, 1, 0, length, 0, 0, 0, 0), _MATRIX,
        struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, struct.pack(">4IHH", 0, 0, _SCALE, length, 0x55C4, 0)),
        _full(b"hdlr", 0, _u32(0), b"vide", bytes(12), b"simulated\0"),
        _box(b"minf", _full(b"vmhd", 1, bytes(8)), _source(), _samples(width, height, frames, first)),
    )
    return _box(b"moov", movie, _box(b"trak", track, media))


def _source() -> bytes:
    return _box(b"dinf", _full(b"dref", 0, _u32(1), _full(b"url ", 1)))


def _samples(width: int, height: int, frames: list[bytes], first: int) -> bytes:
    picture = struct.pack(">6xH16xHHIIIH32sHh", 1, width, height, 0x480000, 0x480000, 0, 1, b"\x03png", 24, -1)
    return _box(
        b"stbl",
        _full(b"stsd", 0, _u32(1), _box(b"png ", picture)),
        _full(b"stts", 0, _u32(1, len(frames), _SCALE)),
        _full(b"stsc", 0, _u32(1, 1, len(frames), 1)),
        _full(b"stsz", 0, _u32(0, len(frames), *map(len, frames))),
        _full(b"stco", 0, _u32(1, first)),
    )


def _u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def _box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + kind + data


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(kind, _u32(flags), *parts)
