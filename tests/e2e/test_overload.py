"""A worker with too much to do refuses the less important calls first, and says so at once (R-03, R-31, E-BUSY)."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from nexusflow.testing.faulty import Act, running
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.e2e.test_failover import ROLE, STREAM_HEAD
from tests.faults.raw import Answer, Connection, request, wait_until

PRIORITIES = ("sheddable", "default", "critical")
SOFT, HARD = 2, 6
NEVER = {"soft": 100_000, "hard": 200_000}
CHAT = {"model": "patient", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
TYPES = {
    "/v1/chat/completions": 503,
    "/v1/responses": 503,
    "/v1/messages": 529,
    "/v1beta/models/patient:generateContent": 503,
    "/v1/embeddings": 503,
    "/v1/images/generations": 503,
    "/v1/tasks": 503,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running({"patient": (STREAM_HEAD, ROLE, Act.HANG)}) as silent:
        model = {
            "owner": "test",
            "category": "language",
            "max_output_tokens": 100,
            "supported_protocols": [
                "openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content",
            ],
            "free": True,
            "lanes": [{"provider": "silent"}],
        }  # fmt: skip
        provider = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{silent.port}/v1"}
        text = json.dumps(
            {
                "version": 1,
                "gateway": {"overload": {"requests": {"soft": SOFT, "hard": HARD}, "loop_lag_ms": NEVER}},
                "providers": {"silent": provider},
                "models": {"patient": model},
            }
        )
        with running_gateway(text, tmp_path_factory.mktemp("overload")) as found:
            yield found


@pytest.fixture(scope="module")
def keys(gateway: Gateway) -> dict[str, str]:
    found = {name: key(gateway, name) for name in PRIORITIES}
    assert wait_until(lambda: all(asked(gateway, one).status != 401 for one in found.values()))
    return found


def key(gateway: Gateway, priority: str) -> str:
    made = nexusflow("keys", "create", "--name", priority, "--priority", priority, "--quiet", root=gateway.root)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@contextmanager
def under_way(gateway: Gateway, key: str, count: int) -> Iterator[None]:
    """That many streams that do not end."""
    with ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(Connection(gateway.url))
            one.send(request(key, json.dumps(CHAT).encode()))
        yield


def asked(gateway: Gateway, key: str, path: str = "/v1/chat/completions") -> Answer:
    """What a request with an unknown model is told: whether it came further than the question of room."""
    with Connection(gateway.url) as connection:
        connection.send(request(key, b'{"model": "unknown"}', path=path))
        return connection.answer()


def refused(gateway: Gateway, keys: dict[str, str]) -> list[str]:
    return [name for name, secret in keys.items() if asked(gateway, secret).status == 503]


@pytest.mark.parametrize(("count", "shed"), [(SOFT, 1), ((SOFT + HARD) // 2, 2), (HARD, 3)])
def test_R31_the_least_important_are_refused_first(
    gateway: Gateway, keys: dict[str, str], count: int, shed: int
) -> None:
    with under_way(gateway, keys["critical"], count):
        wait_until(lambda: len(refused(gateway, keys)) >= shed)
        assert refused(gateway, keys) == list(PRIORITIES[:shed])
        with Connection(gateway.url) as connection:
            connection.send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.answer().status == 200
    wait_until(lambda: not refused(gateway, keys))


def test_E_BUSY_is_said_in_every_protocol(gateway: Gateway, keys: dict[str, str]) -> None:
    with under_way(gateway, keys["critical"], SOFT):
        wait_until(lambda: refused(gateway, keys) != [])
        found = {path: asked(gateway, keys["sheddable"], path) for path in TYPES}
    assert {path: answer.status for path, answer in found.items()} == TYPES
    for answer in found.values():
        assert 1 <= int(answer.header("retry-after") or 0) <= 10
    assert found["/v1/chat/completions"].error["code"] == "overloaded"
    assert json.loads(found["/v1/messages"].body)["error"]["type"] == "overloaded_error"


def test_R31_the_priority_of_a_key_can_be_changed(gateway: Gateway) -> None:
    secret = key(gateway, "sheddable")
    changed = nexusflow("keys", "update", secret, "--priority", "critical", root=gateway.root)
    assert changed.returncode == 0, changed.stderr
    shown = json.loads(nexusflow("keys", "list", "--format", "json", root=gateway.root).stdout)
    assert [one["priority"] for one in shown if one["key"] == f"{secret[:11]}…{secret[-4:]}"] == ["critical"]
