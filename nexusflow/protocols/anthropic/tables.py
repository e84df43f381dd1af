"""Words that both directions of this protocol share (protocols 2.1.3, 2.1.7)."""

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Ext, Finish, FinishReason, Origin
from nexusflow.protocols.anthropic.wire_events import Stop


class _Details(msgspec.Struct, frozen=True, gc=False):
    """Why an answer was refused."""

    category: str | None = None
    explanation: str | None = None


_details = msgspec.json.Decoder(_Details | None).decode
ORIGIN: Origin = "anthropic/messages"

_FINISH: dict[str, FinishReason] = {
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "tool_use": "tools",
    "max_tokens": "length",
    "model_context_window_exceeded": "context",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
}
STOP_REASONS: dict[FinishReason, str] = {
    "end": "end_turn",
    "stop_sequence": "stop_sequence",
    "tools": "tool_use",
    "length": "max_tokens",
    "context": "model_context_window_exceeded",
    "pause": "pause_turn",
    "refusal": "refusal",
    "filter": "refusal",
}
"""Reasons without a row are failures (`malformed`, `empty`)."""

REFUSAL_CATEGORIES = frozenset(("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"))
SERVER_TOOLS = {
    "web_search": "web_search",
    "web_fetch": "web_fetch",
    "code_execution": "code_execution",
}
IMAGE_TYPES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))


def finish(stop: Stop, *, called: bool) -> Finish:
    """The canonical reason of a `stop_reason`. What was `called` decides: a claim of tools without a call is an end,
    and a call is a call whatever the word (protocols 2.1.7)."""
    reason = _FINISH.get(stop.stop_reason or "", "end")
    if called and reason == "end":
        reason = "tools"
    elif reason == "tools" and not called:
        reason = "end"
    try:
        details = _details(stop.stop_details) if stop.stop_details else None
    except msgspec.DecodeError:
        details = None
    return Finish(
        reason=reason,
        raw=stop.stop_reason,
        sequence=stop.stop_sequence,
        category=details.category if details else None,
        text=details.explanation if details else None,
    )


def caller(given: bytes) -> Ext | None:
    """Who made a call, where it was not the model itself: code that ran at the provider, say."""
    usual = not given or given.replace(b" ", b"") in (b"null", b'{"type":"direct"}')
    return None if usual else {"caller": Raw(given)}
