"""A provider that is silent for long: the client gets a sign of life, and still the next one's answer (R-21)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nexusflow.flow.exchange import QUIET_SECONDS
from nexusflow.testing.faulty import Act, running
from nexusflow.testing.gateway import Gateway, running_gateway
from tests.e2e.test_failover import DONE, END, HELLO, METER, ROLE, STOP, STREAM_HEAD
from tests.faults.raw import Connection, request

LANGUAGES = ["openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"]
MESSAGES = [{"role": "user", "content": "Hello"}]
ASKED: dict[str, Any] = {
    "/v1/chat/completions": {"messages": MESSAGES, "stream": True},
    "/v1/responses": {"input": "Hello", "stream": True},
    "/v1/messages": {"max_tokens": 100, "messages": MESSAGES, "stream": True},
    "/v1beta/models/patient:streamGenerateContent?alt=sse": {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}]
    },
}
GEMINI = "/v1beta/models/patient:streamGenerateContent?alt=sse"
SIGN = {"/v1/messages": b"event: ping", GEMINI: b"\r\n"}
LAST = {
    "/v1/chat/completions": b"data: [DONE]",
    "/v1/responses": b"response.completed",
    "/v1/messages": b"message_stop",
    "/v1beta/models/patient:streamGenerateContent?alt=sse": b'"STOP"',
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    silent = dict.fromkeys(("patient", "hopeless"), (STREAM_HEAD, ROLE, Act.HANG))
    good = {"patient": (STREAM_HEAD, ROLE, HELLO, STOP, METER, DONE, END)}
    with running(silent) as first, running(good) as second:
        providers = {
            name: {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{one.port}/v1"}
            for name, one in (("first", first), ("second", second))
        }
        waits = {"first_byte_seconds": QUIET_SECONDS + 1, "idle_seconds": QUIET_SECONDS + 1}
        model = {
            "owner": "test",
            "category": "language",
            "max_output_tokens": 100,
            "supported_protocols": LANGUAGES,
            "free": True,
            "lanes": [{"provider": "first", "timeouts": waits}, {"provider": "second", "priority": 1}],
        }
        models = {"patient": model, "hopeless": {**model, "lanes": model["lanes"][:1]}}
        text = json.dumps({"version": 1, "providers": providers, "models": models})
        with running_gateway(text, tmp_path_factory.mktemp("quiet")) as found:
            yield found


def heard(gateway: Gateway, path: str, model: str = "patient") -> bytes:
    body = {"model": model, **ASKED[path]} if "generate" not in path.lower() else ASKED[path]
    with Connection(gateway.url) as connection:
        connection.socket.settimeout(60)
        connection.send(request(gateway.key, json.dumps(body).encode(), path=path))
        answer = connection.answer()
    assert answer.status == 200, answer.body
    return answer.body


def test_R21_a_sign_of_life_does_not_end_the_hope_for_another_provider(gateway: Gateway) -> None:
    with ThreadPoolExecutor(len(ASKED) + 1) as pool:
        hopeless = pool.submit(heard, gateway, "/v1/chat/completions", "hopeless")
        found = dict(zip(ASKED, pool.map(lambda path: heard(gateway, path), ASKED), strict=True))
    for path, body in found.items():
        sign = SIGN.get(path, b":")
        assert body.startswith(sign), (path, body[:80])
        assert b"second" in body, (path, body)
        assert LAST[path] in body, (path, body)
    # Where nobody else is left, the stream that has begun ends in an error and looks no way complete.
    *_, event = [line for line in hopeless.result().split(b"\n\n") if line]
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "upstream_timeout"
