"""A provider's Gemini embeddings answer as a canonical one."""

from nexusflow.ir.embeddings import EmbeddingReply
from nexusflow.protocols.gemini_embeddings import answer


def read(body: bytes, *, count: int) -> EmbeddingReply:
    """The answer to `count` contents, single or batch.

    Raises `RequestRefused` (E-UPSTREAM) for an answer that is malformed, an error, empty or incomplete.
    """
    opened = answer.opened(body)
    return EmbeddingReply(
        vectors=tuple(answer.values(item) for item in answer.items(opened, count)),
        usage=answer.usage(opened),
    )
