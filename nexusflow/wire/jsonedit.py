"""Editing the top level of a JSON object without reparsing the rest.

One pass into `dict[str, Raw]` is at once the syntax check, the field access and the rewrite: every value we do not
touch keeps its bytes, and a duplicate key collapses to the last one, so what was checked is what is sent on.
"""

import json
import re
from itertools import accumulate

import msgspec
from msgspec import Raw

Fields = dict[str, Raw]

_decoder = msgspec.json.Decoder(Fields)
_encode = msgspec.json.Encoder().encode
_POSITION = re.compile(r"\(byte (\d+)\)")
_STRING = re.compile(rb'"[^"]*"')
_UNMARKED = bytes(set(range(256)) - set(b'[]{}"'))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

MAX_DEPTH = 512
"""How deep JSON may nest; the parser's own bound differs between versions of Python."""
_FEW = 32


class InvalidJSON(ValueError):
    """The text is not one JSON object in valid UTF-8 of bounded depth. The message is safe to show.

    `at` is the byte at which the parser gave up, where it says so.
    """

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.at = at


def split(body: bytes) -> Fields:
    """Return the top-level fields of a JSON object as raw values.

    Raises `InvalidJSON` for anything else: malformed or truncated text, NaN, a BOM, trailing text, nesting deeper
    than the parser's stack, bad UTF-8 in a key (C-12, C-13, C-16; three exception classes, reliability G16).
    """
    try:
        fields = _decoder.decode(body)
    except msgspec.ValidationError:
        raise InvalidJSON("the body must be a JSON object") from None
    except RecursionError:
        raise InvalidJSON("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidJSON("the body is not valid UTF-8") from None
    except msgspec.DecodeError as error:
        at = _POSITION.search(str(error))
        raise InvalidJSON(f"the body is not valid JSON: {_plain(error)}", int(at[1]) if at else None) from None
    if len(body) > 2 * MAX_DEPTH and _count(body, b"[") + _count(body, b"{") > MAX_DEPTH and _too_deep(body):
        raise InvalidJSON("the JSON is nested too deeply")
    return fields


def join(fields: Fields) -> bytes:
    """Encode fields as one compact object, values byte for byte, in the order of the dict."""
    return _encode(fields)


def text(value: str) -> Raw:
    """A string as a raw JSON value."""
    return Raw(_encode(value))


def as_text(value: Raw) -> str | None:
    """The string that a raw JSON value spells, or None when it is not a string."""
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def repeated_keys(body: bytes, joined: bytes, names: tuple[str, ...]) -> str | None:
    """Name one of `names` that occurs twice at the top level of `body`, or None (C-14).

    `joined` is `join(split(body))`. A compact body without repeats has exactly that length, and neither escapes nor
    white space can make a body with repeats shorter, so the careful look is only taken when the lengths differ.
    """
    if len(joined) == len(body):
        return None
    if b"\\u" not in body and not any(body.count(f'"{name}"'.encode()) > 1 for name in names):
        return None
    return _first_repeat(body, names)


def _count(body: bytes, mark: bytes) -> int:
    """How often `mark` occurs. Long bodies are mostly prose with few brackets, and to search is ten times as fast as to
    count; bodies with many are counted on from where the search gives up."""
    at = -1
    for found in range(_FEW):
        at = body.find(mark, at + 1)
        if at < 0:
            return found
    return _FEW + body.count(mark, at + 1)


def _too_deep(body: bytes) -> bool:
    """Whether valid JSON nests beyond `MAX_DEPTH`. A few rounds of removing empty pairs settle ordinary bodies.

    Two quotes side by side may go, whether they are a string or stand between two: what is left is inside or outside of
    strings as before.
    """
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    marks = unescaped.translate(None, _UNMARKED).replace(b'""', b"")
    brackets = _STRING.sub(b"", marks) if b'"' in marks else marks
    left = brackets
    for _ in range(16):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return bool(left) and max(accumulate(map(_STEP.__getitem__, brackets))) > MAX_DEPTH


def _first_repeat(body: bytes, names: tuple[str, ...]) -> str | None:
    """Compare the decoded top-level keys of an already validated object; escapes such as `\\u006d` are seen through."""
    pairs: list[tuple[str, object]] = json.loads(body.decode("utf-8", "surrogatepass"), object_pairs_hook=list)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen and key in names:
            return key
        seen.add(key)
    return None


def _plain(error: Exception) -> str:
    """The parser's own words, which name a position and never quote the body."""
    return str(error).removeprefix("JSON is malformed: ")
