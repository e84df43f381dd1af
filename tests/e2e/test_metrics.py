"""The page of metrics beside the call log and the ledger: the same numbers, whoever counted them and whoever died."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from nexusflow import __version__
from nexusflow.store import open_database
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.ports import free_port
from tests.support.drive import Answer
from tests.support.studio import listening
from tests.support.tasks import ask, create, ended, film, spec

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
NANO = 10**9
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Stage:
    """A gateway of two workers, and where its metrics are."""

    gateway: Gateway
    port: int

    def scrape(self) -> Samples:
        """Every sample of the page now."""
        page = ask(f"http://127.0.0.1:{self.port}/metrics", self.gateway.key).body.decode()
        families = text_string_to_metric_families(page)
        return {(one.name, frozenset(one.labels.items())): one.value for each in families for one in each.samples}

    def sums(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values of a metric, summed up over all labels but these; what is zero is left out."""
        found: Counter[tuple[str, ...]] = Counter()
        for (sample, marks), value in self.scrape().items():
            if sample == f"nexusflow_{name}" and value:
                found[tuple(dict(marks)[label] for label in labels)] += value  # type: ignore[assignment]  # of floats
        return dict(found)

    def chat(self, model: str, key: str | None = None, **more: Any) -> Answer:
        """One call, whatever comes of it."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
        return ask(f"{self.gateway.url}/v1/chat/completions", key or self.gateway.key, body)

    def calls(self) -> list[dict[str, Any]]:
        """The call log, once everything is posted."""
        listed = nexusflow("usage", "calls", "--format", "json", "--limit", "1000", root=self.gateway.root)
        assert listed.returncode == 0, listed.stderr
        found: list[dict[str, Any]] = json.loads(listed.stdout)
        return found


def language(upstream: str) -> dict[str, Any]:
    """A chat model with prices."""
    return {
        "owner": "test",
        "category": "language",
        "supported_protocols": ["openai/chat-completions", "anthropic/messages"],
        "price": {"input": "1", "output": "3"},
        "lanes": [{"provider": "studio", "model": upstream}],
    }


def wait_until(condition: Callable[[], object]) -> None:
    """Return once it holds. Fails where it does not come to hold."""
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, "it did not come to hold"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Calls of all kinds were made before any test begins."""
    port = free_port()
    models = {
        "good": language("chat"),
        "bad": language("fault-500"),
        "gone": language("fault-404"),
        "film": film("seconds-0.2"),
    }
    with listening() as studio:
        text = spec(studio.url, models, telemetry={"metrics_port": port})
        with running_gateway(text, tmp_path_factory.mktemp("metrics"), workers=2) as gateway:
            found = Stage(gateway, port)
            with ThreadPoolExecutor(8) as pool:
                models_asked = ["good"] * 20 + ["bad"] * 5 + ["gone"] * 5 + ["unknown"] * 5
                answers = list(pool.map(found.chat, models_asked))
                streams = list(pool.map(lambda _: found.chat("good", stream=True), range(5)))
            assert [one.status for one in answers[:20] + streams] == [200] * 25
            assert {one.status for one in answers[20:]}.isdisjoint({200})
            assert found.chat("good", key="sk-air-wrong").status == 401
            made = create(gateway.url, gateway.key, model="film", prompt="A cat")
            assert ended(gateway.url, gateway.key, made["id"])["status"] == "succeeded"
            wait_until(lambda: len(found.calls()) == 36)
            yield found


def counted(calls: list[dict[str, Any]], *names: str) -> dict[tuple[str, ...], int]:
    return dict(Counter(tuple(str(call[name]) for name in names) for call in calls))


def test_requests_are_those_of_the_call_log(stage: Stage) -> None:
    calls = stage.calls()
    told = stage.sums("requests_total", "protocol", "model", "outcome", "code")
    assert told == counted(calls, "protocol", "model", "outcome", "status")
    assert stage.sums("request_duration_seconds_count", "model") == counted(calls, "model")
    slept = sum(call["total_ms"] for call in calls) / 1000
    assert sum(stage.sums("request_duration_seconds_sum").values()) == pytest.approx(slept)
    assert stage.sums("ttft_seconds_count", "model") == {("good",): 5}


def test_tokens_and_money_are_those_of_the_ledger(stage: Stage) -> None:
    calls = stage.calls()
    tokens: Counter[tuple[str, ...]] = Counter()
    for call in calls:
        tokens[call["model"], "input"] += call["input"] - call["cache_read"] - call["cache_write"]
        tokens[call["model"], "output"] += call["output"] - call["reasoning"]
    assert stage.sums("tokens_total", "model", "type") == {name: count for name, count in tokens.items() if count}
    charged: Counter[tuple[str, ...]] = Counter()
    for call in calls:
        charged[call["model"],] += round(float(call["amount"]) * NANO)
    exact = {name: amount / NANO for name, amount in charged.items() if amount}
    assert stage.sums("customer_cost_total", "model") == exact
    ended_well = stage.sums("settlements_total", "result")
    assert ended_well["reported",] + ended_well.get(("estimated",), 0) == 26
    proof = nexusflow("ledger", "verify", root=stage.gateway.root)
    assert proof.returncode == 0, proof.stdout


def test_refused_requests_are_counted_apart(stage: Stage) -> None:
    told = stage.sums("requests_refused_total", "protocol", "code")
    assert told["openai/chat-completions", "401"] == 1
    assert told["openai/chat-completions", "404"] == 5


def test_gauges_are_those_of_the_living(stage: Stage) -> None:
    assert stage.sums("workers") == {(): 2}
    assert stage.sums("inflight_requests") == {}
    [(version, plan)] = stage.sums("build_info", "version", "plan")
    assert version == __version__
    assert len(plan) == 12


def test_every_request_has_one_line_in_the_access_log(stage: Stage) -> None:
    def lines() -> list[Mapping[str, Any]]:
        return [json.loads(line) for line in stage.gateway.log.read_text().splitlines() if line.startswith('{"at"')]

    wait_until(lambda: len(lines()) >= 42)
    calls = {call["id"]: call for call in stage.calls()}
    billed = {line["request"]: line for line in lines() if line["outcome"] != "refused"}
    assert billed.keys() == calls.keys()
    for id_, line in billed.items():
        assert line.get("amount", 0) == round(float(calls[id_]["amount"]) * NANO)
        assert (line["status"], line["outcome"]) == (calls[id_]["status"], calls[id_]["outcome"])
    refused = [line["status"] for line in lines() if line["outcome"] == "refused"]
    assert sorted(refused) == [401, 404, 404, 404, 404, 404]
    assert "sk-air" not in "".join(map(str, lines()))


def test_what_a_killed_worker_counted_is_not_lost(stage: Stage) -> None:
    before = stage.sums("requests_total", "model")
    victim = psutil.Process(stage.gateway.process.pid).children()[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: stage.sums("workers") == {(): 2})
    assert stage.sums("requests_total", "model") == before
    stage.chat("good")
    wait_until(lambda: stage.sums("requests_total", "model")["good",] == before["good",] + 1)


def test_without_a_port_only_administrators_see_them(tmp_path: Path) -> None:
    with (
        listening() as studio,
        running_gateway(spec(studio.url, {"good": language("chat")}), tmp_path) as gateway,
    ):
        admin = nexusflow("keys", "create", "--name", "a", "--admin", "read", "--quiet", root=tmp_path).stdout.strip()
        assert admin
        address = f"{gateway.url}/metrics"
        assert ask(address, gateway.key).status == 403
        assert ask(address, "sk-air-wrong").status == 401
        wait_until(lambda: ask(address, admin).status == 200)
        answer = ask(address, admin)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"nexusflow_build_info" in answer.body
        assert b"nexusflow_ledger_violations_total{" not in answer.body
        with open_database(tmp_path / ".nexusflow" / "nexusflow.db") as database:
            database.execute("UPDATE wallet SET spent = spent + 1")
        assert ask(f"{gateway.url}/admin/v1/ledger/proof", admin).json()["holds"] is False
        assert b"nexusflow_ledger_violations_total{invariant=" in ask(address, admin).body
