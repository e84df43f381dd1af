"""OTLP 1.x in protobuf's own form, as far as traces need it: what every collector takes over HTTP.

The fields are those of opentelemetry/proto/trace/v1/trace.proto and .../collector/trace/v1/trace_service.proto; the
tests read our bytes with the code that is generated from these.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from struct import pack

from nexusflow.telemetry.spans import Span, Value

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SAMPLED, _KNOWN, _REMOTE = 0x1, 0x100, 0x200
_STATUS_ERROR = 2
_64_BITS = (1 << 64) - 1
_SMALL = [bytes((number,)) for number in range(0x80)]


def resource(attributes: Mapping[str, Value]) -> bytes:
    """The field that says who sends; the same for all requests of a process."""
    return _block(1, _attributes(1, attributes))


def request(sender: bytes, scope: str, version: str, spans: Iterable[bytes]) -> bytes:
    """The body of an export: `sender` is a `resource`, each of `spans` made by `span`."""
    told = _block(1, _text(1, scope) + _text(2, version)) + b"".join(spans)
    return _block(1, sender + _block(2, told))


def span(trace: int, state: bytes, one: Span) -> bytes:
    """One span of the trace with that id."""
    parts = [
        _block(1, trace.to_bytes(16, "big")),
        _block(2, one.id.to_bytes(8, "big")),
        _block(3, state) if state else b"",
        _block(4, one.parent.to_bytes(8, "big")) if one.parent is not None else b"",
        _text(5, one.name),
        _number(6, one.kind),
        _key(7, _FIXED64) + pack("<Q", one.began),
        _key(8, _FIXED64) + pack("<Q", one.ended),
        _attributes(9, one.attributes),
        _block(15, _text(2, one.error) + _number(3, _STATUS_ERROR)) if one.error is not None else b"",
        _key(16, _FIXED32) + pack("<I", _SAMPLED | _KNOWN | (_REMOTE if one.remote else 0)),
    ]
    return _block(2, b"".join(parts))


def rejected(answer: bytes) -> int:
    """How many spans the collector did not take, by the body of its good answer; 0 where it does not say."""
    place, told = _read(answer, 0)
    if told != 1 << 3 | _LENGTH:
        return 0
    place, _ = _read(answer, place)
    place, told = _read(answer, place)
    return _read(answer, place)[1] if told == 1 << 3 else 0


def _read(data: bytes, place: int) -> tuple[int, int]:
    """A number, and the place behind it."""
    found = shift = 0
    while place < len(data):
        found |= (data[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if data[place - 1] < 0x80:
            break
    return place, found


def _attributes(field: int, attributes: Mapping[str, Value]) -> bytes:
    return b"".join([_block(field, _name(key) + _block(2, _value(value))) for key, value in attributes.items()])


@cache
def _name(key: str) -> bytes:
    """There are few names, all of them ours."""
    return _text(1, key)


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _text(1, value)
    if isinstance(value, bool):
        return _number(2, value)
    if isinstance(value, int):
        return _number(3, value)
    return _key(4, _FIXED64) + pack("<d", value)


@cache
def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _text(field: int, text: str) -> bytes:
    return _block(field, text.encode("utf-8", "replace"))


def _block(field: int, data: bytes) -> bytes:
    return _key(field, _LENGTH) + _varint(len(data)) + data


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value & _64_BITS)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return _SMALL[value]
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
