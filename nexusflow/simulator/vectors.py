"""Embeddings: a direction for each word, and texts on the way of their words. The same text has the same vector."""

import base64
import functools
import hashlib
import math
import struct
from collections import Counter

from nexusflow.simulator.tokens import pieces

DIMENSIONS = 1536


def embed(text: str, dimensions: int) -> tuple[float, ...]:
    """The vector of `text`: of length 1, in the precision of 32 bits; shorter ones are the beginning of longer ones."""
    words = Counter(piece.strip().lower() for piece in pieces(text)) or Counter(("",))
    summed = [0.0] * dimensions
    for word, number in words.items():
        for at, value in enumerate(_direction(word)[:dimensions]):
            summed[at] += number * value
    length = math.sqrt(sum(value * value for value in summed)) or 1.0
    return struct.unpack(f"<{dimensions}f", _packed([value / length for value in summed]))


def to_base64(vector: tuple[float, ...]) -> str:
    """A vector as OpenAI's `encoding_format: base64` has it: 32-bit floats, little end first."""
    return base64.b64encode(_packed(vector)).decode()


def _packed(values: list[float] | tuple[float, ...]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@functools.lru_cache(maxsize=4096)
def _direction(word: str) -> tuple[int, ...]:
    data = hashlib.shake_128(word.encode()).digest(2 * DIMENSIONS)
    return struct.unpack(f"<{DIMENSIONS}h", data)
