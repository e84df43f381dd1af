"""A client's tools and its choice among them (protocols 1.4.1, 2.1.3, 2.3)."""

from typing import Literal

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Ext, HostedTool, Tool
from nexusflow.ir.chat import ToolChoice as Choice
from nexusflow.protocols.anthropic import wire_blocks
from nexusflow.protocols.anthropic.read_parts import cache_mark
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.anthropic.wire import ToolChoice
from nexusflow.wire import jsonedit

_OWN = ("", "custom")
_MODES: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "any": "required", "none": "none"}
_HOSTED: tuple[tuple[str, Literal["web_search", "web_fetch", "code_execution"]], ...] = (
    ("web_search_", "web_search"),
    ("web_fetch_", "web_fetch"),
    ("code_execution_", "code_execution"),
)
_USUAL = {"defer_loading": b"false", "allowed_callers": b'["direct"]', "type": b'"custom"'}


def read(tools: list[Raw]) -> tuple[Tool | HostedTool, ...]:
    """The tools, in order. One with a type of its own is the provider's, even if the caller runs it (a shell, say):
    no other protocol knows what it is."""
    found: list[Tool | HostedTool] = []
    for at, raw in enumerate(tools):
        path = f"tools[{at}]"
        fields = jsonedit.split(bytes(raw)) if bytes(raw).startswith(b"{") else {}
        type_ = jsonedit.as_text(fields.get("type", Raw(b"null"))) or ""
        if type_ in _OWN:
            found.append(_own(raw, path))
        else:
            kind = next((kind for prefix, kind in _HOSTED if type_.startswith(prefix)), None)
            found.append(HostedTool(origin=ORIGIN, type=type_, raw=raw, kind=kind, path=path))
    return tuple(found)


def choice(given: ToolChoice | None) -> tuple[Choice | None, bool | None]:
    """The choice, and whether calls may be parallel (None: as usual)."""
    if given is None:
        return None, None
    parallel = False if given.disable_parallel_tool_use else None
    if given.type == "tool":
        return Choice(mode="required", names=(given.name or "",)), parallel
    return Choice(mode=_MODES[given.type]), parallel


def _own(raw: Raw, path: str) -> Tool:
    form, rest = wire_blocks.TOOL.read_all(raw, path)
    return Tool(
        name=form.name,
        description=_described(form.description, form.input_examples or []),
        parameters=form.input_schema if bytes(form.input_schema).startswith(b"{") else None,
        strict=form.strict,
        cache=cache_mark(form.cache_control),
        path=path,
        ext=_unusual(rest),
    )


def _described(description: str | None, examples: list[Raw]) -> str | None:
    """Examples have no place of their own elsewhere, so they go where every model reads them."""
    if not examples:
        return description
    shown = "\n".join(msgspec.json.format(bytes(example), indent=-1).decode() for example in examples)
    return f"{description or ''}\n\nExamples of its input:\n{shown}".strip()


def _unusual(rest: Ext | None) -> Ext | None:
    """What is kept of a tool's other members: those that do not just say what is so anyway."""
    found = {name: value for name, value in (rest or {}).items() if bytes(value).replace(b" ", b"") != _USUAL.get(name)}
    return found or None
