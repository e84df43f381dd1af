"""The naive reading of Anthropic Messages."""

from typing import Any

from tests.support.naive.values import Answer, Call, Counts, Reading, arguments, number, reported
from tests.support.sse import events

_FINISH = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tools",
    "pause_turn": "pause",
    "refusal": "filter",
    "model_context_window_exceeded": "context",
}


def of_body(body: Any) -> Reading:
    """A whole message."""
    if body.get("type") == "error":
        return Reading((), failed=True)
    blocks = body["content"]
    calls = tuple(Call(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use")
    finish = _FINISH.get(body.get("stop_reason") or "", "end")
    answer = Answer(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        thinking="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        calls=calls,
        finish="tools" if calls else "end" if finish == "tools" else finish,
    )
    return Reading((answer,), _counts(body.get("usage")))


def of_stream(stream: bytes) -> Reading:
    """A stream: the first message that its events build up (some recordings hold the messages of a whole loop)."""
    message: dict[str, Any] = {"content": [], "usage": {}}
    for event in events(stream):
        match event["type"]:
            case "error":
                return Reading(of_body(message).answers, failed=True)
            case "message_start":
                message = {**event["message"], "content": []}
                message["usage"] = dict(message.get("usage") or {})
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                _extend(message["content"][event["index"]], event["delta"])
            case "content_block_stop":
                _close(message["content"][event["index"]])
            case "message_stop":
                break
            case "message_delta":
                message.update(event["delta"])
                message["usage"].update({k: v for k, v in (event.get("usage") or {}).items() if v is not None})
    return of_body(message)


def _extend(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "input_json_delta":
            block["json"] = block.get("json", "") + delta["partial_json"]


def _close(block: dict[str, Any]) -> None:
    if block.get("json"):
        block["input"] = arguments(block["json"])


def _counts(usage: dict[str, Any] | None) -> Counts | None:
    if not usage:
        return None
    cached, written = number(usage, "cache_read_input_tokens"), number(usage, "cache_creation_input_tokens")
    counts = Counts(
        input=number(usage, "input_tokens") + cached + written,
        output=number(usage, "output_tokens"),
        cached=cached,
        written=written,
        reasoning=number(usage.get("output_tokens_details"), "thinking_tokens"),
    )
    return reported(counts)
