"""Tools and the choice among them, for the provider (protocols 2.1.3, 2.1.4, 2.1.6)."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, HostedTool, Tool, ToolCall, Turn
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.anthropic.write_parts import Block, PartWriter
from nexusflow.protocols.common import arguments, schemas
from nexusflow.wire import jsonedit

WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
CODE_EXECUTION = {"type": "code_execution_20250825", "name": "code_execution"}

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch


def tools(call: ChatCall, turns: Iterable[Turn], to: Destination, losses: Losses) -> list[Block]:
    """The tool definitions. History may call tools that are not defined any more: those get the least definition that
    lets the provider read it (T64). Raises `RequestRefused` naming the tool that has no place."""
    if call.tools and not to.capabilities.tools:
        raise _refused("tools", "this model takes no tools")
    if not call.tools:
        names = dict.fromkeys(part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall))
        return [{"name": name, "input_schema": schemas.tool_schema(None)} for name in names]
    kept = _subset(call)
    writer = PartWriter(call, to, losses)
    found: list[Block] = []
    for tool in call.tools:
        if isinstance(tool, HostedTool):
            found.append(_hosted(tool, to, losses))
        elif kept is None or tool.name in kept:
            found.append(_own(tool, to, losses, writer))
        else:
            losses.drop(tool.path or "tools")
    return found


def choice(call: ChatCall, defined: bool, to: Destination) -> dict[str, Any] | None:
    """`tool_choice`; None where there is nothing to say. `defined` says that the request defines tools."""
    if not defined:
        return None
    if not call.tools:
        return {"type": "none"}  # what is defined is for reading the history only
    wanted = call.tool_choice
    parallel = call.parallel_tools is not False
    if wanted is None:
        return None if parallel else {"type": "auto", "disable_parallel_tool_use": True}
    if wanted.mode == "none":
        return {"type": "none"}
    found: dict[str, Any] = {"type": "auto"}
    if wanted.mode == "required":
        if not to.capabilities.tool_choice_required:
            raise _refused(call.spelled("tool_choice"), "this model cannot be made to call a tool")
        found = {"type": "any"} if len(wanted.names) != 1 else {"type": "tool", "name": wanted.names[0]}
    return found if parallel else {**found, "disable_parallel_tool_use": True}


def _subset(call: ChatCall) -> frozenset[str] | None:
    """The names that the choice narrows the tools to; None for all. One forced tool needs no narrowing."""
    wanted = call.tool_choice
    if wanted is None or not wanted.names or (wanted.mode == "required" and len(wanted.names) == 1):
        return None
    return frozenset(wanted.names)


def _own(tool: Tool, to: Destination, losses: Losses, writer: PartWriter) -> dict[str, Any]:
    path = tool.path or "tools"
    if not _NAME(tool.name):
        raise _refused(path, "a tool's name must be 1 to 128 letters, digits, _ or - for this model")
    if tool.custom:
        if tool.format is not None and jsonedit.as_text(_format_type(tool.format)) == "grammar":
            raise _refused(path, "a tool with a grammar cannot be sent to this model")
        schema = arguments.custom_schema()
    else:
        schema = schemas.for_anthropic(tool.parameters, losses, path)
    found: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description is not None:
        found["description"] = tool.description
    if tool.strict:
        if to.capabilities.strict_tools:
            found["strict"] = True
        else:
            losses.drop(f"{path}.strict")
    return writer.marked(found, tool)


def _format_type(format: Raw) -> Raw:
    return jsonedit.split(bytes(format)).get("type", Raw(b"null"))


def _hosted(tool: HostedTool, to: Destination, losses: Losses) -> Block:
    """A tool that the provider runs: this one's own as it is, another's where both have it and the lane allows it."""
    path = tool.path or "tools"
    if tool.origin == ORIGIN:
        return tool.raw
    if tool.kind == "web_search" and to.capabilities.web_search:
        found = WEB_SEARCH
    elif tool.kind == "code_execution" and to.capabilities.code_execution:
        found = CODE_EXECUTION
    else:
        raise _refused(path, f"a tool of type {tool.type} cannot be sent to this model")
    if bytes(tool.raw).startswith(b"{"):
        for name in sorted(jsonedit.split(bytes(tool.raw)).keys() - {"type", "name"}):
            losses.drop(f"{path}.{name}")
    return dict(found)


def _refused(path: str, message: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_parameter")
