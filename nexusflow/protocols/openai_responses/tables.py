"""Words that both directions share: names, tiers, ends (protocols 2.1.7)."""

from typing import Final

from nexusflow.ir.chat import Finish, FinishReason, Opaque, Origin

ORIGIN: Final[Origin] = "openai/responses"

TIERS = {"default": "default", "standard": "default", "flex": "flex", "scale": "scale", "priority": "priority"} | {
    "fast": "fast",
    "ultrafast": "ultrafast",
}
"""A tier as any provider reports it, in the words of this protocol."""

INCOMPLETE: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "context": "max_output_tokens",
    "pause": "max_output_tokens",
    "refusal": "content_filter",
    "filter": "content_filter",
}
"""Why an answer is not complete; ends that are missing here are complete."""

NAMES = {
    "max_tokens": "max_output_tokens",
    "parallel_tools": "parallel_tool_calls",
    "format": "text.format",
    "verbosity": "text.verbosity",
    "tier": "service_tier",
    "user": "safety_identifier",
    "logprobs": "include",
}
"""Canonical fields that this protocol spells otherwise."""

ERROR_MARK = "[tool_error] "
"""Before the text of a tool's output that is an error: the protocol has no member for it (protocols 2.1.3)."""
REDACTED = "redacted:"
"""Before the payload in an envelope: nobody may read the text of this reasoning."""
PREVIOUS = "prev:"
"""Before the payload in an envelope: the state belongs to the text or call that stands before the reasoning item."""


def finish_of(status: str | None, reason: str | None, *, tools: bool, refused: bool) -> Finish:
    """What an answer's `status` and `incomplete_details.reason` mean."""
    if status == "incomplete":
        known: dict[str | None, FinishReason] = {"max_output_tokens": "length", "content_filter": "filter"}
        return Finish(reason=known.get(reason, "pause"), raw=reason)
    if tools:
        return Finish(reason="tools", raw=status)
    return Finish(reason="refusal" if refused else "end", raw=status)


def marked(opaque: Opaque, mark: str) -> Opaque:
    """`opaque` with a mark of where it belongs."""
    return Opaque(opaque.origin, opaque.family, mark + opaque.payload)


def unmarked(opaque: Opaque) -> tuple[Opaque, str]:
    """What `marked` made, apart; an empty mark when it made nothing. Base64 has no colon, so marks are unambiguous."""
    for mark in (REDACTED, PREVIOUS):
        if opaque.payload.startswith(mark):
            return Opaque(opaque.origin, opaque.family, opaque.payload[len(mark) :]), mark
    return opaque, ""
