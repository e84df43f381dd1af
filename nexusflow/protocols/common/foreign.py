"""What only the caller's own protocol knows, reported as lost when the call goes to another (architecture 8.2)."""

from collections.abc import Iterator

from nexusflow.ir.chat import ChatCall, Document, Ext, HostedTool, Media, Origin, Part, ToolResult, Unknown
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses

_ESSENTIAL: dict[Origin, frozenset[str]] = {
    "anthropic/messages": frozenset(
        (
            "mcp_servers",
            "container",
            "compaction",
            "thread",
            "fallbacks",
            "fallback_credit_token",
            "billing_policy",
            "inference_geo",
        )
    ),
}
"""Top-level fields whose loss would change what the call means (protocols 2.3)."""
_CODES = {"thread": "thread_unsupported_request"}
"""What the vendor's own SDKs look for: their tool runners then go on without a thread, with the whole history."""
_NO_EFFECT = frozenset((b"null", b"false", b"[]", b"{}", b'""'))


def report_ext(call: ChatCall, target: Origin, losses: Losses) -> None:
    """Drop every `ext` and `Unknown` that `target` has no place for; values without effect are no loss (2.0.3).

    Raises `RequestRefused` for a field that the call would not be the same without, and for a call that asks for no
    answer at all (`max_tokens: 0`), which only Anthropic knows.
    """
    if call.origin == target:
        return
    for name in sorted(_ESSENTIAL.get(call.origin, frozenset()).intersection(call.ext or ())):
        if bytes((call.ext or {})[name]) not in _NO_EFFECT:
            code = _CODES.get(name, "unsupported_parameter")
            raise refuse(Kind.PARAM, f"`{name}` cannot be sent to this model", param=name, code=code)
    if call.max_tokens == 0:
        name = call.spelled("max_tokens")
        raise refuse(Kind.PARAM, f"`{name}` must be at least 1 for this model", param=name)
    for path in _ext_paths(call, cites=target == "anthropic/messages"):
        losses.drop(path)


def _ext_paths(call: ChatCall, *, cites: bool) -> Iterator[str]:
    yield from _names(call.ext, "")
    word = "parts" if call.origin == "google/generate-content" else "content"
    for turn in call.turns:
        yield from _names(turn.ext, turn.path)
        for at, part in enumerate(turn.parts):
            yield from _part(part, f"{turn.path}.{word}[{at}]", cites)
    for tool in call.tools:
        if not isinstance(tool, HostedTool):
            yield from _names(tool.ext, tool.path)


def _part(part: Part, path: str, cites: bool) -> Iterator[str]:
    if isinstance(part, Unknown):
        yield path
        return
    yield from _names(getattr(part, "ext", None), path)
    if isinstance(part, Media | Document) and part.cite and not cites:
        yield f"{path}.citations"
    if isinstance(part, ToolResult):
        for at, inner in enumerate(part.content):
            yield from _part(inner, f"{path}.content[{at}]", cites)


def _names(ext: Ext | None, path: str) -> Iterator[str]:
    for name, value in (ext or {}).items():
        if bytes(value) not in _NO_EFFECT:
            yield f"{path}.{name}" if path else name
