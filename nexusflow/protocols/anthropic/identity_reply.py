"""A provider's unary Messages answer on the identity lane: checked, renamed, otherwise byte for byte."""

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import errors
from nexusflow.protocols.anthropic import usage as usage_record
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields


class _Metered(Struct, frozen=True):
    usage: Raw = Raw()


_metered = msgspec.json.Decoder(_Metered).decode


def relabel(body: bytes, public_model: Raw) -> bytes:
    """The answer under the model's public name (L15, U-35). Raises `RequestRefused` as `checked` does."""
    fields = checked(body)
    if bytes(fields.get("model", b"")) == bytes(public_model):
        return body
    fields["model"] = public_model
    return jsonedit.join(fields)


def checked(body: bytes) -> Fields:
    """The members of an answer that is a message.

    One without content may well be: an empty turn, or a request that only fills the cache. Raises `RequestRefused` for
    one that is malformed (U-11), an error in a 200 (U-16), or has neither content nor an end (U-34).
    """
    try:
        fields = jsonedit.split(body)
    except jsonedit.InvalidJSON:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not valid JSON.") from None
    error = fields.get("error")
    if error is not None and bytes(error) != b"null":
        raise RequestRefused(errors.read_in_band(bytes(error)))
    content = bytes(fields.get("content", b""))
    if not content.startswith(b"["):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a message.")
    if content.replace(b" ", b"") == b"[]" and bytes(fields.get("stop_reason", b"null")) == b"null":
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    return fields


def usage(body: bytes) -> Usage | None:
    """What the answer reports to have consumed; None when it reports nothing."""
    try:
        found = _metered(body).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return usage_record.reported(bytes(found))
