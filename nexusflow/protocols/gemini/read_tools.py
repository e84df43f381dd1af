"""Tools and the choice among them, as a client gives them (protocols 1.5.1, 2.5)."""

from typing import Literal

from msgspec import Raw, Struct

from nexusflow.ir.chat import Ext, HostedTool, Tool, ToolChoice
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.common import schemas
from nexusflow.protocols.gemini.tables import ORIGIN

_KINDS: dict[str, Literal["web_search", "web_fetch", "code_execution"]] = {
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "enterpriseWebSearch": "web_search",
    "urlContext": "web_fetch",
    "codeExecution": "code_execution",
}
_MODES: dict[str, Literal["auto", "required", "none"]] = {
    "MODE_UNSPECIFIED": "auto",
    "AUTO": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}
_CONFIG = "toolConfig"
_CALLING = "toolConfig.functionCallingConfig"
_CONFIG_KNOWN = frozenset(("functionCallingConfig", "includeServerSideToolInvocations"))


class Choice(Struct, frozen=True):
    """`toolConfig`. `validated` wants arguments held to their schemas."""

    choice: ToolChoice | None = None
    validated: bool = False
    ext: Ext = {}


def read(found: Raw | None, *, validated: bool) -> tuple[Tool | HostedTool, ...]:
    """All tools, in order: several objects, or one alone, each with functions or tools of Google's (T71)."""
    if found is None:
        return ()
    tools: list[Tool | HostedTool] = []
    for at, item in enumerate(one_or_more(found, "tools")):
        path = f"tools[{at}]"
        for name, value in raws.obj(item, path).items():
            if bytes(value) == b"null":
                continue
            if name != "functionDeclarations":
                tools.append(HostedTool(origin=ORIGIN, type=name, raw=value, kind=_KINDS.get(name), path=path))
                continue
            inner = f"{path}.{name}"
            for index, declared in enumerate(one_or_more(value, inner)):
                tools.append(_function(declared, f"{inner}[{index}]", validated))
    return tuple(tools)


def choice(found: Raw | None) -> Choice:
    """How tools are to be called."""
    if found is None:
        return Choice()
    fields = raws.obj(found, _CONFIG)
    ext = {f"{_CONFIG}.{name}": value for name, value in (raws.rest(fields, _CONFIG_KNOWN) or {}).items()}
    calling = raws.optional(fields, "functionCallingConfig")
    if calling is None:
        return Choice(ext=ext)
    inner = raws.obj(calling, _CALLING)
    mode = raws.optional(inner, "mode")
    word = raws.string(mode, f"{_CALLING}.mode").upper() if mode is not None else "MODE_UNSPECIFIED"
    if word not in _MODES:
        path = f"{_CALLING}.mode"
        raise refuse(Kind.PARAM, f"`{path}` must be one of AUTO, ANY, NONE, VALIDATED", param=path)
    allowed = raws.optional(inner, "allowedFunctionNames")
    path = f"{_CALLING}.allowedFunctionNames"
    names = [raws.string(item, f"{path}[{at}]") for at, item in enumerate(raws.items(allowed, path))] if allowed else []
    return Choice(ToolChoice(mode=_MODES[word], names=tuple(names)), word == "VALIDATED", ext)


def one_or_more(found: Raw, path: str) -> list[Raw]:
    """The elements of an array, or a single object that stands for one."""
    return [found] if bytes(memoryview(found)[:1]) == b"{" else raws.items(found, path)


def _function(found: Raw, path: str, validated: bool) -> Tool:
    fields = raws.obj(found, path)
    name = raws.optional(fields, "name")
    if name is None:
        raise refuse(Kind.PARAM, f"`{path}.name` is required", param=f"{path}.name", code="missing_required_parameter")
    description = raws.optional(fields, "description")
    older, newer = raws.optional(fields, "parameters"), raws.optional(fields, "parametersJsonSchema")
    return Tool(
        name=raws.string(name, f"{path}.name"),
        description=raws.string(description, f"{path}.description") if description is not None else None,
        parameters=newer if newer is not None else schemas.from_gemini(older) if older is not None else None,
        strict=True if validated else None,
        path=path,
    )
