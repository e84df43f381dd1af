"""Real images without a library: a pattern of sixteen by sixteen squares in two colours, drawn from a seed."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Mapping
from itertools import pairwise

_SIDE = 16


def draw_png(width: int, height: int, seed: bytes) -> bytes:
    """A PNG of this size in pixels; another seed gives another image, the same seed the same bytes."""
    digest = hashlib.shake_256(seed).digest(2 * _SIDE + 6)
    head = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)  # one bit for a pixel, by palette
    rows = [int.from_bytes(digest[2 * index : 2 * index + 2]) for index in range(_SIDE)]
    raw = b"".join(
        (b"\0" + _row(width, bits)) * (end - start) for bits, (start, end) in zip(rows, _edges(height), strict=True)
    )
    parts = ((b"IHDR", head), (b"PLTE", digest[-6:]), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _edges(length: int) -> list[tuple[int, int]]:
    return list(pairwise(length * index // _SIDE for index in range(_SIDE + 1)))


def _row(width: int, bits: int) -> bytes:
    text = "".join(str(bits >> index & 1) * (end - start) for index, (start, end) in enumerate(_edges(width)))
    size = -(-width // 8)
    return int(text.ljust(size * 8, "0"), 2).to_bytes(size)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def draw_jpeg(width: int, height: int, seed: bytes) -> bytes:
    """A JPEG of this size, all of one grey."""
    level = hashlib.sha256(seed).digest()[0] & 63  # the first block's difference is 64 to 127, always of seven bits
    blocks = -(-width // 8) * -(-height // 8)
    bits = "10" + format(64 + level, "07b") + "0" + "00" * (blocks - 1)
    size = -(-len(bits) // 8)
    scan = int(bits.ljust(size * 8, "1"), 2).to_bytes(size).replace(b"\xff", b"\xff\0")
    tables = (b"\0" + b"\1\1" + bytes(14) + b"\0\7", b"\x10" + b"\1" + bytes(15) + b"\0")
    parts = (
        (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        (0xDB, b"\0" + bytes([8] * 64)),
        (0xC0, struct.pack(">BHHB3B", 8, height, width, 1, 1, 0x11, 0)),
        *((0xC4, table) for table in tables),
        (0xDA, b"\1\1\0\0\x3f\0"),
    )
    head = b"".join(struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in parts)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def draw_webp(width: int, height: int, seed: bytes) -> bytes:
    """A lossless WebP of this size, all of one colour: each prefix code has a single symbol, so pixels take no bits."""
    red, green, blue = hashlib.sha256(seed).digest()[:3]
    bits, at = 0, 0
    fields = [(0x2F, 8), (width - 1, 14), (height - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    for symbol in (green, red, blue, 255):
        fields += [(1, 1), (0, 1), (1, 1), (symbol, 8)]
    fields += [(1, 1), (0, 1), (0, 1), (0, 1)]
    for value, width_ in fields:
        bits |= value << at
        at += width_
    data = bits.to_bytes(-(-at // 8), "little")
    data += b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


DRAW: Mapping[str, Callable[[int, int, bytes], bytes]] = {"png": draw_png, "jpeg": draw_jpeg, "webp": draw_webp}
