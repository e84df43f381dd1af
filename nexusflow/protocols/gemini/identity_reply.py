"""A provider's unary Gemini answer on the identity lane: checked, renamed, otherwise byte for byte."""

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import errors
from nexusflow.protocols.gemini.identity_stream import FirstFramePeek, FramePeek, used
from nexusflow.wire import jsonedit

_peek = msgspec.json.Decoder(FramePeek).decode
_peek_content = msgspec.json.Decoder(FirstFramePeek).decode


def relabel(body: bytes, public_model: Raw) -> bytes:
    """The answer under the model's public name (L15, U-35).

    Raises `RequestRefused` for an answer that is none: malformed (U-11), an error in a 200 (U-16), or with neither
    content, nor an end, nor the reason why the prompt was blocked (U-34).
    """
    try:
        fields = jsonedit.split(body)
    except jsonedit.InvalidJSON:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not valid JSON.") from None
    error = fields.get("error")
    if error is not None and bytes(error) != b"null":
        raise RequestRefused(errors.read_in_band(bytes(error)))
    try:
        hollow = _peek_content(body).hollow
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a Gemini answer.") from None
    if hollow:
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    if "modelVersion" not in fields or bytes(fields["modelVersion"]) == bytes(public_model):
        return body
    fields["modelVersion"] = public_model
    return jsonedit.join(fields)


def usage(body: bytes) -> Usage | None:
    """What the answer says it consumed; None when it says nothing, or is no answer at all."""
    try:
        peek = _peek(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return used(body, peek.searches())
