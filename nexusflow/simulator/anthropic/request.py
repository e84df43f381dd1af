"""Reading a Messages request (protocols 1.4.1)."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from nexusflow.simulator.anthropic.body import (
    AnyTool,
    Auto,
    Base64,
    BetweenTools,
    Block,
    Body,
    ClientTool,
    Content,
    Counted,
    CustomTool,
    Disabled,
    Document,
    FileId,
    Image,
    Message,
    OneTool,
    PlainText,
    SearchResult,
    Text,
    Thinking,
    ToolReference,
    ToolResult,
    ToolUse,
    Url,
    shape,
)
from nexusflow.simulator.anthropic.message_rules import blocks_of
from nexusflow.simulator.anthropic.rules import check
from nexusflow.simulator.asked import Asked, Choice, Part, Tool, Turn, identify, merged, written
from nexusflow.simulator.traits import Traits

B = TypeVar("B", bound=Counted)

# What the tools that Anthropic knows and the caller runs are called with.
CLIENT_TOOLS: dict[str, dict[str, Any]] = {
    "bash": {"properties": {"command": {"const": "true"}}},
    "str_replace_based_edit_tool": {"properties": {"command": {"const": "view"}, "path": {"const": "/simulated"}}},
    "memory": {"properties": {"command": {"const": "view"}, "path": {"const": "/memories"}}},
    "computer": {"properties": {"action": {"const": "screenshot"}}},
}


def read(data: dict[str, Any], kind: type[B], traits: Traits, version: str | None, *, beta: bool) -> tuple[Asked, B]:
    """A request of one of the two kinds. Raises `Misfit` or `Refused` where it is not taken."""
    body = shape(data, kind)
    check(body, traits, version, beta=beta)
    return _asked(body, data, traits), body


def _asked(body: Counted, data: dict[str, Any], traits: Traits) -> Asked:
    system = [Text(text=body.system)] if isinstance(body.system, str) and body.system else body.system or []
    said = [Turn("system", tuple(_parts(system)))] if system else []
    turns = merged([*said, *(Turn(message.role, tuple(_said(message))) for message in body.messages)])
    wanted = body.output_config.format if body.output_config else None
    thinking = body.thinking
    always = traits.thinks and not traits.may_rest
    between = any(part.kind == "result" for part in Asked(turns, "").latest)
    thinks = always if thinking is None or isinstance(thinking, Disabled) else True
    display = getattr(thinking, "display", None)
    more: dict[str, Any] = {}
    if isinstance(body, Body):
        more = {"stream": body.stream, "bound": body.max_tokens, "stops": tuple(body.stop_sequences or ())}
    return Asked(
        turns=_marked(turns, body),
        identity=identify(data),
        tools=tuple(_tools(body)),
        choice=_choice(body),
        wants=wanted.schema if wanted else None,
        thinks=thinks and (between or not isinstance(thinking, BetweenTools)),
        shows=not traits.newest if display is None else display == "summarized",
        **more,
    )


def _marked(turns: tuple[Turn, ...], body: Counted) -> tuple[Turn, ...]:
    """The turns with the mark that the request as a whole puts on its last block."""
    if body.cache_control is None or not turns or not turns[-1].parts:
        return turns
    *before, last = turns[-1].parts
    marked = Part(last.kind, last.text, last.name, last.id, last.parts, body.cache_control.ttl)
    return (*turns[:-1], Turn(turns[-1].role, (*before, marked)))


def _said(message: Message) -> Iterator[Part]:
    return _parts(blocks_of(message))


def _parts(blocks: Sequence[Block | ToolReference]) -> Iterator[Part]:
    for block in blocks:
        cache = getattr(block, "cache_control", None)
        mark = cache.ttl if cache else None
        if isinstance(block, Text):
            yield Part("text", block.text, mark=mark)
        elif isinstance(block, SearchResult):
            yield Part("text", " ".join((block.title, *(part.text for part in block.content))), mark=mark)
        elif isinstance(block, Image | Document):
            yield Part("image" if isinstance(block, Image) else "file", _url(block.source), mark=mark)
        elif isinstance(block, Thinking):
            yield Part("thought", block.thinking)
        elif isinstance(block, ToolUse):
            yield Part("call", written(block.input), block.name, block.id, mark=mark)
        elif isinstance(block, ToolResult):
            yield Part("result", id=block.tool_use_id, parts=tuple(_result(block)), mark=mark)
        elif isinstance(block, ToolReference):
            yield Part("text", block.tool_name, mark=mark)


def _result(block: ToolResult) -> Iterator[Part]:
    if block.is_error:
        yield Part("text", "(failed)")
    if isinstance(block.content, str):
        yield Part("text", block.content)
    else:
        yield from _parts(block.content or [])


def _url(source: Base64 | Url | FileId | PlainText | Content) -> str:
    if isinstance(source, Base64):
        return f"data:{source.media_type};base64,{source.data}"
    if isinstance(source, Url):
        return source.url
    if isinstance(source, FileId):
        return source.file_id
    if isinstance(source, PlainText):
        text = source.data
    else:
        content = source.content
        text = (
            content if isinstance(content, str) else " ".join(part.text for part in content if isinstance(part, Text))
        )
    return f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"


def _tools(body: Counted) -> Iterator[Tool]:
    for tool in body.tools:
        mark = getattr(tool, "cache_control", None)
        kept = mark.ttl if mark else None
        if isinstance(tool, CustomTool):
            yield Tool(tool.name, tool.description or "", tool.input_schema, mark=kept)
        elif isinstance(tool, ClientTool):
            yield Tool(tool.name, "", CLIENT_TOOLS.get(tool.name), mark=kept)


def _choice(body: Counted) -> Choice:
    choice = body.tool_choice
    if choice is None:
        return Choice()
    parallel = not getattr(choice, "disable_parallel_tool_use", False)
    if isinstance(choice, Auto):
        return Choice(parallel=parallel)
    if isinstance(choice, AnyTool):
        return Choice("required", parallel=parallel)
    if isinstance(choice, OneTool):
        return Choice("named", frozenset((choice.name,)), parallel)
    return Choice("none")
