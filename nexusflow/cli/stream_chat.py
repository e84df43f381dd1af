"""One streamed chat over the OpenAI wire protocol, for people to watch. Standard library only, as `curl` would."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nexusflow.wire.sse import Splitter

TIMEOUT_SECONDS = 120


@dataclass(slots=True)
class Answer:
    """What came back. `usage` is the provider's own count, empty when it sent none."""

    status: int
    headers: dict[str, str]
    usage: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def stream_chat(host: str, port: int, key: str, model: str, prompt: str, answer: Answer) -> Iterator[str]:
    """Yield pieces of text as they arrive and fill in `answer`."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        answer.status = response.status
        answer.headers = {name.lower(): value for name, value in response.getheaders()}
        if response.status != 200:
            answer.error = _message(response.read())
            return
        yield from _events(response, answer)
    finally:
        connection.close()


def _events(response: http.client.HTTPResponse, answer: Answer) -> Iterator[str]:
    splitter = Splitter()
    while piece := response.read1(65536):
        for event in splitter.feed(piece):
            if event.data is None or event.data == b"[DONE]":
                continue
            chunk = json.loads(event.data)
            if "error" in chunk:
                answer.error = chunk["error"]["message"]
                return
            answer.usage = chunk.get("usage") or answer.usage
            for choice in chunk.get("choices", ()):
                yield choice.get("delta", {}).get("content") or ""


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:300]
