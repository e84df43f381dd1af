"""Records in a file: length, payload, and a CRC that runs on from record to record (I-15).

    | length, 4 bytes little-endian | payload | CRC-32 of length and payload, started from the CRC of the frame before |

A frame that was removed, repeated or moved breaks the chain at that place. As the CRC comes last, the four bytes in
front of any frame are what its own CRC started from: a sound frame can be found again behind damaged ones.
"""

import re
from collections.abc import Iterator
from struct import Struct as Layout
from zlib import crc32

from msgspec import Struct

LONGEST = 1 << 20  # bytes of payload; more is taken for damage
OVERHEAD = 8  # bytes that a frame adds to its payload

_word = Layout("<I")
_pack = _word.pack
_unpack_from = _word.unpack_from
_nonzero = re.compile(rb"[^\0]")


class RecordTooLong(ValueError):
    """A payload that no reader would accept."""


class Frame(Struct, frozen=True):
    """One sound record: its payload, the offset behind it, and its CRC, from which the next one goes on."""

    payload: bytes
    end: int
    chain: int


def seal(payload: bytes, chain: int) -> tuple[bytes, int]:
    """The frame of `payload` behind a frame whose CRC is `chain`, and its own CRC. Raises RecordTooLong."""
    length = len(payload)
    if length > LONGEST:
        raise RecordTooLong(f"a journal record of {length} bytes")
    body = _pack(length) + payload
    chain = crc32(body, chain)
    return body + _pack(chain), chain


def frame_at(data: bytes, offset: int, chain: int) -> Frame | None:
    """The frame that begins at `offset` and goes on from `chain`; None when there is no sound one."""
    if len(data) - offset < OVERHEAD:
        return None
    (length,) = _unpack_from(data, offset)
    end = offset + length + OVERHEAD
    if length > LONGEST or end > len(data):
        return None
    body = data[offset : end - 4]
    (stored,) = _unpack_from(data, end - 4)
    if crc32(body, chain) != stored:
        return None
    return Frame(body[4:], end, stored)


def frames_from(data: bytes, offset: int, chain: int) -> Iterator[Frame]:
    """The sound frames from `offset` on, up to the first that is not."""
    while (frame := frame_at(data, offset, chain)) is not None:
        yield frame
        offset, chain = frame.end, frame.chain


def next_sound(data: bytes, offset: int) -> int | None:
    """Where behind `offset` a frame begins whose CRC goes on from the four bytes before it; None when nowhere."""
    at = max(offset, 4)
    while (found := _nonzero.search(data, at)) is not None:
        # A length may begin with zero bytes, so begin a little before the first byte that is not zero.
        for candidate in range(max(at, found.start() - 3), found.start() + 1):
            (before,) = _unpack_from(data, candidate - 4)
            if frame_at(data, candidate, before) is not None:
                return candidate
        at = found.start() + 1
    return None
