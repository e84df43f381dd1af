"""A provider's Gemini embeddings answer on the identity lane: checked, otherwise byte for byte."""

from msgspec import Raw

from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini_embeddings import answer
from nexusflow.wire import jsonedit


def relabel(body: bytes, public_model: Raw, *, count: int) -> bytes:
    """The answer to `count` contents; where it names a model, under the public name.

    Raises `RequestRefused` (E-UPSTREAM) for an answer that is malformed, an error, empty or incomplete.
    """
    answer.items(answer.opened(body), count)
    if b'"modelVersion"' not in body:
        return body
    fields = jsonedit.split(body)
    if "modelVersion" not in fields:
        return body
    fields["modelVersion"] = public_model
    return jsonedit.join(fields)


def usage(body: bytes) -> Usage | None:
    """What the provider says the call consumed, of a body that `relabel` accepted; None when it says nothing."""
    return answer.usage(answer.opened(body))
