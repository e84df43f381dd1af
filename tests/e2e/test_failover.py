"""Two providers of one model: what is tried again where, what the client gets, and who pays (reliability 1.3, B-02)."""

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nexusflow.ir.money import as_nano
from nexusflow.store import open_database
from nexusflow.testing.faulty import END, STREAM_HEAD, Act, Provider, Script, running, unary
from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.ports import free_port
from tests.faults.conftest import closed_port
from tests.faults.provider import DONE, delta, event
from tests.faults.raw import Answer, Connection, chat, request, wait_until

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200}
# The second provider's own prices: 1,000 x 4,000 + 200 x 16,000 nano-units.
PRICE = 1_000 * 4_000 + 200 * 16_000
ANSWER = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "second"}, "finish_reason": "stop"}],
}  # fmt: skip
HELLO = event(choices=delta("second"))
ROLE = event(choices=delta("", role="assistant"))
STOP = event(choices=delta(finish="stop"))
METER = event(choices=[], usage=USAGE)
ERROR = b'{"error":{"message":"no","type":"t","code":"c"}}'
GOOD: dict[str, Script] = {
    "chat": (unary(json.dumps(ANSWER).encode()),),
    "stream": (STREAM_HEAD, ROLE, HELLO, STOP, METER, DONE, END),
}
UNARY: dict[str, tuple[Script, int]] = {
    "U03-internal": ((unary(ERROR, "500 Internal Server Error"),), 0),
    "U-bad-gateway": ((unary(b"<html>", "502 Bad Gateway", "content-type: text/html"),), 0),
    "Q-overloaded": ((unary(ERROR, "503 Service Unavailable"),), 0),
    "Q-limited": ((unary(ERROR, "429 Too Many Requests", "retry-after: 1"),), 0),
    "A-credential": ((unary(ERROR, "401 Unauthorized"),), 0),
    "A-unknown-model": ((unary(ERROR, "404 Not Found"),), 0),
    "U-reset": ((Act.RESET,), 1),
    "U-garbage": ((unary(b"{"),), 1),
    "U-html": ((unary(b"<html>", "200 OK", "content-type: text/html"),), 1),
    "U-silent": ((Act.HANG,), 1),
}
"""How the first provider fails, and how many lost attempts may have been billed by it."""
STREAMED: dict[str, tuple[Script, int]] = {
    "S-internal": ((unary(ERROR, "500 Internal Server Error"),), 0),
    "S-reset-at-once": ((STREAM_HEAD, Act.RESET), 1),
    "S-role-then-reset": ((STREAM_HEAD, ROLE, Act.RESET), 1),
    "S-error-first": ((STREAM_HEAD, event(error={"message": "x", "type": "server_error"}), END), 1),
    "S-silent": ((STREAM_HEAD, Act.HANG), 1),
}
FINAL: dict[str, Script] = {
    "C-bad-request": (unary(ERROR, "400 Bad Request"),),
    "C-unprocessable": (unary(ERROR, "422 Unprocessable Entity"),),
}
DYING: dict[str, Script] = {
    "dying": (unary(json.dumps(ANSWER).encode()),),
    "dying-stream": (STREAM_HEAD, ROLE, HELLO, STOP, METER, DONE, END),
}
STORM: Script = (unary(ERROR, "500 Internal Server Error"),)
SLOW: Script = (STREAM_HEAD, Act.HANG)
CUT: Script = (STREAM_HEAD, ROLE, event(choices=delta("first ")), Act.RESET)
MORE: dict[str, Script] = {"cut": CUT, "storm": STORM, "slow": SLOW}


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Gateway
    first: Provider
    second: Provider
    dies: Provider
    metrics: int = 0

    def metric(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The samples of a metric that have these labels, by the values of the other ones."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=30) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        found = [one for each in families for one in each.samples if one.name == f"nexusflow_{name}"]
        return {
            tuple(value for label, value in one.labels.items() if label not in labels): one.value
            for one in found
            if labels.items() <= one.labels.items()
        }

    def ask(self, name: str, *, stream: bool = False) -> Answer:
        with Connection(self.gateway.url) as connection:
            connection.send(request(self.gateway.key, chat(name, **({"stream": True} if stream else {}))))
            return connection.answer()

    def rows(self, request: str) -> list[tuple[str, int, str]]:
        """Kind, amount and provider of all that was posted for a call."""
        found: list[tuple[str, int, str]] = []

        def posted() -> bool:
            with open_database(self.gateway.root / ".nexusflow" / "nexusflow.db") as database:
                query = "SELECT kind, amount, provider FROM transfer WHERE request = $1 ORDER BY id"
                found[:] = [(str(k), int(a or 0), str(p)) for k, a, p in database.execute(query, (request,))]
            return bool(found)

        assert wait_until(posted)
        return found


def spec(ports: dict[str, int], metrics: int) -> str:
    providers = {
        name: {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
        for name, port in ports.items()
    }

    providers["limping"] = {**providers["first"], "health": {"degraded_after": 1000, "down_after": 1000}}

    def model(name: str, good: str, first: str = "first") -> dict[str, Any]:
        short = dict.fromkeys(("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds"), 1)
        dear = {"input": "4", "output": "16"}
        return {
            "owner": "test",
            "category": "language",
            "max_output_tokens": 1_000,
            "supported_protocols": ["openai/chat-completions", "anthropic/messages"],
            "price": {"input": "2", "output": "8"},
            "lanes": [
                {"provider": first, "model": name, "timeouts": short},
                {"provider": "second", "model": good, "priority": 1, "price": dear},
            ],
        }

    models = {name: model(name, "chat") for name in (*UNARY, *FINAL)}
    models |= {name: model(name, "stream") for name in (*STREAMED, "cut")}
    models["N-refused"] = model("any", "chat", "closed")
    models["dying"] = model("dying", "chat", "dies")
    models["dying-stream"] = model("dying-stream", "stream", "dies")
    models["slow"] = model("slow", "stream")
    del models["slow"]["lanes"][0]["timeouts"]
    models["storm"] = model("storm", "storm")
    models["limping"] = model("storm", "chat", "limping")
    whole = {"version": 1, "gateway": {"name": "failover"}, "providers": providers, "models": models}
    return json.dumps({**whole, "telemetry": {"metrics_port": metrics}})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    bad = {name: script for name, (script, _) in (UNARY | STREAMED).items()}
    root = tmp_path_factory.mktemp("failover")
    with ExitStack() as stack:
        first = stack.enter_context(running({**bad, **FINAL, **MORE}))
        second = stack.enter_context(running({**GOOD, "storm": STORM}))
        dies = stack.enter_context(running(DYING))
        ports = {
            "first": first.port,
            "second": second.port,
            "closed": stack.enter_context(closed_port()),
            "dies": dies.port,
        }
        metrics = free_port()
        gateway = stack.enter_context(running_gateway(spec(ports, metrics), root))
        yield Stage(gateway, first, second, dies, metrics)


def check(stage: Stage, answer: Answer, absorbed: int) -> None:
    """Answered by the second provider at its price; the customer pays once, and nothing of the first attempt."""
    assert answer.status == 200
    assert (answer.header("x-nexusflow-provider"), answer.header("x-nexusflow-attempts")) == ("second", "2")
    rows = stage.rows(answer.header("x-request-id") or "")
    assert [row for row in rows if row[0] == "charge"] == [("charge", PRICE, "second")]
    lost = [row for row in rows if row[0] == "absorbed"]
    assert len(lost) == absorbed
    assert all(amount > 0 and provider == "first" for _, amount, provider in lost)


@pytest.mark.parametrize("name", UNARY)
def test_a_unary_call_is_answered_by_the_next_provider(stage: Stage, name: str) -> None:
    answer = stage.ask(name)
    check(stage, answer, UNARY[name][1])
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "second"
    assert as_nano(answer.header("x-nexusflow-cost") or "") == PRICE
    assert len(stage.first.of(name)) == 1


def test_N_a_provider_that_is_not_there_costs_nothing(stage: Stage) -> None:
    check(stage, stage.ask("N-refused"), 0)


@pytest.mark.parametrize("name", STREAMED)
def test_R20_a_stream_without_content_so_far_is_begun_anew(stage: Stage, name: str) -> None:
    answer = stage.ask(name, stream=True)
    check(stage, answer, STREAMED[name][1])
    assert answer.complete
    assert answer.body.count(b"second") == 1
    assert answer.body.count(b'"role"') == 1
    assert b'"error"' not in answer.body


@pytest.mark.parametrize("name", FINAL)
def test_C_a_callers_own_mistake_is_not_tried_elsewhere(stage: Stage, name: str) -> None:
    before = len(stage.second.of("chat"))
    answer = stage.ask(name)
    assert answer.status in (400, 422)
    assert answer.header("x-nexusflow-attempts") == "1"
    assert len(stage.second.of("chat")) == before
    assert [row[0] for row in stage.rows(answer.header("x-request-id") or "")] == ["void"]


def test_R22_after_the_first_content_nothing_is_tried_again(stage: Stage) -> None:
    before = len(stage.second.of("stream"))
    answer = stage.ask("cut", stream=True)
    assert b"first " in answer.body
    assert answer.body.count(b'"error"') == 1
    assert len(stage.second.of("stream")) == before
    assert "charge" in [kind for kind, *_ in stage.rows(answer.header("x-request-id") or "")]


def test_a_provider_that_dies_under_load_costs_no_client_an_error(stage: Stage) -> None:
    """Nobody sees it, and soon nobody asks it any more: at most a fifth more attempts than calls.

    Once it is back, it is asked again without anybody's doing.
    """

    def one(number: int) -> Answer:
        if number == 40:
            stage.dies.close()
        stream = number % 2 == 1
        return stage.ask("dying-stream" if stream else "dying", stream=stream)

    assert one(0).header("x-nexusflow-provider") == one(1).header("x-nexusflow-provider") == "dies"
    calls = 240
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(calls)))
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        assert b"second" in answer.body.partition(b'"error"')[0], "an error before any content"
    attempts = sum(int(answer.header("x-nexusflow-attempts") or 0) for answer in answers)
    assert calls < attempts <= calls * 1.2
    assert {answer.header("x-nexusflow-provider") for answer in answers[-20:]} == {"second"}
    with running(DYING, port=stage.dies.port):
        for number in (0, 1):
            assert wait_until(lambda: one(number).header("x-nexusflow-provider") == "dies")  # noqa: B023


def test_R01_where_all_providers_fail_they_get_a_fifth_more_than_callers_send(stage: Stage) -> None:
    """The error of the attempt that was made is told; without a budget each call would ask both."""
    calls = 120
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: stage.ask("storm"), range(calls)))
    assert {answer.status for answer in answers} == {502}
    seen = len(stage.first.of("storm")) + len(stage.second.of("storm"))
    assert seen == sum(int(answer.header("x-nexusflow-attempts") or 0) for answer in answers)
    assert calls < seen <= calls * 1.2
    # Where one of them is tried after its time away, the other one is no choice, so that nothing is refused.
    refused = partial(stage.metric, "retries_refused_total", model="storm")
    assert wait_until(lambda: 0 < sum(refused().values()) <= 2 * calls - seen)
    assert wait_until(lambda: stage.metric("failovers_total", model="storm") == {("server_error",): seen - calls})
    for provider in (stage.first, stage.second):
        name = "first" if provider is stage.first else "second"
        attempts = {("server_error",): len(provider.of("storm"))}
        labels = {"provider": name, "deployment": f"{name}/storm"}
        assert wait_until(lambda: stage.metric("upstream_attempts_total", **labels) == attempts)  # noqa: B023
        assert stage.metric("deployment_state", deployment=f"{name}/storm") == {(): 2}


def test_R01_a_retry_that_is_answered_costs_no_budget(stage: Stage) -> None:
    """However often it happens: the provider behind is not in a storm."""
    answers = [stage.ask("limping") for _ in range(15)]
    assert {(one.status, one.header("x-nexusflow-attempts")) for one in answers} == {(200, "2")}


def test_metrics_tell_how_attempts_ended(stage: Stage) -> None:
    """A good one, one of the caller's own doing, and one whose client left are no failures of a provider."""
    count, key = partial(stage.metric, "upstream_attempts_total", provider="first"), ("first/C-bad-request", "caller")
    before = count().get(key, 0)
    stage.ask("C-bad-request")
    with Connection(stage.gateway.url) as connection:
        connection.send(request(stage.gateway.key, chat("slow", stream=True)))
        assert wait_until(lambda: bool(stage.first.of("slow")))
    assert wait_until(lambda: count().get(key) == before + 1)
    assert wait_until(lambda: count().get(("first/slow", "left")) == 1)
    assert stage.metric("deployment_state", deployment="first/slow") == {(): 0}
