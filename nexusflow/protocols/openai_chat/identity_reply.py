"""A provider's unary chat answer on the identity lane: checked, renamed, otherwise byte for byte."""

import re

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import errors
from nexusflow.protocols.openai_chat import usage as usage_form
from nexusflow.wire import jsonedit


class _Choice(Struct, frozen=True):
    message: dict[str, Raw] = {}


_decode_choices = msgspec.json.Decoder(list[_Choice]).decode
_finished = re.compile(rb'"finish_reason"\s*:\s*"[^"]').search
_NOTHING = frozenset((b"null", b'""', b"[]", b"{}"))


def relabel(body: bytes, public_model: Raw) -> bytes:
    """The answer under the model's public name (L15, U-35).

    Raises `RequestRefused` for an answer that is not a chat completion: malformed (U-11), an error in a 200
    (U-16) or without a choice that says anything or has its end (U-34).
    """
    try:
        fields = jsonedit.split(body)
    except jsonedit.InvalidJSON:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not valid JSON.") from None
    error = fields.get("error")
    if error is not None and bytes(error) != b"null":
        raise RequestRefused(errors.read_in_band(bytes(error)))
    choices = fields.get("choices")
    if choices is None or not bytes(choices).startswith(b"["):
        raise RequestRefused(Problem(kind=Kind.UPSTREAM, message="The provider's answer is not a chat completion."))
    if _hollow(bytes(choices)):
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    if bytes(fields.get("model", b"")) == bytes(public_model):
        return body
    fields["model"] = public_model
    return jsonedit.join(fields)


def _hollow(choices: bytes) -> bool:
    """Whether nothing is said and nothing ended. Almost every answer has its end, and is not read for this."""
    if _finished(choices) is not None:
        return False
    try:
        found = _decode_choices(choices)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # odd, and for the client to judge
    told = (value for choice in found for name, value in choice.message.items() if name != "role")
    return all(bytes(value) in _NOTHING for value in told)


def usage(body: bytes) -> Usage | None:
    """What the answer says it used; None when it says nothing."""
    return usage_form.find(body, zeros=True)
