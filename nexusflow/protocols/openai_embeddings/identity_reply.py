"""A provider's embeddings answer on the identity lane: checked, renamed, in the encoding that the client asked for."""

import msgspec
from msgspec import Raw

from nexusflow.ir.embeddings import Encoding
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_embeddings import answer, vectors
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_decode_items = msgspec.json.Decoder(list[Fields]).decode
_encode = msgspec.json.Encoder().encode


def relabel(body: bytes, public_model: Raw, *, encoding: Encoding, count: int) -> bytes:
    """The answer to `count` inputs under the model's public name.

    Vectors that came in the other encoding are converted, which T111 demands of every provider: a client that asked for
    base64 silently reads floats as nothing. All else stays byte for byte.
    Raises `RequestRefused` (E-UPSTREAM) for an answer that is malformed, an error, empty or incomplete.
    """
    opened = answer.opened(body)
    wanted = encoding == "base64"
    other = [answer.is_base64(item.embedding) is not wanted for item in answer.items(opened, count)]
    fields = jsonedit.split(body)
    if not any(other) and bytes(fields.get("model", b"")) == bytes(public_model):
        return body
    fields["model"] = public_model
    if any(other):
        fields["data"] = Raw(_encode([_converted(item, encoding) for item in _decode_items(fields["data"])]))
    return jsonedit.join(fields)


def usage(body: bytes) -> Usage | None:
    """What the provider says the call consumed, of a body that `relabel` accepted; None when it says nothing."""
    return answer.usage(answer.opened(body))


def _converted(item: Fields, encoding: Encoding) -> Fields:
    found = answer.vector(item["embedding"])
    return {**item, "embedding": vectors.spelled(found, encoding)}
