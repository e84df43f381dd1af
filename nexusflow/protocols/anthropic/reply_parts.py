"""What a whole answer and a streamed one have in common on their way to a client (protocols 2.1.7, 2.3, 2.6)."""

from typing import Any

from nexusflow.ir.chat import Finish, Media, Opaque
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import tables
from nexusflow.protocols.anthropic import usage as usage_record
from nexusflow.protocols.common import envelope

_UNSIGNED = Opaque("openai/chat-completions", "", "unsigned")
UNSIGNED = envelope.seal(_UNSIGNED)
"""The signature of thinking that has none: clients of this protocol replay a thinking block only with one."""


def signature(state: Opaque | None) -> str:
    """What a client gets as the signature of a thinking block; never empty."""
    if state is None:
        return UNSIGNED
    return state.payload if state.origin == tables.ORIGIN else envelope.seal(state)


def adopted(text: str) -> Opaque | None:
    """The reverse: the state in a signature that a client replays; None where there is none."""
    state = envelope.adopt(text, tables.ORIGIN) if text else None
    return None if state == _UNSIGNED else state


def failure(finish: Finish) -> Problem | None:
    """The problem of an answer that is none (protocols 2.1.7)."""
    if finish.reason == "empty":
        message = "The provider's answer is empty."
        return Problem(kind=Kind.UPSTREAM, message=message, code=f"upstream_empty:{finish.raw or 'unknown'}")
    if finish.reason == "malformed":
        message = "The provider's answer is malformed."
        return Problem(kind=Kind.UPSTREAM, message=message, code=f"upstream_malformed:{finish.raw or 'unknown'}")
    return None


def no_place(part: Media) -> Problem:
    """Generated media has no block in this protocol, and an answer without it would be another answer."""
    return Problem(
        kind=Kind.UPSTREAM,
        message=f"The answer contains {part.kind} output, which this protocol cannot carry.",
        code="unsupported_output",
    )


def stop(finish: Finish, *, refused: bool) -> dict[str, Any]:
    """`stop_reason`, `stop_sequence` and `stop_details`. `refused`: the model has said no in its own words."""
    reason = tables.STOP_REASONS[finish.reason]
    if refused and reason == "end_turn":
        reason = "refusal"
    found: dict[str, Any] = {"stop_reason": reason, "stop_sequence": finish.sequence}
    if reason == "refusal":
        found["stop_details"] = {
            "type": "refusal",
            "category": finish.category if finish.category in tables.REFUSAL_CATEGORIES else None,
            "explanation": finish.text or (finish.raw if finish.reason == "filter" else None),
        }
    return found


def message(name: str, response_id: str, usage: Usage | None) -> dict[str, Any]:
    """A message without content and without an end. `name` is the public model."""
    return {
        "id": f"msg_{response_id}",
        "type": "message",
        "role": "assistant",
        "model": name,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_record.complete(usage),
    }
