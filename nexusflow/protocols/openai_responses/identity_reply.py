"""A provider's unary Responses answer on the identity lane: checked, renamed, otherwise byte for byte."""

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_responses import errors
from nexusflow.protocols.openai_responses import usage as usages
from nexusflow.protocols.openai_responses.wire import ItemPeek
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_decode_items = msgspec.json.Decoder(list[ItemPeek]).decode


def relabel(body: bytes, public_model: Raw, *, previous: str | None = None) -> bytes:
    """The answer under the model's public name (L15, U-35), and continuing the response whose id is `previous`.

    The provider knows nothing of that: it got the whole conversation.
    Raises `RequestRefused` for an answer that is no response: malformed (U-11), an error in a 200 (U-16), failed, or
    finished without any output (U-34). One still queued or in progress, of a background request, is passed on.
    """
    fields = opened(body)
    if bytes(fields.get("model", b"")) == bytes(public_model) and previous is None:
        return body
    fields["model"] = public_model
    if previous is not None:
        fields["previous_response_id"] = jsonedit.text(previous)
    return jsonedit.join(fields)


def opened(body: bytes) -> Fields:
    """The members of a response object that is an answer; raises as `relabel` does."""
    try:
        fields = jsonedit.split(body)
    except jsonedit.InvalidJSON:
        raise refuse(Kind.UPSTREAM, "The provider's answer is not valid JSON.") from None
    error = fields.get("error")
    if error is not None and bytes(error) != b"null":
        raise RequestRefused(errors.of_failed(error))
    output = fields.get("output")
    if output is None or not bytes(output).startswith(b"["):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not a response.")
    status = text_of(fields, "status")
    if status == "failed":
        raise RequestRefused(errors.of_failed(None))
    if status in (None, "completed") and not bytes(output)[1:-1].strip():
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.")
    return fields


def usage(body: bytes) -> Usage | None:
    """What the answer says it consumed."""
    try:
        return usage_of(jsonedit.split(body))
    except jsonedit.InvalidJSON:
        return None


def usage_of(fields: Fields) -> Usage | None:
    """The same from the members of a response object, with its tier and its completed web searches."""
    raw = fields.get("usage")
    if raw is None or bytes(raw) == b"null":
        return None
    found = usages.read(bytes(raw), tier=text_of(fields, "service_tier"), web_searches=_web_searches(fields))
    return found if found.input_text is not None else None


def text_of(fields: Fields, name: str) -> str | None:
    """A member that should be a string, or None."""
    value = fields.get(name)
    return jsonedit.as_text(value) if value is not None else None


def _web_searches(fields: Fields) -> int:
    output = bytes(fields.get("output", b""))
    if b"web_search_call" not in output:
        return 0
    try:
        items = _decode_items(output)
    except msgspec.DecodeError:
        return 0
    return sum(item.type == "web_search_call" and item.status == "completed" for item in items)
