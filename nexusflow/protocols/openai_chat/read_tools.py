"""A client's tools and tool choice, in the current form, the older one and the dialects (protocols 1.2.1, T65)."""

from msgspec import Raw

from nexusflow.ir.chat import HostedTool, Tool, ToolChoice
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import raw
from nexusflow.protocols.openai_chat.read_content import cache_of
from nexusflow.protocols.openai_chat.tables import CHAT, SEARCH

_KNOWN = frozenset(("type", "function", "custom", "cache_control"))
_MODES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


def read(fields: dict[str, Raw]) -> tuple[Tool | HostedTool, ...]:
    """`tools`, the older `functions`, and `web_search_options`. Raises `RequestRefused` naming what does not fit."""
    found: list[Tool | HostedTool] = []
    tools = raw.optional(fields, "tools")
    for at, one in enumerate(raw.items(tools, "tools") if tools is not None else ()):
        found.append(_tool(one, f"tools[{at}]"))
    functions = raw.optional(fields, "functions")
    for at, one in enumerate(raw.items(functions, "functions") if functions is not None else ()):
        found.append(_function(raw.obj(one, f"functions[{at}]"), {}, f"functions[{at}]", f"functions[{at}]"))
    search = raw.optional(fields, SEARCH)
    if search is not None:
        found.append(HostedTool(origin=CHAT, type=SEARCH, raw=search, kind="web_search", path=SEARCH))
    return tuple(found)


def choice(fields: dict[str, Raw]) -> ToolChoice | None:
    """`tool_choice`, or the older `function_call`."""
    given, name = raw.optional(fields, "tool_choice"), "tool_choice"
    if given is None:
        given, name = raw.optional(fields, "function_call"), "function_call"
    if given is None:
        return None
    if bytes(given).startswith(b'"'):
        return _mode(raw.string(given, name), name)
    inner = raw.obj(given, name)
    if name == "function_call":
        return ToolChoice(mode="required", names=(_name(inner, name),))
    return _chosen(inner, name)


def _tool(one: Raw, path: str) -> Tool | HostedTool:
    fields = raw.obj(one, path)
    function, custom = raw.optional(fields, "function"), raw.optional(fields, "custom")
    given = raw.optional(fields, "type")
    kind = raw.string(given, f"{path}.type") if given is not None else "function"
    if kind == "custom" and custom is not None:
        return _custom(raw.obj(custom, f"{path}.custom"), fields, path)
    if kind != "function":
        return HostedTool(origin=CHAT, type=kind, raw=Raw(one), path=path)
    if function is None:
        where = f"{path}.function"
        raise refuse(Kind.PARAM, f"`{where}` is required", param=where, code="missing_required_parameter")
    return _function(raw.obj(function, f"{path}.function"), fields, path, f"{path}.function")


def _function(function: dict[str, Raw], around: dict[str, Raw], path: str, inner: str) -> Tool:
    strict = raw.optional(function, "strict")
    return Tool(
        name=_name(function, inner),
        description=_described(function, inner),
        parameters=raw.optional(function, "parameters"),
        strict=raw.boolean(strict, f"{inner}.strict") if strict is not None else None,
        cache=cache_of(around, path),
        path=path,
        ext=raw.rest(around, _KNOWN),
    )


def _custom(custom: dict[str, Raw], around: dict[str, Raw], path: str) -> Tool:
    return Tool(
        name=_name(custom, f"{path}.custom"),
        description=_described(custom, f"{path}.custom"),
        custom=True,
        format=raw.optional(custom, "format"),
        path=path,
        ext=raw.rest(around, _KNOWN),
    )


def _described(fields: dict[str, Raw], path: str) -> str | None:
    given = raw.optional(fields, "description")
    return raw.string(given, f"{path}.description") if given is not None else None


def _mode(word: str, path: str) -> ToolChoice:
    mode = _MODES.get(word)
    if mode == "auto":
        return ToolChoice(mode="auto")
    if mode == "none":
        return ToolChoice(mode="none")
    if mode == "required":
        return ToolChoice(mode="required")
    raise _unknown(path)


def _chosen(fields: dict[str, Raw], path: str) -> ToolChoice:
    """An object: one tool, some of them, or, as other protocols spell it, a mode or a name."""
    given = raw.optional(fields, "type")
    kind = raw.string(given, f"{path}.type") if given is not None else "function"
    if kind in ("function", "custom", "tool"):
        inner = raw.optional(fields, kind)
        name = _name(raw.obj(inner, f"{path}.{kind}") if inner is not None else fields, path)
        return ToolChoice(mode="required", names=(name,))
    if kind != "allowed_tools":
        return _mode(kind, f"{path}.type")
    inner = raw.optional(fields, kind)
    allowed = raw.obj(inner, f"{path}.{kind}") if inner is not None else fields
    mode = _mode(raw.string(allowed.get("mode", Raw(b'"auto"')), f"{path}.{kind}.mode"), f"{path}.{kind}.mode")
    return ToolChoice(mode=mode.mode, names=_names(allowed, f"{path}.{kind}.tools"))


def _names(allowed: dict[str, Raw], path: str) -> tuple[str, ...]:
    names = []
    for at, one in enumerate(raw.items(allowed.get("tools", Raw(b"[]")), path)):
        fields = raw.obj(one, f"{path}[{at}]")
        inner = raw.optional(fields, "function") or raw.optional(fields, "custom")
        names.append(_name(raw.obj(inner, f"{path}[{at}]") if inner is not None else fields, f"{path}[{at}]"))
    return tuple(names)


def _name(fields: dict[str, Raw], path: str) -> str:
    given = raw.optional(fields, "name")
    if given is None:
        where = f"{path}.name"
        raise refuse(Kind.PARAM, f"`{where}` is required", param=where, code="missing_required_parameter")
    return raw.string(given, f"{path}.name")


def _unknown(path: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` must be auto, none, required or a tool", param=path, code="invalid_value")
