"""Words that both directions share: roles, finish reasons, tiers (protocols 2.1.7)."""

from typing import Final

from nexusflow.ir.chat import FinishReason, Origin

ORIGIN: Final[Origin] = "google/generate-content"

MODIFIERS = frozenset(
    ("thought", "thoughtSignature", "partMetadata", "mediaResolution", "videoMetadata", "speechMetadata")
)
"""Members of a part that say something about its one data field."""

EXTRAS = ("groundingMetadata", "citationMetadata", "continuationToken", "safetyRatings", "urlContextMetadata")
"""What stands beside the parts and has no event of its own."""

# Google's word: ours. What has no content left over becomes `empty` in `finish_of`.
FINISH: dict[str, FinishReason] = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    "SAFETY": "filter",
    "RECITATION": "filter",
    "LANGUAGE": "filter",
    "BLOCKLIST": "filter",
    "PROHIBITED_CONTENT": "filter",
    "SPII": "filter",
    "IMAGE_SAFETY": "filter",
    "IMAGE_PROHIBITED_CONTENT": "filter",
    "IMAGE_RECITATION": "filter",
    "MODEL_ARMOR": "filter",
    "ESCALATION": "filter",
    "PUP_LIMITED_DISABLED": "filter",
    "MALFORMED_FUNCTION_CALL": "malformed",
    "UNEXPECTED_TOOL_CALL": "malformed",
    "TOO_MANY_TOOL_CALLS": "malformed",
    "MISSING_THOUGHT_SIGNATURE": "malformed",
    "MALFORMED_RESPONSE": "malformed",
    "NO_IMAGE": "empty",
    "IMAGE_OTHER": "empty",
    "OTHER": "empty",
    "FINISH_REASON_UNSPECIFIED": "empty",
}
WRITTEN: dict[FinishReason, str] = {
    "end": "STOP",
    "stop_sequence": "STOP",
    "tools": "STOP",
    "pause": "STOP",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "refusal": "SAFETY",
    "filter": "SAFETY",
}
"""Our word to Google's, where the provider's own word is not one of Google's."""

TRAFFIC_TIERS = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
"""Vertex's `trafficType` as a service tier."""


def finish_of(word: str | None, *, content: bool, calls: bool) -> FinishReason:
    """Our reason for Google's word. A call that was made wins over everything but a failure (T26, T28, T29)."""
    reason = FINISH.get(word, "end") if word is not None else "empty"
    if reason == "empty" and content:
        reason = "end"
    if calls and reason in ("end", "length", "pause"):
        return "tools"
    return reason


def tier_word(name: str) -> str:
    """A service tier as callers spell it, or as Google's enum does (`SERVICE_TIER_FLEX`), as one plain word."""
    return name.lower().removeprefix("service_tier_")
