"""The bodies that go in and come out, the same for every contestant."""

import json

MODEL = "bench/chat"
UPSTREAM_MODEL = "chat"
EVENTS = 64
PACE_SECONDS = 0.005


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def request(size: int, *, stream: bool = False, model: str = MODEL) -> bytes:
    """A chat request of about `size` bytes."""
    body = {"model": model, "messages": [{"role": "user", "content": ""}], **({"stream": True} if stream else {})}
    body["messages"] = [{"role": "user", "content": "word " * ((size - len(_compact(body))) // 5)}]
    return _compact(body)


def message(size: int, *, stream: bool = False) -> bytes:
    """An Anthropic request of about `size` bytes."""
    words = [{"role": "user", "content": "word " * ((size - 100) // 5)}]
    return _compact({"model": MODEL, "max_tokens": 1000, "messages": words, **({"stream": True} if stream else {})})


def _answer() -> bytes:
    usage = {"prompt_tokens": 200, "completion_tokens": 150, "total_tokens": 350}
    message = {"role": "assistant", "content": "word " * 150}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": UPSTREAM_MODEL}
    return _compact({**head, "choices": [choice], "usage": usage})


ANSWER = _answer()
"""A chat completion of about 1 KB."""


def events() -> list[bytes]:
    """A stream of `EVENTS` content events, then finish, usage and [DONE]."""
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": UPSTREAM_MODEL}
    deltas = [{"index": 0, "delta": {"content": f" word{at}"}, "finish_reason": None} for at in range(EVENTS)]
    chunks = [{**head, "choices": [delta]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 64, "total_tokens": 65}})
    return [b"data: " + _compact(chunk) + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
