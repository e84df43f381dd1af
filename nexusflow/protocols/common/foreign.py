"""What only the caller's own protocol knows, reported as lost when the call goes to another (architecture 8.2)."""

from collections.abc import Iterator

from nexusflow.ir.chat import ChatCall, Document, Ext, HostedTool, Media, Origin, Part, Text, ToolResult, Unknown
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common.places import Places

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


def report_ext(call: ChatCall, target: Origin, losses: Losses, *, carried: frozenset[str] = frozenset()) -> None:
    """Drop every `ext` and `Unknown` that `target` has no place for; values without effect are no loss (2.0.3), nor
    are the top-level fields `carried` by other means.

    Raises `RequestRefused` for a field that the call would not be the same without, and for a call that asks for no
    answer at all (`max_tokens: 0`), which only Anthropic knows.
    """
    if call.origin == target:
        return
    ext = call.ext or {}
    for name in sorted(_ESSENTIAL[call.origin] & ext.keys()) if ext and call.origin in _ESSENTIAL else ():
        if bytes(ext[name]) not in _NO_EFFECT:
            code = _CODES.get(name, "unsupported_parameter")
            raise refuse(Kind.PARAM, f"`{name}` cannot be sent to this model", param=name, code=code)
    if call.max_tokens == 0:
        name = call.spelled("max_tokens")
        raise refuse(Kind.PARAM, f"`{name}` must be at least 1 for this model", param=name)
    for path in _ext_paths(call, cites=target == "anthropic/messages"):
        if path not in carried:
            losses.drop(path)


def _ext_paths(call: ChatCall, *, cites: bool) -> Iterator[str]:
    if call.ext:
        yield from _names(call.ext, "")
    places = Places(call)
    for turn in call.turns:
        if turn.ext:
            yield from _names(turn.ext, turn.path)
        for part in turn.parts:
            if not isinstance(part, Text) or part.ext:  # of which a call has most
                yield from _part(part, places, cites)
    for tool in call.tools:
        if not isinstance(tool, HostedTool) and tool.ext:
            yield from _names(tool.ext, tool.path)


def _part(part: Part, places: Places, cites: bool) -> Iterator[str]:
    if isinstance(part, Unknown):
        yield places.of(part)
        return
    ext = getattr(part, "ext", None)
    if ext:
        yield from _names(ext, places.of(part))
    if isinstance(part, Media | Document) and part.cite and not cites:
        yield f"{places.of(part)}.citations"
    if isinstance(part, ToolResult):
        for inner in part.content:
            yield from _part(inner, places, cites)


def _names(ext: Ext, path: str) -> Iterator[str]:
    for name, value in ext.items():
        if bytes(value) not in _NO_EFFECT:
            yield f"{path}.{name}" if path else name
