"""Validating what we emit against the vendors' own descriptions, relaxed as tests/support/specs/README.md says."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from tests.support import sse
from tests.support.canonical import CHAT, GEMINI, MESSAGES, RESPONSES

SPECS = Path(__file__).resolve().parent / "specs"
NOT_REQUIRED = frozenset(
    (
        "logprobs",
        "refusal",
        "finish_reason",
        "usage",
        "user",
        "content",
        "error",
        "metadata",
        "cache_write_tokens",
        "system_fingerprint",
        "incomplete_details",
        "instructions",
        "encrypted_content",
        "stop_reason",
        "stop_sequence",
        "param",
        "code",
    )
)
_FILES = {CHAT: "openai", RESPONSES: "openai", MESSAGES: "anthropic", GEMINI: "gemini"}
_REPLIES = {
    CHAT: "CreateChatCompletionResponse",
    RESPONSES: "Response",
    MESSAGES: "Message",
    GEMINI: "GenerateContentResponse",
}
_FRAMES = {
    CHAT: "CreateChatCompletionStreamResponse",
    RESPONSES: "ResponseStreamEvent",
    MESSAGES: "RawMessageStreamEvent",
    GEMINI: "GenerateContentResponse",
}


def faults_of_reply(protocol: str, body: bytes) -> list[str]:
    """What is wrong with a unary answer."""
    return _faults(_FILES[protocol], _REPLIES[protocol], json.loads(body))


def faults_of_stream(protocol: str, body: bytes) -> list[str]:
    """What is wrong with the frames of a stream, each kind of frame looked at once."""
    found: list[str] = []
    shapes: set[str] = set()
    for frame in sse.events(body):
        if frame == "[DONE]" or (shape := _shape(frame)) in shapes:
            continue
        shapes.add(shape)
        found += _faults(_FILES[protocol], _FRAMES[protocol], frame)
    return found


def _faults(file: str, name: str, value: Any) -> list[str]:
    value = _without_nulls(value)
    name = _kinds(file, name).get(value.get("type", ""), name)
    return [
        f"{name}: {error.json_path}: {error.message[:200]}"
        for error in _flat(_validator(file, name).iter_errors(value))
        # A ping is no part of the description, and may stand anywhere.
        if value.get("type") != "ping"
    ]


def _flat(errors: Iterator[Any]) -> Iterator[Any]:
    """Of a value that fits no alternative: why it does not fit the one that it comes nearest to."""
    for error in errors:
        if error.context:
            nearest = max({one.schema_path[0] for one in error.context}, key=lambda at: _depth(error, at))
            yield from _flat(iter([one for one in error.context if one.schema_path[0] == nearest]))
        else:
            yield error


def _depth(error: Any, alternative: Any) -> int:
    return min(len(one.absolute_path) for one in error.context if one.schema_path[0] == alternative)


@cache
def _definitions(file: str) -> dict[str, Any]:
    definitions: dict[str, Any] = _relaxed(json.loads((SPECS / f"{file}.json").read_text())["$defs"])
    return definitions


@cache
def _validator(file: str, name: str) -> Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _definitions(file)})


@cache
def _kinds(file: str, name: str) -> dict[str, str]:
    """The alternatives of a union by the constant of their `type`, so that a fault names the right one."""
    definitions = _definitions(file)
    found = {}
    for alternative in definitions[name].get("anyOf", []):
        target = alternative.get("$ref", "").rsplit("/", 1)[-1]
        kind = definitions.get(target, {}).get("properties", {}).get("type", {})
        for value in [kind["const"]] if "const" in kind else kind.get("enum", []):
            found[value] = target
    return found


def _relaxed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_relaxed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    relaxed = {"anyOf" if key == "oneOf" else key: _relaxed(value) for key, value in schema.items()}
    if isinstance(relaxed.get("required"), list):
        relaxed["required"] = [name for name in relaxed["required"] if name not in NOT_REQUIRED]
    return relaxed


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _shape(value: Any) -> str:
    """The members of a value with their kinds, and what its `type` says: frames of one shape need one check."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_member(key, value[key])}" for key in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_shape(one) for one in value) + "]"
    return type(value).__name__


def _member(key: str, value: Any) -> str:
    return str(value) if key in ("type", "role", "status", "object", "finish_reason") else _shape(value)
