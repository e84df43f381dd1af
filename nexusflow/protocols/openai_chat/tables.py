"""Words of Chat Completions and what they mean canonically (protocols 2.1.7, 2.1.3)."""

from nexusflow.ir.chat import FinishReason, Origin

CHAT: Origin = "openai/chat-completions"
DETAIL_FORMAT = "nexusflow-v1"
"""`format` of the reasoning details that carry another protocol's state in an envelope."""

FINISHES: dict[str, FinishReason] = {
    "stop": "end",
    "tool_calls": "tools",
    "function_call": "tools",
    "length": "length",
    "content_filter": "filter",
    # Words of compatible providers.
    "eos": "end",
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "tool_use": "tools",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "context",
    "safety": "filter",
    "sensitive": "filter",
    "refusal": "refusal",
    "error": "malformed",
    "network_error": "malformed",
    "insufficient_system_resource": "malformed",
}
"""What a provider's finish reason means, in lower case; a word that is not here means `end` (2.1.7)."""

WRITTEN: dict[FinishReason, str] = {
    "end": "stop",
    "stop_sequence": "stop",
    "tools": "tool_calls",
    "length": "length",
    "context": "length",
    "pause": "length",
    "refusal": "content_filter",
    "filter": "content_filter",
}
"""Finish reasons as a client reads them. `malformed` and `empty` are errors instead."""

SEARCH = "web_search_options"
"""The field that stands for the provider's own web search, and so the type of that hosted tool."""

TOOL_ERROR = "[tool_error] "
"""Begins the text of a tool's result that is an error, which this protocol cannot say otherwise (2.1.3)."""

TIERS = {word: word for word in ("auto", "default", "flex", "scale", "priority", "fast")} | {"standard": "default"}
"""Service tiers as a client reads them; strict clients refuse an answer with any other word."""
