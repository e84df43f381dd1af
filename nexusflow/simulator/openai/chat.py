"""Chat Completions: the completion object and the chunks of a stream (protocols 1.2.3, 1.2.4, 1.2.5)."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from nexusflow.simulator import likely
from nexusflow.simulator.failure import Failure, Vendor
from nexusflow.simulator.form import Call, Event, Form
from nexusflow.simulator.openai.chat_body import Body
from nexusflow.simulator.openai.vendor import OPENAI
from nexusflow.simulator.reply import Reply
from nexusflow.simulator.tokens import pieces
from nexusflow.simulator.tools import ToolCall
from nexusflow.simulator.usage import Usage

DONE = Event(b"[DONE]", "end")
TIERS = {"auto": "default", "fast": "priority"}  # asked for and reported, where they differ
FINISH = {
    "end": "stop",
    "stop": "stop",
    "length": "length",
    "tools": "tool_calls",
    "refusal": "stop",
    "filter": "content_filter",
}


class Chat(Form):
    """One chat. A stream tells its usage only where that was asked for."""

    vendor: ClassVar[Vendor] = OPENAI

    def __init__(self, body: Body) -> None:
        self._legacy = body.functions is not None
        self._tier = TIERS.get(body.service_tier or "auto", body.service_tier)
        self._tells = body.stream_options is not None and bool(body.stream_options.include_usage)

    def unary(self, call: Call) -> dict[str, Any]:
        replies = call.replies()
        told = call.usage(replies)
        choices = [self._choice(call, at, one) for at, one in enumerate(replies)]
        return self._head(call, "chat.completion", choices=choices) | ({} if told is None else {"usage": told})

    def events(self, call: Call) -> Iterator[Event]:
        replies = call.replies()
        told = call.usage(replies) if self._tells else None
        head = self._head(call, "chat.completion.chunk", choices=[])
        head |= {} if told is None else {"usage": None}
        spoken = 0
        for at, one in enumerate(replies):
            for delta in self._deltas(call, one):
                speaks = "role" not in delta
                spoken += speaks
                so_far = {"usage": call.usage(replies, spoken=spoken)} if call.repeats else {}
                choice = {"index": at, "delta": delta, "finish_reason": None}
                choice |= {"logprobs": _logprobs(call, delta["content"])} if speaks and "content" in delta else {}
                yield Event({**head, **so_far, "choices": [choice]}, "delta" if speaks else "frame")
            so_far = {"usage": call.usage(replies, spoken=spoken)} if call.repeats else {}
            last = {"index": at, "delta": {}, "finish_reason": self._finish(one)}
            yield Event({**head, **so_far, "choices": [last]})
        if told is not None:
            yield Event({**head, "usage": told})
        yield DONE

    def usage(self, usage: Usage) -> dict[str, Any]:
        written = {"cache_write_tokens": usage.written} if usage.written else {}
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached, **written},
            "completion_tokens_details": {"reasoning_tokens": usage.thought},
        }

    def failing(self, failure: Failure, call: Call, sent: Sequence[Event]) -> Event:
        return Event(self.vendor.error(failure, call.asked.identity)[1])

    def _head(self, call: Call, kind: str, **more: Any) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-sim-{call.asked.identity}",
            "object": kind,
            "created": int(time.time()),
            "model": call.model,
            **more,
            "service_tier": self._tier,
            "system_fingerprint": "simulated",
        }

    def _choice(self, call: Call, at: int, one: Reply) -> dict[str, Any]:
        refuses = one.finish == "refusal"
        content = None if one.calls or refuses else one.text
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": one.text if refuses else None}
        if one.thought:
            message["reasoning_content"] = one.thought
        if one.calls and self._legacy:
            message["function_call"] = _body(one.calls[0], one.calls[0].payload, name=one.calls[0].name)["function"]
        elif one.calls:
            message["tool_calls"] = [_call(call, call.payload) for call in one.calls]
        logprobs = _logprobs(call, message["content"])
        return {"index": at, "message": message, "logprobs": logprobs, "finish_reason": self._finish(one)}

    def _finish(self, one: Reply) -> str:
        return "function_call" if self._legacy and one.finish == "tools" else FINISH[one.finish]

    def _deltas(self, call: Call, one: Reply) -> Iterator[dict[str, Any]]:
        refuses = one.finish == "refusal"
        yield {"role": "assistant", "content": None if one.calls or refuses else ""}
        for piece in pieces(one.thought):
            yield {"reasoning_content": piece}
        for index, made in enumerate(one.calls):
            if self._legacy:
                yield {"function_call": {"name": made.name, "arguments": ""}}
            else:
                yield {"tool_calls": [{"index": index, **_call(made, "")}]}
            for piece in pieces(made.payload):
                body = _body(made, piece)
                yield (
                    {"function_call": body["function"]} if self._legacy else {"tool_calls": [{"index": index, **body}]}
                )
        for piece in call.pieces(one.text):
            yield {"refusal" if refuses else "content": piece}


def _logprobs(call: Call, text: str | None) -> dict[str, Any] | None:
    """How likely the tokens of `text` were, None where nobody asks."""
    if call.asked.chances is None or text is None:
        return None
    return {"content": likely.openai(text, call.asked.chances), "refusal": None}


def _call(call: ToolCall, payload: str) -> dict[str, Any]:
    return {"id": f"call_{call.id}", "type": _kind(call), **_body(call, payload, name=call.name)}


def _body(call: ToolCall, payload: str, **named: str) -> dict[str, Any]:
    return {_kind(call): {**named, "input" if call.custom else "arguments": payload}}


def _kind(call: ToolCall) -> str:
    return "custom" if call.custom else "function"
