"""Opening a provider's Gemini embeddings answer: what both the identity lane and the bridge must be sure of."""

import msgspec

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import errors
from nexusflow.protocols.gemini import usage as metadata
from nexusflow.protocols.gemini_embeddings.wire import ContentEmbedding, EmbeddingAnswer

_decode = msgspec.json.Decoder(EmbeddingAnswer).decode
_decode_values = msgspec.json.Decoder(list[float]).decode


def opened(body: bytes) -> EmbeddingAnswer:
    """The answer's members. Raises `RequestRefused` (E-UPSTREAM): malformed (U-11), or an error in a 200 (U-16)."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not an embeddings answer.") from None
    if answer.error is not None:
        raise RequestRefused(errors.read_in_band(msgspec.json.encode(answer.error)))
    return answer


def items(answer: EmbeddingAnswer, count: int) -> list[ContentEmbedding]:
    """The vectors of `count` inputs. Raises `RequestRefused` (E-UPSTREAM) for none or another number."""
    lone = [answer.embedding] if answer.embedding is not None else []
    found = answer.embeddings or lone
    if not found:
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    if len(found) != count:
        raise refuse(Kind.UPSTREAM, f"The provider sent {len(found)} embeddings for {count} inputs.")
    return found


def values(item: ContentEmbedding) -> list[float]:
    """The numbers of one vector. Raises `RequestRefused` (E-UPSTREAM) when it is empty or none."""
    try:
        found = _decode_values(item.values)
    except msgspec.DecodeError:
        raise refuse(Kind.UPSTREAM, "The provider sent an embedding that is no vector.") from None
    if not found:
        raise refuse(Kind.UPSTREAM, "The provider sent an empty embedding.")
    return found


def usage(answer: EmbeddingAnswer) -> Usage | None:
    """The canonical record; None when the provider reported none, as it often does, or one without counts."""
    if not isinstance(answer.usageMetadata, dict):
        return None
    try:
        found = metadata.read(answer.usageMetadata)
    except msgspec.DecodeError:
        return None
    return found if found.total_input else None
