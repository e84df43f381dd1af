"""Customers who call without end, unary and streamed, over two SDKs, and remember what they got an answer to."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from nexusflow.testing.faulty import END, STREAM_HEAD, Script, unary
from tests.faults.provider import DONE, delta, event

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200,
         "prompt_tokens_details": {"cached_tokens": 400}}  # fmt: skip
MAX_TOKENS = 1_000
"""More than the provider reports, so that what is reserved for a call covers it."""
PRICE_LIST = {"input": "2", "output": "8", "cache_read": "0.2", "markup_percent": "25"}
# (600 x 2,000 + 400 x 200 + 200 x 8,000 nano-units) and a quarter.
AMOUNT = (600 * 2_000 + 400 * 200 + 200 * 8_000) * 5 // 4
_ANSWER = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}  # fmt: skip
SCRIPTS: dict[str, Script] = {
    "chat": (unary(json.dumps(_ANSWER).encode()),),
    "stream": (
        STREAM_HEAD,
        event(choices=delta("Hello", role="assistant")),
        0.01,
        event(choices=delta(" dear reader")),
        event(choices=delta(finish="stop")),
        event(choices=[], usage=USAGE),
        DONE,
        END,
    ),
}
REFUSED = 503
"""The status of a call that the gateway cannot charge; nothing of it is sent."""
SAY: Any = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True, slots=True)
class Call:
    """How one call went: monotonic seconds, its request id, and the status of an answer that refused it, else 200."""

    began: float
    ended: float
    request: str
    status: int


def spec(port: int, database: dict[str, Any], billing: dict[str, Any] | None = None) -> str:
    """A gateway.yaml of the two models, at one price; `billing` is that of the gateway."""
    models = {
        name: {
            "owner": "test",
            "category": "language",
            "max_output_tokens": MAX_TOKENS,
            "supported_protocols": ["openai/chat-completions", "anthropic/messages"],
            "price": PRICE_LIST,
            "lanes": [{"provider": "scripted", "model": name}],
        }
        for name in SCRIPTS
    }
    provider = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    document = {"version": 1, "stores": {"database": database}, "providers": {"scripted": provider}, "models": models}
    return json.dumps(document | ({"gateway": {"billing": billing}} if billing else {}))


class Load:
    """Starts with the block and ends with it. `acknowledged` are the ids of calls whose whole answer has arrived.

    `calls` are all that were answered, and `broken` is how many were not. Customers rest for `rest_s` after each.
    """

    def __init__(self, url: str, key: str, customers: int = 4, rest_s: float = 0.0) -> None:
        chat = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=20)
        messages = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=20)
        self.acknowledged: set[str] = set()
        self.calls: list[Call] = []
        self.broken = 0
        self._rest_s = rest_s
        self._enough = threading.Event()
        calls = (_chat(chat), _chat_stream(chat), _messages(messages), _messages_stream(messages))
        self._threads = [threading.Thread(target=self._run, args=(calls, at)) for at in range(customers)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _run(self, calls: tuple[Callable[[], str], ...], turn: int) -> None:
        while not self._enough.is_set():
            turn += 1
            began = time.monotonic()
            try:
                request = calls[turn % len(calls)]()
                self.acknowledged.add(request)
                self.calls.append(Call(began, time.monotonic(), request, 200))
            except (openai.APIStatusError, anthropic.APIStatusError) as error:
                self.broken += error.status_code != REFUSED
                request = error.response.headers.get("x-request-id", "")
                self.calls.append(Call(began, time.monotonic(), request, error.status_code))
            except (openai.OpenAIError, anthropic.AnthropicError, OSError, ValueError):
                self.broken += 1
            except Exception as error:
                # A connection that ends in the middle of a stream is the HTTP library's error, not the SDK's.
                if "http" not in type(error).__module__:
                    raise
                self.broken += 1
            self._enough.wait(self._rest_s)


def _chat(client: openai.OpenAI) -> Callable[[], str]:
    def call() -> str:
        raw = client.chat.completions.with_raw_response.create(model="chat", messages=SAY)
        assert raw.parse().choices[0].message.content == "Hello"
        return raw.headers["x-request-id"]

    return call


def _chat_stream(client: openai.OpenAI) -> Callable[[], str]:
    def call() -> str:
        raw = client.chat.completions.with_raw_response.create(model="stream", messages=SAY, stream=True)
        last = [chunk.choices[0].finish_reason for chunk in raw.parse() if chunk.choices]
        if last[-1:] != ["stop"]:
            raise ValueError("cut off")
        return raw.headers["x-request-id"]

    return call


def _messages(client: anthropic.Anthropic) -> Callable[[], str]:
    def call() -> str:
        raw = client.messages.with_raw_response.create(model="chat", max_tokens=MAX_TOKENS, messages=SAY)
        assert raw.parse().stop_reason == "end_turn"
        return raw.headers["x-request-id"]

    return call


def _messages_stream(client: anthropic.Anthropic) -> Callable[[], str]:
    def call() -> str:
        raw = client.messages.with_raw_response.create(model="stream", max_tokens=MAX_TOKENS, messages=SAY, stream=True)
        if [found.type for found in raw.parse()][-1:] != ["message_stop"]:
            raise ValueError("cut off")
        return raw.headers["x-request-id"]

    return call
