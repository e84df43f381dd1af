"""Tool arguments: JSON text on one side, an object on the other, looked into only to prove that it is one (2.1.3)."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse

EMPTY = Raw(b"{}")

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_SCHEMA = Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)


def as_object(text: str, path: str | Callable[[], str], call_id: str | None = None) -> Raw:
    """Arguments as a JSON object, byte for byte; nothing and null are the empty one.

    Raises `RequestRefused` naming `path`, and the call if it is known, for anything that is not exactly one object: we
    do not guess (T67). A `path` that takes a search is only asked for then.
    """
    stripped = text.strip()
    if stripped in ("", "null"):
        return EMPTY
    if not is_complete(stripped):
        what = "it is" if call_id is None else f"the arguments of tool call {call_id} are"
        where = path if isinstance(path, str) else path()
        raise refuse(Kind.PARAM, f"`{where}`: {what} not a JSON object", param=where, code="invalid_tool_arguments")
    return Raw(stripped.encode())


def is_complete(text: str) -> bool:
    """Whether the text is one whole JSON object."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def custom_schema() -> Raw:
    """The parameters of the function that stands for a free-form tool (protocols 2.2)."""
    return _SCHEMA


def wrap_custom(text: str) -> str:
    """A free-form call's input as the arguments of that function."""
    return _encode({"input": text}).decode()


def unwrap_custom(text: str) -> str:
    """The reverse; arguments of any other shape are the input themselves."""
    try:
        found = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text
    given = found.get("input")
    return given if isinstance(given, str) and len(found) == 1 else text
