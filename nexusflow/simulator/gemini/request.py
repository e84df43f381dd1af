"""Reading generateContent (protocols 1.5.1)."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from nexusflow.simulator.asked import Asked, Choice, Part, Role, Tool, Turn, identify, merged, written
from nexusflow.simulator.failure import Refused
from nexusflow.simulator.gemini import body as wire
from nexusflow.simulator.gemini.rules import check
from nexusflow.simulator.gemini.vendor import invalid
from nexusflow.simulator.traits import Traits


def read(data: dict[str, Any], traits: Traits, *, stream: bool) -> Asked:
    """A request. Raises `Misfit` or `Refused` where Gemini, or this model, does not take it."""
    body = wire.shape(data, wire.Body)
    check(body, traits)
    return ask(body, data, traits, stream=stream)


def ask(body: wire.Body, data: dict[str, Any], traits: Traits, *, stream: bool = False) -> Asked:
    """The request of a body that is taken."""
    config = body.generation_config or wire.GenerationConfig()
    thinking = config.thinking_config or wire.ThinkingConfig()
    instruction = body.system_instruction
    system = [wire.Part(text=instruction)] if isinstance(instruction, str) else instruction.parts if instruction else []
    turns = [Turn("system", tuple(_parts(system)))] if system else []
    turns += [Turn(_role(content), tuple(_parts(content.parts))) for content in body.contents]
    return Asked(
        turns=merged(turns),
        identity=identify(data),
        stream=stream,
        tools=tuple(_tools(body)),
        choice=_choice(body),
        bound=config.max_output_tokens,
        stops=tuple(config.stop_sequences or ()),
        count=config.candidate_count or 1,
        wants=_wants(config),
        chances=config.logprobs or 0 if config.response_logprobs else None,
        thinks=traits.thinks and thinking.thinking_budget != 0,
        shows=bool(thinking.include_thoughts),
    )


def _role(content: wire.Content) -> Role:
    return "assistant" if content.role == "model" else "user"


def _parts(parts: Sequence[wire.Part]) -> Iterator[Part]:
    for part in parts:
        if part.text is not None:
            yield Part("thought" if part.thought else "text", part.text)
        elif part.inline_data is not None:
            yield _medium(part.inline_data.mime_type, _url(part.inline_data))
        elif part.file_data is not None:
            yield _medium(part.file_data.mime_type or "", part.file_data.file_uri)
        elif part.function_call is not None:
            call = part.function_call
            yield Part("call", written(call.args or {}), call.name, call.id or "")
        elif part.function_response is not None:
            yield Part("result", id=part.function_response.id or "", parts=tuple(_result(part.function_response)))


def _result(response: wire.FunctionResponse) -> Iterator[Part]:
    """What a tool said, and the media beside it. `output` or `result` alone is what it said, `error` a failure."""
    said = response.response
    if said.keys() == {"error"}:
        yield Part("text", "(failed)")
    only = next(iter(said.values())) if said.keys() <= {"error", "output", "result"} and len(said) == 1 else said
    yield Part("text", only if isinstance(only, str) else written(only))
    for part in response.parts or ():
        if part.inline_data is not None:
            yield _medium(part.inline_data.mime_type, _url(part.inline_data))
        elif part.file_data is not None:
            yield _medium(part.file_data.mime_type or "", part.file_data.file_uri)


def _medium(kind: str, url: str) -> Part:
    return Part("image" if kind.startswith("image/") else "file", url)


def _url(blob: wire.Blob) -> str:
    """A data URL, whichever of the two alphabets the data came in."""
    data = blob.data.replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(invalid("Invalid value at 'inline_data.data' (TYPE_BYTES), Base64 decoding failed")) from None
    return f"data:{blob.mime_type};base64,{data}"


def _tools(body: wire.Body) -> Iterator[Tool]:
    for tool in body.tools:
        for one in tool.function_declarations or ():
            schema = one.parameters_json_schema if one.parameters is None else _plain(one.parameters)
            yield Tool(one.name, one.description or "", schema)


def _choice(body: wire.Body) -> Choice:
    calling = body.tool_config.function_calling_config if body.tool_config else None
    if calling is None:
        return Choice()
    only = frozenset(calling.allowed_function_names) if calling.allowed_function_names else None
    if calling.mode == "ANY":
        return Choice("named" if only and len(only) == 1 else "required", only)
    return Choice("none" if calling.mode == "NONE" else "auto", only)


def _wants(config: wire.GenerationConfig) -> Any:
    if config.response_schema is not None:
        return _plain(config.response_schema)
    if config.response_json_schema is not None:
        return config.response_json_schema
    return "json" if config.response_mime_type == "application/json" else None


def _plain(schema: wire.Schema) -> dict[str, Any]:
    """A schema of Gemini's as JSON Schema: types in lower case, numbers as such."""
    plain: dict[str, Any] = {}
    for name in schema.__struct_fields__:
        value = getattr(schema, name)
        if value is None or name in ("property_ordering", "example", "default"):
            continue
        key = wire.CAMEL[name]
        if name == "type":
            plain["type"] = value.lower()
        elif name == "properties":
            plain[key] = {one: _plain(part) for one, part in value.items()}
        elif name == "items":
            plain[key] = _plain(value)
        elif name == "any_of":
            plain[key] = [_plain(part) for part in value]
        elif name.startswith(("max_", "min_")):
            plain[key] = int(value)
        elif not (name == "format" and value == "enum"):
            plain[key] = msgspec.to_builtins(value)
    return plain
