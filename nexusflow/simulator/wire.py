"""OpenAI's wire forms: the completion object and the chunks of a stream (protocols 1.2.3, 1.2.4)."""

import json
import time
from collections.abc import Iterator
from typing import Any

from nexusflow.simulator.reply import Reply, ToolCall, identity, usage
from nexusflow.simulator.tokens import pieces

DONE = b"data: [DONE]\n\n"


def completion(body: dict[str, Any], model: str, replies: list[Reply]) -> dict[str, Any]:
    """The unary answer."""
    return {
        "id": f"chatcmpl-sim-{identity(body)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [_choice(at, one) for at, one in enumerate(replies)],
        "usage": usage(body, replies),
        "system_fingerprint": "simulated",
    }


def chunks(body: dict[str, Any], model: str, replies: list[Reply]) -> Iterator[dict[str, Any]]:
    """The events of a stream: role once, deltas, one finish for each choice, usage last when asked for."""
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    head = {
        "id": f"chatcmpl-sim-{identity(body)}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "simulated",
        **({"usage": None} if with_usage else {}),
    }
    for at, one in enumerate(replies):
        for delta in _deltas(one):
            yield {**head, "choices": [{"index": at, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": at, "delta": {}, "finish_reason": one.finish}]}
    if with_usage:
        yield {**head, "choices": [], "usage": usage(body, replies)}


def frame(chunk: dict[str, Any]) -> bytes:
    """A chunk as one event."""
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def error(message: str, kind: str, code: str | None) -> bytes:
    """A refusal in OpenAI's envelope."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def _choice(at: int, one: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if one.calls else one.text, "refusal": None}
    if one.reasoning:
        message["reasoning_content"] = one.reasoning
    if one.calls:
        message["tool_calls"] = [_call(call) for call in one.calls]
    return {"index": at, "message": message, "logprobs": None, "finish_reason": one.finish}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _deltas(one: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if one.calls else ""}
    for piece in pieces(one.reasoning):
        yield {"reasoning_content": piece}
    for index, call in enumerate(one.calls):
        opening = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [opening]}
        for piece in pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    for piece in pieces(one.text):
        yield {"content": piece}
