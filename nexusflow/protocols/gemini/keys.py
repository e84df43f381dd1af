"""One spelling of every key: Google takes `generationConfig` and `generation_config` alike, and its own SDK mixes them.

A body is rewritten only where the protocol defines the keys. What the caller made up (tool arguments, schemas, results,
labels) and objects we do not know keep their bytes, and so does every value. A key given in both spellings is refused:
what we check must be what the provider obeys (C-14).
"""

import re
from collections.abc import Mapping
from typing import Union

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import checks
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

Shape = Mapping[str, Union["Shape", None]]
"""Members of an object whose keys are the protocol's too; `None` stops at the object's own keys. Lists are seen
through."""

_RESPONSE_PART: Shape = {"inlineData": {}, "fileData": {}}
_PART: Shape = {
    **_RESPONSE_PART,
    "functionCall": {},
    "functionResponse": {"parts": _RESPONSE_PART},
    "executableCode": {},
    "codeExecutionResult": {},
    "toolCall": {},
    "toolResponse": {},
    "videoMetadata": {},
    "mediaResolution": {},
}
_CONTENT: Shape = {"parts": _PART}
_REQUEST: Shape = {
    "contents": _CONTENT,
    "systemInstruction": _CONTENT,
    "tools": {"functionDeclarations": {}},
    "toolConfig": {"functionCallingConfig": {}, "retrievalConfig": {}},
    "safetySettings": {},
    "generationConfig": {"thinkingConfig": {}, "imageConfig": {}, "speechConfig": {}},
}
_ROOT: Shape = {**_REQUEST, "generateContentRequest": _REQUEST}

_MONEY_CONFIG = ("maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count")
_SNAKE = re.compile(rb'"[A-Za-z]+_[A-Za-z_]+"\s*:').search
_HUMP = re.compile(r"_([a-z])")
_object = msgspec.json.Decoder(Fields).decode
_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode


def normalise(body: bytes, money_fields: tuple[str, ...], shape: Shape = _ROOT) -> tuple[bytes, Fields]:
    """The body in camelCase with its top-level fields. `shape` says where the protocol defines the keys.

    `money_fields` may not be given twice, in whichever spelling. Raises `RequestRefused` (E-PARSE, or E-PARAM for a
    repeated field).
    """
    fields = checks.parse(body, money_fields)
    _refuse_repeats(fields)
    if _SNAKE(body) is None:
        return body, fields
    fields = _rename(fields, shape, "")
    return _encode(fields), fields


def _refuse_repeats(fields: Fields) -> None:
    """What decides the price stands one level down, and may not be given twice there either (C-14)."""
    for name in ("generationConfig", "generation_config"):
        raw = bytes(fields.get(name, b""))
        if not raw.startswith(b"{"):
            continue
        repeated = jsonedit.repeated_keys(raw, _encode(_object(raw)), _MONEY_CONFIG)
        if repeated is not None:
            path = f"generationConfig.{camel(repeated)}"
            raise refuse(Kind.PARAM, f"`{path}` is given twice", param=path, code="duplicate_key")


def camel(name: str) -> str:
    """`max_output_tokens` as `maxOutputTokens`."""
    return _HUMP.sub(lambda found: found[1].upper(), name) if "_" in name else name


def _rename(fields: Fields, shape: Shape, path: str) -> Fields:
    renamed: Fields = {}
    for key, value in fields.items():
        name = camel(key)
        where = f"{path}{name}"
        if name in renamed:
            raise refuse(Kind.PARAM, f"`{where}` is given twice", param=where, code="duplicate_key")
        inner = shape.get(name)
        renamed[name] = value if inner is None else _descend(value, inner, where)
    return renamed


def _descend(value: Raw, shape: Shape, path: str) -> Raw:
    """`value` with its keys renamed; anything but an object or a list of them is left for the decoder to judge."""
    if _SNAKE(value) is None:
        return value
    first = memoryview(value)[0]
    if first == ord("{"):
        return Raw(_encode(_rename(_object(value), shape, path + ".")))
    if first == ord("["):
        return Raw(_encode([_descend(item, shape, f"{path}[{at}]") for at, item in enumerate(_list(value))]))
    return value
