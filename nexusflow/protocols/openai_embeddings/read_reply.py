"""A provider's OpenAI embeddings answer as a canonical one."""

from nexusflow.ir.embeddings import EmbeddingReply
from nexusflow.protocols.openai_embeddings import answer
from nexusflow.protocols.openai_embeddings.wire import EmbeddingItem


def read(body: bytes, *, count: int) -> EmbeddingReply:
    """The answer to `count` inputs.

    Raises `RequestRefused` (E-UPSTREAM) for an answer that is malformed, an error, empty or incomplete.
    """
    opened = answer.opened(body)
    ordered = _in_order(answer.items(opened, count))
    return EmbeddingReply(
        vectors=tuple(answer.vector(item.embedding) for item in ordered),
        model=opened.model,
        usage=answer.usage(opened),
    )


def _in_order(items: list[EmbeddingItem]) -> list[EmbeddingItem]:
    """By `index` where that numbers the inputs; providers that leave it out or repeat it answer in order."""
    places = {item.index: item for item in items if isinstance(item.index, int)}
    if places.keys() != set(range(len(items))):
        return items
    return [places[at] for at in range(len(items))]
