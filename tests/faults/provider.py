"""What a well-behaved provider of OpenAI's chat protocol says, in pieces, for scripts to put together."""

import json
from typing import Any

from nexusflow.testing.faulty import piece


def event(**fields: Any) -> bytes:
    """One chunk of a chat stream, in a transfer chunk of its own."""
    return piece(sse(**fields))


def sse(**fields: Any) -> bytes:
    """One chunk of a chat stream as an event."""
    whole = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "upstream-name", **fields}
    return b"data: " + json.dumps(whole, separators=(",", ":")).encode() + b"\n\n"


def delta(text: str | None = None, *, finish: str | None = None, **more: Any) -> list[dict[str, Any]]:
    """The choices of one chunk."""
    content = {"content": text} if text is not None else {}
    return [{"index": 0, "delta": {**content, **more}, "finish_reason": finish}]


DONE = piece(b"data: [DONE]\n\n")
TICK = event(choices=delta("tick "))
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COMPLETION = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream-name",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
).encode()
