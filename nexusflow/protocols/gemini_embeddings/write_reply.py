"""A canonical embeddings answer for a Gemini client."""

from typing import Any

import msgspec

from nexusflow.ir.embeddings import EmbeddingCall, EmbeddingReply, Vector
from nexusflow.ir.errors import Kind, refuse
from nexusflow.wire import float32


def write(reply: EmbeddingReply, call: EmbeddingCall) -> bytes:
    """The answer to `call`, in the form of the verb that it used; Google's only encoding is numbers.

    Usage is written where it was reported. Raises `RequestRefused` (E-UPSTREAM) for a vector that is none.
    """
    found = [{"values": _numbers(vector)} for vector in reply.vectors]
    body: dict[str, Any] = {"embeddings": found} if call.batch else {"embedding": found[0]}
    if reply.usage is not None:
        tokens = reply.usage.total_input
        body["usageMetadata"] = {"promptTokenCount": tokens, "totalTokenCount": tokens}
    return msgspec.json.encode(body)


def _numbers(vector: Vector) -> list[float]:
    try:
        return float32.unpack(vector) if isinstance(vector, bytes) else vector
    except float32.NotAVector as wrong:
        raise refuse(Kind.UPSTREAM, f"The provider sent an embedding that is no vector: {wrong}.") from None
