"""Opening a provider's embeddings answer: what both the identity lane and the bridge must be sure of."""

import msgspec
from msgspec import Raw

from nexusflow.ir.embeddings import Vector
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import errors
from nexusflow.protocols.openai_embeddings.wire import EmbeddingAnswer, EmbeddingItem, UsageReport
from nexusflow.wire import float32

_decode = msgspec.json.Decoder(EmbeddingAnswer).decode
_decode_numbers = msgspec.json.Decoder(list[float]).decode
_decode_text = msgspec.json.Decoder(str).decode


def opened(body: bytes) -> EmbeddingAnswer:
    """The answer's members. Raises `RequestRefused` (E-UPSTREAM): malformed (U-11), or an error in a 200 (U-16)."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not an embeddings list.") from None
    if answer.error is not None:
        raise RequestRefused(errors.read_in_band(msgspec.json.encode(answer.error)))
    return answer


def items(answer: EmbeddingAnswer, count: int) -> list[EmbeddingItem]:
    """The vectors of `count` inputs.

    Raises `RequestRefused` (E-UPSTREAM): none, which makes an official SDK raise (protocols 1.6), or another number
    than was asked for, which a client would pair with the wrong texts.
    """
    found = answer.data
    if not found:
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    if len(found) != count:
        raise refuse(Kind.UPSTREAM, f"The provider sent {len(found)} embeddings for {count} inputs.")
    return found


def is_base64(embedding: Raw) -> bool:
    """Whether the vector stands as a string. Raises `RequestRefused` (E-UPSTREAM) when it is no list either."""
    first = bytes(embedding)[:1]
    if first not in (b'"', b"["):
        raise _no_vector()
    return first == b'"'


def vector(embedding: Raw) -> Vector:
    """The vector as it was sent. Raises `RequestRefused` (E-UPSTREAM) when it is empty or none."""
    try:
        found = float32.from_base64(_decode_text(embedding)) if is_base64(embedding) else _decode_numbers(embedding)
    except (msgspec.DecodeError, UnicodeDecodeError, float32.NotAVector):
        raise _no_vector() from None
    if not found:
        raise refuse(Kind.UPSTREAM, "The provider sent an empty embedding.")
    return found


def usage(answer: EmbeddingAnswer) -> Usage | None:
    """The canonical record (protocols 4.2): an embedding only has input. None when the provider reported no count."""
    if answer.usage is None:
        return None
    try:
        report = msgspec.convert(answer.usage, UsageReport)
    except msgspec.ValidationError:
        return None
    tokens = report.prompt_tokens if report.prompt_tokens is not None else report.total_tokens
    if tokens is None or tokens < 0:
        return None
    return Usage(input_text=tokens, raw=Raw(msgspec.json.encode(answer.usage)))


def _no_vector() -> RequestRefused:
    return refuse(Kind.UPSTREAM, "The provider sent an embedding that is no vector.")
