"""A client's Messages request to the canonical call (protocols 1.4.1, 2.3)."""

from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import (
    ChatCall,
    Document,
    Effort,
    Ext,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    Role,
    Sampling,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.anthropic import read_parts, read_tools, reply_parts
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.anthropic.wire import Thinking as ThinkingConfig
from nexusflow.protocols.anthropic.wire import ToolChoice
from nexusflow.protocols.anthropic.wire_blocks import CacheControl, Form
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields


class _Message(Struct, frozen=True):
    role: Role
    content: str | list[Raw]


class _Format(Struct, frozen=True):
    type: str
    schema: Raw = Raw()


class _OutputConfig(Struct, frozen=True):
    effort: Effort | None = None
    format: _Format | None = None


class _Metadata(Struct, frozen=True):
    user_id: str | None = None


class _Request(Struct, frozen=True, kw_only=True):
    """What has a place in the canonical call; all other members are kept in `ext`."""

    messages: list[Raw]
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    system: str | list[Raw] | None = None
    tools: list[Raw] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: Raw = Raw()
    output_format: _Format | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: Raw = Raw()
    service_tier: str | None = None
    speed: str | None = None
    cache_control: CacheControl | None = None


_REQUEST = Form(_Request)
_MESSAGE = Form(_Message)
_OUTPUT_CONFIG = Form(_OutputConfig)
_METADATA = Form(_Metadata)
_TIERS = {"standard_only": "default", "auto": None}
_NAMES = {
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "format": "output_config.format",
    "tier": "service_tier",
}
"""Canonical fields that this protocol spells otherwise."""

_NULL = b"null"
T = TypeVar("T", bound=Struct)


def read(body: bytes, *, model: str, stream: bool) -> ChatCall:
    """The call in `body`, which has passed the request's struct. `model` is the public name.

    Raises `RequestRefused` (E-PARAM) naming what the struct could not see: a malformed block, say.
    """
    request, others = _REQUEST.read_all(body, "")
    config, rest = _object(_OUTPUT_CONFIG, request.output_config, "output_config")
    metadata, metadata_rest = _object(_METADATA, request.metadata, "metadata")
    ext = {**(others or {}), **rest, **metadata_rest}
    choice, parallel = read_tools.choice(request.tool_choice)
    fast = request.speed == "fast"
    return ChatCall(
        origin=ORIGIN,
        model=model,
        turns=_marked(_turns(request), request.cache_control),
        tools=read_tools.read(request.tools or []),
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=request.max_tokens,
        sampling=Sampling(temperature=request.temperature, top_p=request.top_p, top_k=request.top_k),
        stop=tuple(request.stop_sequences or ()),
        reasoning=_reasoning(request.thinking, config.effort if config else None, ext),
        format=_format(config.format if config else None, request.output_format),
        tier="fast" if fast else _TIERS.get(request.service_tier or "auto", request.service_tier),
        user=metadata.user_id if metadata else None,
        stream=stream,
        include_usage=True,
        names={**_NAMES, "tier": "speed"} if fast else _NAMES,
        ext=ext or None,
    )


def _turns(request: _Request) -> list[Turn]:
    turns: list[Turn] = []
    if request.system is not None:
        blocks = [Raw(msgspec.json.encode({"type": "text", "text": request.system}))]
        given = blocks if isinstance(request.system, str) else request.system
        texts = tuple(read_parts.text(block, f"system[{at}]") for at, block in enumerate(given))
        if texts:
            turns.append(Turn(role="system", parts=texts, path="system"))
    for at, raw in enumerate(request.messages):
        path = f"messages[{at}]"
        message, ext = _MESSAGE.read_all(raw, path)
        parts: list[Part] = [Text(text=message.content)] if isinstance(message.content, str) else []
        if isinstance(message.content, list):
            parts = read_parts.read(message.content, f"{path}.content", reply_parts.adopted)
        if message.role == "assistant":
            parts = _returned(parts)
        turns.append(Turn(role=message.role, parts=tuple(parts), path=path, ext=ext))
    return turns


def _returned(parts: list[Part]) -> list[Part]:
    """Gemini's state, which came to the client in thinking blocks, back where it belongs: on the call that directly
    follows, else on the turn's last text (protocols 2.6)."""
    found = list(parts)
    for at, part in enumerate(parts):
        state = part.signature if isinstance(part, Thinking) else None
        if state is None or state.origin != "google/generate-content":
            continue
        texts = [index for index, one in enumerate(parts) if isinstance(one, Text)]
        follower = parts[at + 1] if at + 1 < len(parts) else None
        target = at + 1 if isinstance(follower, ToolCall) else texts[-1] if texts else None
        carrier = found[target] if target is not None else None
        if target is not None and isinstance(carrier, Text | ToolCall):
            found[target] = msgspec.structs.replace(carrier, signature=state)
            found[at] = msgspec.structs.replace(part, signature=None)
    return [part for part in found if not (isinstance(part, Thinking) and not part.text and part.signature is None)]


def _marked(turns: list[Turn], control: CacheControl | None) -> tuple[Turn, ...]:
    """A `cache_control` of the whole request marks its last block."""
    mark = read_parts.cache_mark(control)
    if mark is None or not turns or not turns[-1].parts:
        return tuple(turns)
    *before, last = turns[-1].parts
    if isinstance(last, Text | Media | Document | ToolCall | ToolResult) and last.cache is None:
        parts = (*before, msgspec.structs.replace(last, cache=mark))
        turns[-1] = msgspec.structs.replace(turns[-1], parts=parts)
    return tuple(turns)


def _reasoning(thinking: ThinkingConfig | None, effort: Effort | None, ext: Ext) -> Reasoning:
    """`thinking` and `output_config.effort` (protocols 2.1.5). A type that no other protocol has stays in `ext`."""
    if thinking is None:
        return Reasoning(effort=effort, path="output_config.effort") if effort is not None else Reasoning()
    if thinking.type == "disabled":
        return Reasoning(effort="none", path="thinking")
    expose: Literal["none", "summary"] = "none" if thinking.display == "omitted" else "summary"
    if thinking.type not in ("adaptive", "enabled"):
        ext["thinking"] = Raw(msgspec.json.encode(thinking))
        return Reasoning(effort=effort, path="thinking")
    budget = thinking.budget_tokens if thinking.type == "enabled" else None
    return Reasoning(effort=effort, budget=budget, expose=expose, path="thinking")


def _format(wanted: _Format | None, older: _Format | None) -> OutputFormat | None:
    """`output_config.format`, or `output_format` of an older beta."""
    path = "output_config.format" if wanted is not None else "output_format"
    found = wanted or older
    if found is None:
        return None
    if found.type != "json_schema" or not bytes(found.schema).startswith(b"{"):
        raise refuse(Kind.PARAM, f"`{path}` must be a json_schema with a schema", param=path, code="invalid_value")
    return OutputFormat(kind="json_schema", schema=found.schema, path=path)


def _object(form: Form[T], raw: Raw, name: str) -> tuple[T | None, Fields]:
    """An object's known members, and the others as an object of the same name."""
    if not raw or bytes(raw) == _NULL:
        return None, {}
    found, rest = form.read_all(raw, name)
    return found, {name: Raw(jsonedit.join(rest))} if rest else {}
