"""Small readers over raw JSON that name the path of what does not fit."""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Ext
from nexusflow.ir.errors import Kind, RequestRefused, refuse

_object = msgspec.json.Decoder(dict[str, Raw]).decode
_array = msgspec.json.Decoder(list[Raw]).decode
_NULL = b"null"
T = TypeVar("T")


def obj(raw: Raw, path: str) -> dict[str, Raw]:
    """The fields of an object."""
    found: dict[str, Raw] = _as(_object, raw, path, "an object")
    return found


def items(raw: Raw, path: str) -> list[Raw]:
    """The elements of an array."""
    found: list[Raw] = _as(_array, raw, path, "an array")
    return found


def string(raw: Raw, path: str) -> str:
    """A string."""
    return value(raw, str, path, "a string")


def integer(raw: Raw, path: str) -> int:
    """A whole number."""
    return value(raw, int, path, "an integer")


def number(raw: Raw, path: str) -> float:
    """A number."""
    return value(raw, float, path, "a number")


def boolean(raw: Raw, path: str) -> bool:
    """True or false."""
    return value(raw, bool, path, "true or false")


def optional(fields: dict[str, Raw], name: str) -> Raw | None:
    """A field that may be absent or null."""
    found = fields.get(name)
    return None if found is None or bytes(found) == _NULL else found


def value(raw: Raw, kind: type[T], path: str, what: str) -> T:
    """A value of `kind`."""
    found: T = _as(lambda text: msgspec.json.decode(text, type=kind), raw, path, what)
    return found


def rest(fields: dict[str, Raw], known: frozenset[str]) -> Ext | None:
    """The fields that are not `known`, nulls left out, or None."""
    return {name: raw for name, raw in fields.items() if name not in known and bytes(raw) != _NULL} or None


def _as(decode: Any, raw: Raw, path: str, what: str) -> Any:
    try:
        return decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise _wrong(path, what) from None


def _wrong(path: str, what: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` must be {what}", param=path, code="invalid_type")
