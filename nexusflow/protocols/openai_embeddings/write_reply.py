"""A canonical embeddings answer for an OpenAI client."""

from typing import Any

import msgspec

from nexusflow.ir.embeddings import EmbeddingCall, EmbeddingReply
from nexusflow.protocols.openai_embeddings import vectors
from nexusflow.tokens.embeddings import estimated_usage


def write(reply: EmbeddingReply, call: EmbeddingCall) -> bytes:
    """The answer to `call`, under the model name that it asked for and in the encoding that it asked for.

    Where the provider reported no usage, the counts are our estimate: the official clients expect numbers there.
    Raises `RequestRefused` (E-UPSTREAM) when a vector does not fit the encoding.
    """
    tokens = (reply.usage or estimated_usage(call)).total_input
    body: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": vectors.spelled(vector, call.encoding)}
            for at, vector in enumerate(reply.vectors)
        ],
        "model": call.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return msgspec.json.encode(body)
