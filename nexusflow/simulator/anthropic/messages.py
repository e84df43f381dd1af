"""Messages: the message object and the events of a stream (protocols 1.4.2, 1.4.3, 1.4.4)."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from nexusflow.simulator.anthropic.message_rules import FORM
from nexusflow.simulator.anthropic.vendor import ANTHROPIC
from nexusflow.simulator.failure import Failure, Vendor
from nexusflow.simulator.form import Call, Event, Form, Plain
from nexusflow.simulator.reply import Reply
from nexusflow.simulator.seal import seal
from nexusflow.simulator.tokens import pieces
from nexusflow.simulator.usage import Usage

STOP = {
    "end": "end_turn",
    "stop": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "refusal",
    "filter": "refusal",
}
REFUSED = {"type": "refusal", "category": "general_harms", "explanation": "The simulated model refuses."}
PING = Event({"type": "ping"}, name="ping")


class Messages(Form):
    """One message."""

    vendor: ClassVar[Vendor] = ANTHROPIC

    def unary(self, call: Call) -> dict[str, Any]:
        replies = call.replies()
        content = [_whole(block) for one in replies for block in _blocks(call, one)]
        told = call.usage(replies)
        return _head(call, content, _stop(replies)) | ({} if told is None else {"usage": told})

    def events(self, call: Call) -> Iterator[Event]:
        replies = call.replies()
        begun = call.usage(replies, spoken=1)
        message = _head(call, [], _stop([])) | ({} if begun is None else {"usage": begun})
        yield _event("message_start", message=message)
        blocks = [block for one in replies for block in _blocks(call, one)]
        spoken = 0
        for index, block in enumerate(blocks):
            for event in _block(call, index, block):
                spoken += event.kind == "delta"
                yield event
            if index == 0:
                yield PING
            if call.repeats:
                nothing_yet = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
                yield _event("message_delta", delta=nothing_yet, usage=call.usage(replies, spoken=spoken))
        told = call.usage(replies)
        yield _event("message_delta", delta=_stop(replies), **({} if told is None else {"usage": told}))
        yield _event("message_stop", "end")

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "input_tokens": usage.input - usage.cached - usage.written,
            "cache_creation_input_tokens": usage.written,
            "cache_read_input_tokens": usage.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.written - usage.written_longer,
                "ephemeral_1h_input_tokens": usage.written_longer,
            },
            "output_tokens": usage.output,
            "output_tokens_details": {"thinking_tokens": usage.thought},
            "service_tier": "standard",
            "inference_geo": "global",
        }

    def failing(self, failure: Failure, call: Call, sent: Sequence[Event]) -> Event:
        return Event(self.vendor.error(failure, call.asked.identity)[1], name="error")


class Counting(Plain):
    """`POST /v1/messages/count_tokens`, which knows nothing of caches."""

    vendor: ClassVar[Vendor] = ANTHROPIC

    def unary(self, call: Call) -> dict[str, Any]:
        return self.usage(call.measure([]))

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {"input_tokens": usage.input}


def _head(call: Call, content: list[dict[str, Any]], stop: dict[str, Any]) -> dict[str, Any]:
    head = {"model": call.model, "id": f"msg_sim{call.asked.identity}", "type": "message", "role": "assistant"}
    return {**head, "content": content, **stop}


def _stop(replies: list[Reply]) -> dict[str, Any]:
    """Why the message ends; nothing yet where there is no reply."""
    one = replies[0] if replies else None
    reason = STOP[one.finish] if one else None
    details = REFUSED if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": one.stopped if one else None, "stop_details": details}


def _blocks(call: Call, one: Reply) -> Iterator[dict[str, Any]]:
    if one.thought and call.options.redacted:
        yield {"type": "redacted_thinking", "data": seal(FORM, one.thought, "redacted")}
    elif one.thought:
        shown = one.thought if call.asked.shows else ""
        yield {"type": "thinking", "thinking": shown, "signature": seal(FORM, one.thought, shown)}
    if one.text:
        yield {"type": "text", "text": one.text}
    for made in one.calls:
        yield {"type": "tool_use", "id": f"toolu_{made.id}", "name": made.name, "input": made.payload}


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    """A block of a plain answer: the input of a call is an object there, an empty one when it was cut off."""
    if block["type"] != "tool_use":
        return block
    try:
        return {**block, "input": msgspec.json.decode(block["input"])}
    except msgspec.DecodeError:
        return {**block, "input": {}}


def _block(call: Call, index: int, block: dict[str, Any]) -> Iterator[Event]:
    """The events of one block. The signature comes once and whole, redacted thinking as the block begins."""
    deltas: dict[str, tuple[str, dict[str, Any], list[str]]] = {
        "thinking": ("thinking_delta", {"thinking": "", "signature": ""}, pieces(block.get("thinking", ""))),
        "text": ("text_delta", {"text": ""}, call.pieces(block.get("text", ""))),
        "tool_use": ("input_json_delta", {"input": {}}, pieces(block.get("input", ""))),
        "redacted_thinking": ("", {}, []),
    }
    kind, empty, parts = deltas[block["type"]]
    field = {"input_json_delta": "partial_json", "text_delta": "text", "thinking_delta": "thinking"}.get(kind, "")
    yield _event("content_block_start", index=index, content_block={**block, **empty})
    for part in parts:
        yield _event("content_block_delta", "delta", index=index, delta={"type": kind, field: part})
    if "signature" in block:
        signed = {"type": "signature_delta", "signature": block["signature"]}
        yield _event("content_block_delta", index=index, delta=signed)
    yield _event("content_block_stop", index=index)


def _event(name: str, kind: Literal["frame", "delta", "end"] = "frame", /, **more: Any) -> Event:
    return Event({"type": name, **more}, kind, name)
