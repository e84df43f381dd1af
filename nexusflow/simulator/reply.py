"""What the simulated model says: a function of the request alone, so that the same request gets the same answer."""

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from nexusflow.simulator.asked import Asked, Chat
from nexusflow.simulator.instance import instance
from nexusflow.simulator.tokens import count, count_prompt, pieces
from nexusflow.simulator.tools import ToolCall, call_tools

MARK = "[simulated]"
ECHO_CHARACTERS = 2000
EVENT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice before it takes a wire form."""

    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    finish: str


def reply(
    asked: Asked, choice: int, *, size: int | None = None, events: int | None = None, thinks: bool = False
) -> Reply:
    """The reply of one choice. Plain text has `size` bytes where that is given, and enough for `events` deltas."""
    chat = asked.chat
    reasoning = f"{MARK} The user asks; I echo." if thinks and chat.reasoning_effort != "none" else ""
    calls = call_tools(asked, choice)
    if calls:
        return _bounded(Reply("", reasoning, calls, "tool_calls"), chat.bound)
    text = _text(chat, choice)
    if chat.response_format is None or chat.response_format.type == "text":
        short = events is not None and len(text) < events
        text = _resized(text, (events or 0) * EVENT_BYTES if size is None and short else size)
    for stop in filter(None, chat.stops):
        text = text.partition(stop)[0]
    return _bounded(Reply(text, reasoning, (), "stop"), chat.bound)


def usage(asked: Asked, replies: list[Reply]) -> dict[str, Any]:
    """The usage object: reasoning lies inside completion tokens, and the total is the sum (protocols 1.2.5)."""
    reasoning = sum(count(one.reasoning) for one in replies)
    spoken = sum(count(one.text) + sum(_cost(call) for call in one.calls) for one in replies)
    prompt = count_prompt(asked.body)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": spoken + reasoning,
        "total_tokens": prompt + spoken + reasoning,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _text(chat: Chat, choice: int) -> str:
    wanted = chat.response_format
    if wanted is not None and wanted.type == "json_schema":
        return msgspec.json.encode(instance(wanted.json_schema.schema)).decode()
    said = _said(chat)
    mark = f"{MARK} (choice {choice})" if choice else MARK
    text = f"{mark} {said}"
    if wanted is not None and wanted.type == "json_object":
        return msgspec.json.encode({"simulated": True, "reply": text}).decode()
    return text


def _said(chat: Chat) -> str:
    last = chat.messages[-1]
    if last.role == "tool":
        results = []
        for message in reversed(chat.messages):
            if message.role != "tool":
                break
            results.append(message.text)
        return f"The tool answered: {_echo('; '.join(reversed(results)))}"
    images = [_describe(url) for url in last.images]
    many = "1 image" if len(images) == 1 else f"{len(images)} images"
    seen = f" I see {many}: {', '.join(images)}." if images else ""
    return f"You said: {_echo(last.text)}.{seen}"


def _echo(text: str) -> str:
    left = len(text) - ECHO_CHARACTERS
    return text if left <= 0 else f"{text[:ECHO_CHARACTERS]} and {left} more characters"


def _describe(url: str) -> str:
    if not url.startswith("data:"):
        return f"at {url}"
    head, _, data = url[5:].partition(",")
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"{head.split(';')[0]} of unreadable data"
    return f"{head.split(';')[0]} of {size} bytes"


def _resized(text: str, size: int | None) -> str:
    """`text` cut or continued so that it has exactly `size` bytes; what it is continued with is ASCII."""
    if size is None:
        return text
    kept = text.encode()[:size].decode(errors="ignore")
    missing = size - len(kept.encode())
    return kept + (" and so on" * (missing // 10 + 1))[:missing]


def _bounded(whole: Reply, bound: int | None) -> Reply:
    """`whole` within `bound` tokens: reasoning spends first, as with a real provider, then text, then calls."""
    if bound is None:
        return whole
    reasoning, left = _cut(whole.reasoning, bound)
    text, left = _cut(whole.text, left)
    calls = []
    for call in whole.calls:
        left -= count(call.name)
        if left < 0:
            break
        payload, left = _cut(call.payload, left)
        calls.append(replace(call, payload=payload))
    kept = Reply(text, reasoning, tuple(calls), whole.finish)
    return kept if kept == whole else replace(kept, finish="length")


def _cut(text: str, tokens: int) -> tuple[str, int]:
    """The first `tokens` tokens of `text`, and how many of them it left over."""
    found = count(text)
    return (text, tokens - found) if found <= tokens else ("".join(pieces(text)[:tokens]), 0)


def _cost(call: ToolCall) -> int:
    return count(call.name) + count(call.payload)
