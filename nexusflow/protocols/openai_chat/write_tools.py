"""Tools and their choice for a Chat provider (protocols 2.1.3, 2.1.4, 2.2, 2.3)."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import ChatCall, HostedTool, Tool
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.arguments import custom_schema
from nexusflow.protocols.common.schemas import tool_schema
from nexusflow.protocols.openai_chat.tables import CHAT, SEARCH

_LOCATION = frozenset(("city", "country", "region", "timezone"))


def tools(call: ChatCall, capabilities: Capabilities, losses: Losses) -> dict[str, Any]:
    """`tools`, `tool_choice`, `parallel_tool_calls` and `web_search_options`. Raises `RequestRefused` for tools that
    nobody could run (T75)."""
    written: dict[str, Any] = {}
    listed: list[Any] = []
    for tool in call.tools:
        if isinstance(tool, Tool):
            listed.append(_tool(tool, capabilities, losses, same=call.origin == CHAT))
        elif tool.kind == "web_search" and capabilities.web_search:
            written["web_search_options"] = _search(tool, losses)
        elif tool.origin == CHAT and tool.type != SEARCH:
            listed.append(tool.raw)
        else:
            raise _unfit(tool, f"this model cannot run the tool {tool.type}")
    if not listed:
        return written
    if not capabilities.tools:
        where = call.spelled("tools")
        raise refuse(Kind.PARAM, f"`{where}`: this model takes no tools", param=where, code="unsupported_parameter")
    written["tools"] = listed
    if call.tool_choice is not None:
        written["tool_choice"] = _choice(call, capabilities, losses)
    if call.parallel_tools is False and capabilities.parallel_tools:
        written["parallel_tool_calls"] = False
    return written


def _tool(tool: Tool, capabilities: Capabilities, losses: Losses, *, same: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    own = tool.ext or {} if same else {}
    if tool.custom and capabilities.custom_tools:
        if tool.format is not None:
            function["format"] = tool.format
        return {"type": "custom", "custom": function, **own}
    if tool.custom:
        if _has_grammar(tool.format):
            raise _unfit(tool, "this model has no tools with a grammar")
        function["parameters"] = custom_schema()
    elif tool.parameters is not None:
        function["parameters"] = tool_schema(tool.parameters)
    if tool.strict is not None and capabilities.strict_tools:
        function["strict"] = tool.strict
    elif tool.strict:
        losses.drop(f"{tool.path}.strict")
    return {"type": "function", "function": function, **own}


def _has_grammar(form: Raw | None) -> bool:
    if form is None:
        return False
    found: object = msgspec.json.decode(form)
    return isinstance(found, dict) and found.get("type") == "grammar"


def _choice(call: ChatCall, capabilities: Capabilities, losses: Losses) -> Any:
    choice = call.tool_choice
    if choice is None:
        return None
    mode = choice.mode
    if mode == "required" and not capabilities.tool_choice_required:
        losses.change(call.spelled("tool_choice"), "required>auto")
        mode = "auto"
    if not choice.names:
        return mode
    custom = {tool.name for tool in call.tools if isinstance(tool, Tool) and tool.custom}
    named = [_named(name, name in custom and capabilities.custom_tools) for name in choice.names]
    if mode == "required" and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}


def _named(name: str, custom: bool) -> dict[str, Any]:
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": name}}


def _search(tool: HostedTool, losses: Losses) -> Any:
    """A provider-run web search as `web_search_options`; its other settings are hints."""
    if tool.origin == CHAT:
        return tool.raw
    fields = msgspec.json.decode(tool.raw)
    fields = fields if isinstance(fields, dict) else {}
    options: dict[str, Any] = {}
    if fields.get("search_context_size") is not None:
        options["search_context_size"] = fields["search_context_size"]
    place = fields.get("user_location")
    if isinstance(place, dict):
        near = {name: place[name] for name in place if name in _LOCATION and place[name] is not None}
        options["user_location"] = {"type": "approximate", "approximate": near}
    _drop(fields.keys() - {"type", "name", "search_context_size", "user_location"}, tool, losses)
    return options


def _drop(names: Iterable[str], tool: HostedTool, losses: Losses) -> None:
    for name in sorted(names):
        losses.drop(f"{tool.path}.{name}")


def _unfit(tool: Tool | HostedTool, message: str) -> RequestRefused:
    where = tool.path or "tools"
    return refuse(Kind.PARAM, f"`{where}`: {message}", param=where, code="unsupported_tool")
