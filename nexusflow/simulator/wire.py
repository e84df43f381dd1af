"""OpenAI's wire forms: the completion object and the chunks of a stream (protocols 1.2.3, 1.2.4)."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from nexusflow.simulator.asked import Asked
from nexusflow.simulator.reply import Reply, usage
from nexusflow.simulator.tokens import pieces
from nexusflow.simulator.tools import ToolCall

DONE = b"data: [DONE]\n\n"

Chunk = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def completion(asked: Asked, model: str, replies: list[Reply]) -> dict[str, Any]:
    """The unary answer."""
    return {
        "id": f"chatcmpl-sim-{asked.identity}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [_choice(at, one) for at, one in enumerate(replies)],
        "usage": usage(asked, replies),
        "system_fingerprint": "simulated",
    }


def chunks(asked: Asked, model: str, replies: list[Reply], events: int | None = None) -> Iterator[Chunk]:
    """The events of a stream: role once, deltas, one finish for each choice, usage last when asked for.

    `events` is the number of text deltas of each choice; without it there is one a token.
    """
    options = asked.chat.stream_options
    with_usage = options is not None and bool(options.include_usage)
    head = {
        "id": f"chatcmpl-sim-{asked.identity}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "simulated",
        **({"usage": None} if with_usage else {}),
    }
    for at, one in enumerate(replies):
        for delta in _deltas(one, events):
            yield {**head, "choices": [{"index": at, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": at, "delta": {}, "finish_reason": one.finish}]}
    if with_usage:
        yield {**head, "choices": [], "usage": usage(asked, replies)}


def speaks(chunk: Chunk) -> bool:
    """Whether the chunk carries a part of the reply: not the role, a finish or the usage."""
    return any(choice["finish_reason"] is None and "role" not in choice["delta"] for choice in chunk["choices"])


def frame(chunk: Chunk) -> bytes:
    """A chunk as one event."""
    return b"data: %b\n\n" % _encode(chunk)


def error(message: str, kind: str, code: str | None, param: str | None = None) -> bytes:
    """A refusal in OpenAI's envelope."""
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def _choice(at: int, one: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if one.calls else one.text, "refusal": None}
    if one.reasoning:
        message["reasoning_content"] = one.reasoning
    if one.calls:
        message["tool_calls"] = [_call(call, call.payload) for call in one.calls]
    return {"index": at, "message": message, "logprobs": None, "finish_reason": one.finish}


def _call(call: ToolCall, payload: str) -> dict[str, Any]:
    return {"id": call.id, "type": call.type, **_body(call, payload, name=call.name)}


def _body(call: ToolCall, payload: str, **named: str) -> dict[str, Any]:
    return {call.type: {**named, "input" if call.type == "custom" else "arguments": payload}}


def _deltas(one: Reply, events: int | None) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if one.calls else ""}
    for piece in pieces(one.reasoning):
        yield {"reasoning_content": piece}
    for index, call in enumerate(one.calls):
        yield {"tool_calls": [{"index": index, **_call(call, "")}]}
        for piece in pieces(call.payload):
            yield {"tool_calls": [{"index": index, **_body(call, piece)}]}
    for piece in pieces(one.text) if events is None else _slices(one.text, events):
        yield {"content": piece}


def _slices(text: str, number: int) -> Iterator[str]:
    """`text` in `number` parts of about the same length, fewer when it has fewer characters."""
    number = min(number, len(text))
    for at in range(number):
        yield text[len(text) * at // number : len(text) * (at + 1) // number]
