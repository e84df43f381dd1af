"""`Idempotency-Key` on real calls: once made, once charged, the same answer again (ID-1 … ID-6)."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nexusflow.store import open_database
from nexusflow.testing.faulty import END, STREAM_HEAD, Pace, Provider, running, unary
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.faults.provider import COMPLETION, DONE, TICK, delta, event
from tests.faults.raw import Answer, Connection, chat, request, wait_until

HELLO = event(choices=delta("Hello", role="assistant"))
STOP = event(choices=delta(finish="stop"))
METER = event(choices=[], usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
LARGE = event(choices=delta("x" * 200_000))


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Gateway
    provider: Provider
    enough: threading.Event

    def ask(self, body: bytes, name: str, key: str | None = None) -> Answer:
        with Connection(self.gateway.url) as connection:
            header = (f"Idempotency-Key: {name}",)
            connection.send(request(key or self.gateway.key, body, headers=header))
            return connection.answer()

    def charges(self) -> int:
        with open_database(self.gateway.root / ".nexusflow" / "nexusflow.db") as database:
            [(count,)] = database.execute("SELECT count(*) FROM transfer WHERE kind = 'charge'")
        return int(count or 0)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    enough = threading.Event()
    scripts: dict[str, Any] = {
        "chat": (unary(COMPLETION),),
        "stream": (STREAM_HEAD, HELLO, STOP, METER, DONE, END),
        "slow": (1.5, unary(COMPLETION)),
        "failing": (unary(b'{"error":{"message":"no"}}', status="500 Internal Server Error"),),
        "large": (STREAM_HEAD, HELLO, *[LARGE] * 6, STOP, METER, DONE, END),
        "paced": (STREAM_HEAD, HELLO, Pace(enough, TICK), STOP, METER, DONE, END),
    }
    with running(scripts) as provider:
        root = tmp_path_factory.mktemp("once")
        with running_gateway(_spec(provider.port, list(scripts)), root) as gateway:
            yield Stage(gateway, provider, enough)


def _spec(port: int, names: list[str]) -> str:
    shared = {
        "owner": "test", "category": "language", "price": {"input": "2", "output": "8"},
        "supported_protocols": ["openai/chat-completions"],
    }  # fmt: skip
    return json.dumps(
        {
            "version": 1,
            "gateway": {"name": "once"},
            "providers": {"p": {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}},
            "models": {name: {**shared, "lanes": [{"provider": "p", "model": name}]} for name in names},
        }
    )


def test_ID5_the_same_request_is_made_and_charged_once(stage: Stage) -> None:
    first = stage.ask(chat("chat"), "a")
    assert (first.status, first.header("idempotent-replayed")) == (200, None)
    assert wait_until(lambda: stage.charges() == 1)
    again = stage.ask(chat("chat"), "a")
    assert (again.status, again.header("idempotent-replayed"), again.body) == (200, "true", first.body)
    assert len(stage.provider.of("chat")) == 1
    assert stage.charges() == 1


def test_ID6_a_stream_is_given_again_as_a_stream(stage: Stage) -> None:
    first = stage.ask(chat("stream", stream=True), "s")
    again = stage.ask(chat("stream", stream=True), "s")
    assert (again.status, again.body) == (200, first.body)
    assert (again.header("content-type") or "").startswith("text/event-stream")
    assert len(stage.provider.of("stream")) == 1


def test_ID6_an_answer_that_is_too_large_to_keep_is_a_conflict(stage: Stage) -> None:
    first = stage.ask(chat("large", stream=True), "l")
    assert first.complete
    again = stage.ask(chat("large", stream=True), "l")
    assert (again.status, again.error["code"]) == (409, "idempotency_result_too_large")
    assert again.header("x-should-retry") == "false"


def test_ID2_another_body_under_the_same_key_is_refused(stage: Stage) -> None:
    stage.ask(chat("chat"), "b")
    other = stage.ask(chat("chat", temperature=1), "b")
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")
    spelled = b'{"messages":[{"content":"Hello","role":"user"}],  "model":"chat"}'
    assert stage.ask(spelled, "b").header("idempotent-replayed") == "true"


def test_ID4_while_it_runs_the_second_is_told_to_wait(stage: Stage) -> None:
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(stage.ask, chat("slow"), "w")
        assert wait_until(lambda: bool(stage.provider.of("slow")))
        second = stage.ask(chat("slow"), "w")
        assert (second.status, second.error["code"], second.header("retry-after")) == (
            409,
            "idempotency_in_progress",
            "2",
        )
        assert first.result().status == 200
    assert len(stage.provider.of("slow")) == 1


def test_ID1_keys_of_another_organisation_never_meet(stage: Stage) -> None:
    root: Path = stage.gateway.root
    assert nexusflow("accounts", "create", "other", root=root).returncode == 0
    assert nexusflow("credit", "other", "5", "--source", "bank", "--memo", "x", root=root).returncode == 0
    key = nexusflow("keys", "create", "--name", "o", "--org", "other", "--quiet", root=root).stdout.strip()
    assert wait_until(lambda: stage.ask(chat("chat"), "elsewhere", key).status == 200)
    stage.ask(chat("chat"), "shared-name")
    theirs = stage.ask(chat("chat"), "shared-name", key)
    assert (theirs.status, theirs.header("idempotent-replayed")) == (200, None)


def test_ID1_a_name_is_printable(stage: Stage) -> None:
    for name in ("x" * 256, "\x01"):
        answer = stage.ask(chat("chat"), name)
        assert answer.status == 400, name
    assert stage.ask(chat("chat"), "x" * 255).status == 200


def test_ID3_what_cost_nothing_leaves_no_record(stage: Stage) -> None:
    assert stage.ask(chat("failing"), "f").status == 502
    assert stage.ask(chat("failing"), "f").status == 502
    assert len(stage.provider.of("failing")) == 2
    assert stage.ask(chat("no-such-model"), "n").status == 404
    assert stage.ask(chat("chat"), "n").status == 200


def test_a_stream_whose_client_left_can_be_asked_for_again(stage: Stage) -> None:
    with Connection(stage.gateway.url) as connection:
        header = ("Idempotency-Key: gone",)
        connection.send(request(stage.gateway.key, chat("paced", stream=True), headers=header))
        connection.read_until(b"Hello")
    assert stage.provider.of("paced")[-1].left.wait(10)
    stage.enough.set()
    assert wait_until(lambda: stage.ask(chat("paced", stream=True), "gone").status == 200)
    assert len(stage.provider.of("paced")) == 2
