"""Vectors of numbers as packed little-endian float32, the form inside base64 embeddings (contract 2.6)."""

import binascii
import math
import sys
from array import array
from collections.abc import Iterable

_SWAP = sys.byteorder == "big"


class NotAVector(ValueError):
    """The bytes or numbers are no vector of finite float32. The message is safe to show."""


def pack(values: Iterable[float]) -> bytes:
    """Four bytes for each number, rounded to the nearest float32. Raises `NotAVector` beyond its range."""
    packed = array("f", values)
    _require_finite(packed)
    if _SWAP:
        packed.byteswap()
    return packed.tobytes()


def unpack(data: bytes) -> list[float]:
    """The numbers, exactly. Raises `NotAVector` for half a number, NaN and infinities, which JSON cannot hold."""
    if len(data) % 4:
        raise NotAVector("the length is no multiple of 4 bytes")
    packed = array("f", data)
    if _SWAP:
        packed.byteswap()
    _require_finite(packed)
    return packed.tolist()


def to_base64(data: bytes) -> str:
    """Standard base64 with padding, as the official clients read it."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def from_base64(text: str) -> bytes:
    """The packed bytes. Raises `NotAVector` for anything that is not strict base64."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise NotAVector("the text is not base64") from None


def _require_finite(packed: "array[float]") -> None:
    # A sum of doubles cannot overflow on float32 terms, so it is finite exactly when each of them is.
    if not math.isfinite(sum(packed)):
        raise NotAVector("a number is not finite")
