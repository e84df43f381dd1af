"""Input items as they are stored and listed: with an id, a type and content parts, as the official API gives them."""

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, refuse
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}
_COMPLETED = Raw(b'"completed"')
_MESSAGE = Raw(b'"message"')
_REFERENCE = "item_reference"


class _Head(Struct, frozen=True, gc=False):
    id: str | None = None
    type: str | None = None


_head = msgspec.json.Decoder(_Head).decode
_items = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode


def items_of(given: Raw | None) -> list[Raw]:
    """The items of a request's `input`: a string is one user message. Raises `RequestRefused` naming what is not."""
    if given is None or bytes(given) == b"null":
        return []
    text = jsonedit.as_text(given)
    if text is not None:
        part = {"type": "input_text", "text": text}
        return [Raw(_encode({"type": "message", "role": "user", "content": [part]}))]
    try:
        return _items(given)
    except msgspec.DecodeError:
        raise refuse(
            Kind.PARAM, "`input` must be a string or a list of items", param="input", code="invalid_type"
        ) from None


def reference(item: Raw) -> str | None:
    """The id that an `item_reference` refers to; None for any other item. Its type may be left out or null."""
    if b'"id"' not in bytes(item):
        return None
    fields = _fields(item)
    kind = fields.get("type")
    bare = kind is None or bytes(kind) == b"null"
    if (bare and "role" not in fields and fields.keys() <= {"id", "type"}) or (
        not bare and kind is not None and jsonedit.as_text(kind) == _REFERENCE
    ):
        id_ = fields.get("id")
        return jsonedit.as_text(id_) if id_ is not None else None
    return None


def item_id(item: Raw, response_id: str, position: int) -> str:
    """The id of an item that is stored with response `response_id`: its own, or one made for it."""
    try:
        head = _head(item)
    except msgspec.DecodeError:
        head = _Head()
    if head.id:
        return head.id
    prefix = _PREFIXES.get(head.type or "message", "item")
    return f"{prefix}_{response_id.partition('_')[2] or response_id}i{position:03d}"


def listed(item: Raw, id_: str) -> Raw:
    """A stored item as it is shown: what the caller left out is filled in."""
    fields = _fields(item)
    fields.setdefault("type", _MESSAGE)
    if fields["type"] == _MESSAGE:
        _fill_message(fields)
    return Raw(jsonedit.join({**fields, "id": jsonedit.text(id_)}))


def _fill_message(fields: Fields) -> None:
    fields.setdefault("status", _COMPLETED)
    text = jsonedit.as_text(fields.get("content", Raw(b"null")))
    if text is not None:
        role = jsonedit.as_text(fields.get("role", Raw(b"null")))
        part: dict[str, object] = {"type": "input_text", "text": text}
        if role == "assistant":
            part = {"type": "output_text", "text": text, "annotations": []}
        fields["content"] = Raw(_encode([part]))


def _fields(item: Raw) -> Fields:
    try:
        return jsonedit.split(bytes(item))
    except jsonedit.InvalidJSON:
        raise refuse(Kind.PARAM, "an item of `input` must be an object", param="input", code="invalid_type") from None
