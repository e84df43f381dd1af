"""Tools and the choice among them in canonical form (protocols 1.3, 2.1.3, 2.8)."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import Ext, HostedTool, Tool, ToolChoice
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.openai_responses.namespaces import called, flat
from nexusflow.protocols.openai_responses.tables import ORIGIN
from nexusflow.protocols.openai_responses.wire import ABSENT
from nexusflow.protocols.openai_responses.wire_items import formed, missing, raw_list
from nexusflow.wire import jsonedit

Tools = tuple[Tool | HostedTool, ...]


class _ToolForm(Struct, frozen=True):
    type: str | None = None
    name: str | None = None
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    format: Raw = ABSENT
    tools: list[Raw] | None = None


class _ChoiceForm(Struct, frozen=True):
    type: str | None = None
    name: str | None = None
    namespace: str | None = None
    mode: str | None = None
    tools: list["_ChoiceForm"] | None = None


_tool_form = msgspec.json.Decoder(_ToolForm).decode
_choice_form = msgspec.json.Decoder(_ChoiceForm).decode
_KNOWN = frozenset(_ToolForm.__struct_fields__)
_NO_EFFECT = frozenset((b"null", b"false", b"[]", b"{}"))
_MODES: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "required": "required", "none": "none"}


def tools(found: list[Raw], path: str) -> Tools:
    """The tools of a request. Raises `RequestRefused` for one that is not understood or two of one name."""
    read: list[Tool | HostedTool] = []
    for at, raw in enumerate(found):
        read.extend(_tool(raw, f"{path}[{at}]"))
    return tuple(read)


def distinct(found: Tools) -> Tools:
    """Tools that were declared twice in the same words are one; two of one name that differ are refused."""
    by_name: dict[str, Tool | HostedTool] = {}
    for at, tool in enumerate(found):
        key = tool.name if isinstance(tool, Tool) else f"\n{at}"
        known = by_name.setdefault(key, tool)
        if known is not tool and isinstance(known, Tool) and isinstance(tool, Tool) and not _alike(known, tool):
            raise refuse(Kind.PARAM, f"two tools are called `{tool.name}`", param=tool.path, code="duplicate_name")
    return tuple(by_name.values())


def choice(raw: Raw, declared: Tools) -> ToolChoice | None:
    """`tool_choice`. None for nothing, null and an empty string."""
    data = bytes(raw)
    if not data or data in (b"null", b'""'):
        return None
    word = jsonedit.as_text(raw)
    if word is not None:
        if word not in _MODES:
            raise _bad_choice("must be none, auto, required or an object")
        return ToolChoice(mode=_MODES[word])
    form = formed(_choice_form, raw, "tool_choice")
    if form.type in ("function", "custom"):
        return ToolChoice(mode="required", names=(_named(form, declared),))
    if form.type == "allowed_tools":
        mode = form.mode or "auto"
        if mode not in ("auto", "required") or not form.tools:
            raise _bad_choice("of type allowed_tools needs a mode (auto, required) and tools")
        return ToolChoice(mode=_MODES[mode], names=tuple(_named(one, declared) for one in form.tools))
    if form.type in _MODES:
        return ToolChoice(mode=_MODES[form.type])
    raise _bad_choice(f"of type `{form.type}` is not available for this model")


def _tool(raw: Raw, path: str) -> list[Tool | HostedTool]:
    form = formed(_tool_form, raw, path)
    if form.type == "namespace":
        return list(_namespace(form, path))
    if form.type in ("function", "custom"):
        return [_own(form, raw, path)]
    if not form.type:
        raise missing(f"{path}.type")
    kind: Literal["web_search"] | None = "web_search" if form.type.startswith("web_search") else None
    return [HostedTool(origin=ORIGIN, type=form.type, raw=raw, kind=kind, path=path)]


def _namespace(form: _ToolForm, path: str) -> Tools:
    if not form.name:
        raise missing(f"{path}.name")
    inner: list[Tool | HostedTool] = []
    for tool in tools(form.tools or [], f"{path}.tools"):
        if not isinstance(tool, Tool) or tool.namespaced is not None:
            raise refuse(Kind.PARAM, f"`{tool.path}` cannot stand in a namespace", param=tool.path)
        described = "\n\n".join(text for text in (form.description, tool.description) if text)
        inner.append(
            msgspec.structs.replace(
                tool,
                name=flat(form.name, tool.name),
                namespaced=(form.name, tool.name),
                description=described or None,
            )
        )
    return tuple(inner)


def _own(form: _ToolForm, raw: Raw, path: str) -> Tool:
    """A tool that the caller runs."""
    if not form.name:
        raise missing(f"{path}.name")
    custom = form.type == "custom"
    return Tool(
        name=form.name,
        description=form.description,
        parameters=None if custom else _given(form.parameters),
        strict=None if custom else form.strict,
        custom=custom,
        format=_given(form.format) if custom else None,
        path=path,
        ext=_rest(raw),
    )


def _rest(raw: Raw) -> Ext | None:
    """Members that only this protocol has, but for those that say nothing."""
    fields = jsonedit.split(bytes(raw))
    rest = {name: value for name, value in fields.items() if name not in _KNOWN and bytes(value) not in _NO_EFFECT}
    return rest or None


def _given(raw: Raw) -> Raw | None:
    return None if bytes(raw) in (b"", b"null") else raw


def _named(form: _ChoiceForm, declared: Tools) -> str:
    if not form.name:
        raise _bad_choice("names a tool without a name")
    name = called(form.namespace, form.name, declared)
    if not any(isinstance(tool, Tool) and tool.name == name for tool in declared):
        raise _bad_choice(f"names `{form.name}`, which is not among the tools")
    return name


def _alike(one: Tool, other: Tool) -> bool:
    return (one.custom, one.parameters, one.format) == (other.custom, other.parameters, other.format)


def _bad_choice(what: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`tool_choice` {what}", param="tool_choice")


def listed(raw: Raw, path: str) -> list[Raw]:
    """`tools`, which may be missing or null."""
    return [] if bytes(raw) in (b"", b"null") else formed(raw_list, raw, path)
