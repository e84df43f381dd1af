"""Tools and the choice among them for a Gemini provider (protocols 2.1.3, 2.1.4)."""

from typing import Any

from msgspec import Raw

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, HostedTool, Tool
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import arguments, schemas
from nexusflow.protocols.gemini import names
from nexusflow.protocols.gemini.tables import ORIGIN
from nexusflow.wire import jsonedit

_HOSTED = {"web_search": "googleSearch", "web_fetch": "urlContext", "code_execution": "codeExecution"}


def tools(call: ChatCall, to: Destination, losses: Losses) -> list[dict[str, Any]]:
    """All tools: the provider's own, then the caller's as one list of functions. Raises `RequestRefused`."""
    caps = to.capabilities
    allowed = _allowed(call, caps)
    functions = [
        _declaration(tool, caps, losses)
        for tool in call.tools
        if isinstance(tool, Tool) and (not allowed or tool.name in allowed)
    ]
    hosted = [_hosted(tool, caps, losses) for tool in call.tools if isinstance(tool, HostedTool)]
    if functions and not caps.tools:
        raise _refused(call.spelled("tools"), "this model takes no tools")
    if functions and hosted and caps.reasoning.shape != "level":
        # Before Gemini 3 the provider takes its own tools or functions, never both (T78).
        path = next(tool.path for tool in call.tools if isinstance(tool, HostedTool))
        raise _refused(path, "this model does not take it together with functions")
    return hosted + ([{"functionDeclarations": functions}] if functions else [])


def tool_config(call: ChatCall, caps: Capabilities) -> dict[str, Any] | None:
    """`toolConfig`; None where the provider's default is meant. Raises `RequestRefused`."""
    choice = call.tool_choice
    declared = [tool for tool in call.tools if isinstance(tool, Tool)]
    if not declared:
        return None
    if choice is None or choice.mode == "auto":
        if choice is not None and choice.names and caps.strict_tools:
            return _calling("VALIDATED", choice.names)
        strict = caps.strict_tools and any(tool.strict for tool in declared)
        return _calling("VALIDATED" if strict else "AUTO", ()) if strict or choice is not None else None
    if choice.mode == "none":
        return _calling("NONE", ())
    if not caps.tool_choice_required:
        raise _refused(call.spelled("tool_choice"), "this model cannot be made to call a tool")
    return _calling("ANY", choice.names)


def _calling(mode: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    config: dict[str, Any] = {"mode": mode}
    if allowed:
        config["allowedFunctionNames"] = [names.accepted(name) for name in allowed]
    return {"functionCallingConfig": config}


def _allowed(call: ChatCall, caps: Capabilities) -> tuple[str, ...]:
    """The names that are left of the tools when a subset is wanted of a model that cannot be told so."""
    choice = call.tool_choice
    return choice.names if choice is not None and choice.mode == "auto" and not caps.strict_tools else ()


def _declaration(tool: Tool, caps: Capabilities, losses: Losses) -> dict[str, Any]:
    found: dict[str, Any] = {"name": names.accepted(tool.name)}
    if tool.description:
        found["description"] = tool.description
    if tool.custom:
        if tool.format is not None and b'"grammar"' in bytes(tool.format):
            raise _refused(tool.path or "tools", "this model takes no grammars")
        parameters: Raw = arguments.custom_schema()
    elif tool.parameters is None:
        return found
    else:
        parameters = schemas.tool_schema(tool.parameters)
    path = f"{tool.path or 'tools'}.parameters"
    if caps.json_schema_tools:
        found["parametersJsonSchema"] = schemas.for_gemini(parameters, losses, path)
    else:
        found["parameters"] = schemas.for_gemini_legacy(parameters, losses, path)
    return found


def _hosted(tool: HostedTool, caps: Capabilities, losses: Losses) -> dict[str, Any]:
    """One of Google's own tools: the caller's, or Google's like of another vendor's, without that one's settings."""
    if tool.origin == ORIGIN:
        return {tool.type: tool.raw}
    possible = caps.code_execution if tool.kind == "code_execution" else caps.web_search
    if tool.kind is None or not possible:
        raise _refused(tool.path or "tools", f"this model has no tool like `{tool.type}`")
    if bytes(tool.raw).startswith(b"{"):
        for name in sorted(jsonedit.split(bytes(tool.raw)).keys() - {"type", "name"}):
            losses.drop(f"{tool.path or 'tools'}.{name}")
    return {_HOSTED[tool.kind]: Raw(b"{}")}


def _refused(path: str, message: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_parameter")
