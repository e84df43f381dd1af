"""Spelling a vector for an OpenAI client."""

import msgspec
from msgspec import Raw

from nexusflow.ir.embeddings import Encoding, Vector
from nexusflow.ir.errors import Kind, refuse
from nexusflow.wire import float32

_encode = msgspec.json.Encoder().encode


def spelled(vector: Vector, encoding: Encoding) -> Raw:
    """The vector as JSON: numbers, or a base64 string of packed little-endian float32 (contract 2.6).

    Raises `RequestRefused` (E-UPSTREAM) when a number does not fit.
    """
    try:
        if encoding == "base64":
            packed = vector if isinstance(vector, bytes) else float32.pack(vector)
            return Raw(b'"' + float32.to_base64(packed).encode() + b'"')
        return Raw(_encode(float32.unpack(vector) if isinstance(vector, bytes) else vector))
    except float32.NotAVector as wrong:
        raise refuse(Kind.UPSTREAM, f"The provider sent an embedding that is no vector: {wrong}.") from None
