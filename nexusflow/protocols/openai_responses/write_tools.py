"""Canonical tools and the choice among them for a provider that speaks Responses (protocols 2.1.3, 2.9)."""

from typing import Any

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import ChatCall, HostedTool, Tool
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.arguments import custom_schema
from nexusflow.protocols.common.schemas import tool_schema
from nexusflow.protocols.openai_responses.tables import ORIGIN

_PLACE = ("city", "country", "region", "timezone")


def write_tools(call: ChatCall, to: Destination, losses: Losses) -> dict[str, Any]:
    """`tools`, `tool_choice` and `parallel_tool_calls`. Raises `RequestRefused` for a tool the provider cannot have."""
    if not call.tools:
        return {}
    if not to.capabilities.tools and any(isinstance(tool, Tool) for tool in call.tools):
        raise _unavailable("tools")
    body: dict[str, Any] = {"tools": [_tool(tool, to, call, losses) for tool in call.tools]}
    chosen = _choice(call, to)
    if chosen is not None:
        body["tool_choice"] = chosen
    if call.parallel_tools is not None:
        if to.capabilities.parallel_tools:
            body["parallel_tool_calls"] = call.parallel_tools
        elif not call.parallel_tools:
            losses.drop(call.spelled("parallel_tools"))
    return body


def _tool(tool: Tool | HostedTool, to: Destination, call: ChatCall, losses: Losses) -> dict[str, Any]:
    if isinstance(tool, HostedTool):
        return _hosted(tool, to, losses)
    extra = dict(tool.ext) if tool.ext is not None and call.origin == ORIGIN else {}
    if tool.custom:
        return _custom(tool, to, extra)
    written: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool_schema(tool.parameters)}
    if tool.description is not None:
        written["description"] = tool.description
    if to.capabilities.strict_tools:
        # Unset means strict to this protocol and not strict to every other.
        written["strict"] = bool(tool.strict)
    return {**written, **extra}


def _custom(tool: Tool, to: Destination, extra: dict[str, Any]) -> dict[str, Any]:
    """A custom tool, or the function that stands for it where the provider has none: a grammar has no stand-in."""
    described = {} if tool.description is None else {"description": tool.description}
    if to.capabilities.custom_tools:
        form = {} if tool.format is None else {"format": tool.format}
        return {"type": "custom", "name": tool.name, **described, **form, **extra}
    if tool.format is not None and msgspec.json.decode(tool.format).get("type") == "grammar":
        raise _unavailable(f"{tool.path}.format")
    return {"type": "function", "name": tool.name, **described, "parameters": custom_schema(), "strict": False}


def _hosted(tool: HostedTool, to: Destination, losses: Losses) -> dict[str, Any]:
    if tool.origin == ORIGIN:
        native: dict[str, Any] = msgspec.json.decode(tool.raw)
        return native
    if tool.kind != "web_search" or not to.capabilities.web_search:
        raise _unavailable(tool.path or tool.type)
    return {"type": "web_search", **_search_options(msgspec.json.decode(tool.raw), tool, losses)}


def _search_options(given: Any, tool: HostedTool, losses: Losses) -> dict[str, Any]:
    """What the other protocols can say of a web search; domains may not be lost, for they bound what is read."""
    if not isinstance(given, dict):
        return {}
    written: dict[str, Any] = {}
    if given.get("blocked_domains"):
        raise _unavailable(f"{tool.path}.blocked_domains")
    if given.get("allowed_domains"):
        written["filters"] = {"allowed_domains": given["allowed_domains"]}
    if given.get("search_context_size"):
        written["search_context_size"] = given["search_context_size"]
    place = given.get("user_location")
    if isinstance(place, dict):
        inner = place.get("approximate")
        place = inner if isinstance(inner, dict) else place
        written["user_location"] = {"type": "approximate", **{name: place[name] for name in _PLACE if place.get(name)}}
    if given.get("max_uses") is not None:
        losses.drop(f"{tool.path}.max_uses")
    return written


def _choice(call: ChatCall, to: Destination) -> Any:
    chosen = call.tool_choice
    if chosen is None:
        return None
    if chosen.mode == "required" and not to.capabilities.tool_choice_required:
        raise _unavailable(call.spelled("tool_choice"))
    if not chosen.names:
        return chosen.mode
    custom = {tool.name for tool in call.tools if isinstance(tool, Tool) and tool.custom}
    as_custom = custom if to.capabilities.custom_tools else set()
    named = [{"type": "custom" if name in as_custom else "function", "name": name} for name in chosen.names]
    if len(named) == 1 and chosen.mode == "required":
        return named[0]
    return {"type": "allowed_tools", "mode": chosen.mode, "tools": named}


def _unavailable(path: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` is not available for this model", param=path, code="unsupported_parameter")
