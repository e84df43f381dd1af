"""Traces of a whole gateway, as a collector gets them and providers hear of them (OBS-21 … OBS-23)."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from nexusflow.testing.faulty import END, STREAM_HEAD, Provider, running, unary
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.ports import free_port
from tests.faults.provider import DONE, delta, event
from tests.faults.raw import Answer, Connection, request, wait_until
from tests.support.collector import Collector, attributes, collecting

SECRET = "the prompt that stays here"
ANSWER = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    "choices": [{"index": 0, "message": {"role": "assistant", "content": SECRET}, "finish_reason": "stop"}],
}  # fmt: skip
GOOD = unary(json.dumps(ANSWER).encode())
ERROR = unary(b'{"error":{"message":"no","type":"t","code":"c"}}', "500 Internal Server Error")
LATE = (
    STREAM_HEAD, 0.05, event(choices=delta(SECRET)), event(choices=delta(finish="stop")),
    event(choices=[], usage=ANSWER["usage"]), DONE, END,
)  # fmt: skip
SCRIPTS = {"good": (GOOD,), "bad": (ERROR,), "late": LATE}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass(frozen=True)
class Stage:
    gateway: Gateway
    provider: Provider
    collector: Collector
    metrics: int

    def ask(self, model: str, *headers: tuple[str, str], path: str = "/v1/chat/completions", **more: Any) -> Answer:
        """One call, whatever becomes of it."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": SECRET}], **more}).encode()
        head = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)
        plain = request(self.gateway.key, body, path=path)
        with Connection(self.gateway.url) as connection:
            connection.send(plain.replace(b"\r\n", b"\r\n" + head, 1))
            return connection.answer()

    def log(self, id_: str | None) -> dict[str, Any]:
        """The line of a request in the access log."""
        found: list[dict[str, Any]] = []

        def written() -> bool:
            lines = [one for one in self.gateway.log.read_text().splitlines() if one.startswith('{"at"')]
            found[:] = [told for told in map(json.loads, lines) if told["request"] == id_]
            return bool(found)

        assert wait_until(written)
        return found[0]

    def scrape(self) -> list[Any]:
        """All samples of the page of metrics, as OpenMetrics."""
        address = f"http://127.0.0.1:{self.metrics}/metrics"
        with urllib.request.urlopen(
            urllib.request.Request(address, headers={"accept": "application/openmetrics-text"}), timeout=30
        ) as page:
            text = page.read().decode()
        return [one for family in text_string_to_metric_families(text) for one in family.samples]


def spec(provider: Provider, metrics: int, traces: dict[str, Any]) -> str:
    at = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{provider.port}/v1"}

    def model(*names: str, **more: Any) -> dict[str, Any]:
        lanes = [{"provider": f"p{at}", "model": name, "priority": at} for at, name in enumerate(names)]
        return {
            "owner": "test", "category": "language", "price": {"input": "1", "output": "3"},
            "supported_protocols": ["openai/chat-completions", "anthropic/messages"], "lanes": lanes, **more,
        }  # fmt: skip

    models = {
        "good": model("good"),
        "turned": model("bad", "good"),
        "bad": model("bad"),
        "late": model("late"),
        "too-late": model("late", slo={"ttft_p95_ms": 20}),
    }
    telemetry = {"metrics_port": metrics, "traces": traces}
    return json.dumps({"version": 1, "providers": {"p0": at, "p1": at}, "models": models, "telemetry": telemetry})


def staged(root: Path, **traces: Any) -> Iterator[Stage]:
    metrics = free_port()
    with running(SCRIPTS) as provider, collecting() as collector:
        text = spec(provider, metrics, {"endpoint": collector.url, **traces})
        with running_gateway(text, root) as gateway:
            yield Stage(gateway, provider, collector, metrics)


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Traces what callers want it to trace, and nothing by chance."""
    yield from staged(tmp_path_factory.mktemp("trusting"), sample_percent="0", trust_parent=True)


@pytest.fixture(scope="module")
def curious(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Traces everything, whatever callers want."""
    yield from staged(tmp_path_factory.mktemp("curious"), sample_percent="100", genai_conventions="1.36")


@pytest.fixture
def stage(trusting: Stage) -> Stage:
    """With an empty collector."""
    trusting.collector.spans.clear()
    return trusting


def parent(flags: str) -> tuple[str, str]:
    return "traceparent", f"00-{TRACE}-{SPAN}-{flags}"


def test_OBS22_a_sampled_call_is_one_trace_that_its_provider_is_told_of(stage: Stage) -> None:
    answer = stage.ask("turned", parent("01"), ("tracestate", "vendor=1"), ("tracestate", "other=2"))
    assert answer.status == 200
    [spans] = stage.collector.wait(1)
    by_name = {(span.name, attributes(span).get("nexusflow.attempt", 0)): span for span in spans}
    assert [name for name, _ in by_name] == [
        "POST openai/chat-completions", "admission", "hold", "chat bad", "chat good", "settle",
    ]  # fmt: skip
    server, *parts = spans
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert server.parent_span_id.hex() == SPAN
    assert {span.parent_span_id for span in parts} == {server.span_id}
    told = attributes(server)
    assert told["nexusflow.request"] == answer.header("x-request-id")
    assert (told["http.response.status_code"], told["nexusflow.attempts"]) == (200, 2)
    seen = [one.headers for one in stage.provider.requests[-2:]]
    assert [one["traceparent"] for one in seen] == [
        f"00-{TRACE}-{by_name['chat bad', 1].span_id.hex()}-01",
        f"00-{TRACE}-{by_name['chat good', 2].span_id.hex()}-01",
    ]
    assert {one["tracestate"] for one in seen} == {"vendor=1,other=2"}
    bad, good = attributes(by_name["chat bad", 1]), attributes(by_name["chat good", 2])
    assert (bad["error.type"], bad["gen_ai.provider.name"]) == ("500", "p0")
    assert (good["gen_ai.usage.input_tokens"], good["gen_ai.usage.output_tokens"]) == (10, 20)
    assert good["server.port"] == stage.provider.port
    assert attributes(by_name["settle", 0])["nexusflow.amount"] == 10 * 1_000 + 20 * 3_000
    assert [span.end_time_unix_nano <= server.end_time_unix_nano for span in parts] == [True] * 5


def test_OBS21_a_call_that_its_caller_does_not_trace_is_in_no_trace_of_ours(stage: Stage) -> None:
    answer = stage.ask("good", parent("00"))
    assert stage.provider.requests[-1].headers["traceparent"].startswith(f"00-{TRACE}-")
    assert stage.provider.requests[-1].headers["traceparent"].endswith("-00")
    assert stage.log(answer.header("x-request-id"))["trace"] == TRACE
    stage.ask("good", parent("01"))  # and what comes behind it is there
    [spans] = stage.collector.wait(1)
    assert attributes(spans[0])["nexusflow.request"] != answer.header("x-request-id")


@pytest.mark.parametrize(
    "wrong",
    [[("traceparent", "nonsense")], [parent("01"), parent("01")], [("traceparent", f"ff-{TRACE}-{SPAN}-01")], []],
)
def test_OBS21_without_a_valid_parent_a_trace_of_its_own_begins(stage: Stage, wrong: list[tuple[str, str]]) -> None:
    answer = stage.ask("good", *wrong, ("tracestate", "vendor=1"))
    seen = stage.provider.requests[-1].headers
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", seen["traceparent"])
    assert "tracestate" not in seen
    name = seen["traceparent"].split("-")[1]
    assert name != TRACE
    assert stage.log(answer.header("x-request-id"))["trace"] == name


def test_OBS23_failed_and_slow_calls_are_traced_and_good_or_mistaken_ones_are_not(stage: Stage) -> None:
    statuses = [
        stage.ask("good").status,
        stage.ask("nobody").status,
        stage.ask("good", max_tokens=-1).status,
        stage.ask("late", stream=True).status,
        stage.ask("bad").status,
        stage.ask("too-late", stream=True).status,
    ]
    assert statuses == [200, 404, 422, 200, 502, 200]
    failed, slow = stage.collector.wait(2)
    assert attributes(failed[0])["nexusflow.model"] == "bad"
    assert failed[0].status.message == attributes(failed[0])["error.type"]
    assert [span.name for span in failed[-2:]] == ["chat bad", "settle"]
    assert attributes(slow[0])["nexusflow.model"] == "too-late"
    assert attributes(slow[3])["gen_ai.response.time_to_first_chunk"] >= 0.05


def test_histograms_point_to_traces_that_were_sent(stage: Stage) -> None:
    stage.ask("too-late", stream=True)
    [spans] = stage.collector.wait(1)
    found: dict[str, Any] = {}

    def there() -> bool:
        found.update(
            {
                one.name: one.exemplar
                for one in stage.scrape()
                if one.exemplar and one.exemplar.labels == {"trace_id": spans[0].trace_id.hex()}
            }
        )
        return bool(found)

    assert wait_until(there)
    assert set(found) == {"nexusflow_request_duration_seconds_bucket", "nexusflow_ttft_seconds_bucket"}
    assert found["nexusflow_ttft_seconds_bucket"].value >= 0.05


def test_OBS21_what_a_stranger_decides_is_not_heeded_and_no_content_leaves(curious: Stage) -> None:
    curious.ask("good", parent("00"))
    curious.ask("late", parent("00"), stream=True)
    curious.ask("good", path="/v1/messages", max_tokens=100)
    curious.ask("nobody")
    whole = {len(spans): spans for spans in curious.collector.wait(3)}
    # Two calls of one caller's trace are in one; the one that came to no call has no more than two spans.
    assert sorted(whole) == [2, 5, 10]
    shared = whole[10]
    assert {span.trace_id.hex() for span in shared} == {TRACE}
    assert curious.provider.requests[0].headers["traceparent"].endswith("-01")
    bridged = whole[5][3]
    assert attributes(bridged)["gen_ai.system"] == "p0"
    assert (attributes(whole[2][0])["http.response.status_code"], whole[2][0].status.code) == (404, 0)
    told = b"".join(span.SerializeToString() for spans in whole.values() for span in spans)
    assert SECRET.encode() not in told
    assert curious.gateway.key.encode() not in told


def test_headers_that_are_not_there_keep_the_gateway_from_starting(tmp_path: Path) -> None:
    with running(SCRIPTS) as provider:
        traces = {"endpoint": "http://127.0.0.1:1", "headers": {"env": "NOT_THERE"}}
        (tmp_path / "gateway.yaml").write_text(spec(provider, free_port(), traces))
        assert nexusflow("build", root=tmp_path).returncode == 0
        refused = nexusflow("serve", "--port", str(free_port()), root=tmp_path)
    assert refused.returncode == 1
    assert "error: telemetry.traces.headers is empty or missing (env NOT_THERE)." in refused.stderr


def test_a_collector_that_goes_costs_no_call_and_no_time(curious: Stage) -> None:
    curious.ask("good")
    curious.collector.statuses = [400] * 10_000  # it is there, and takes nothing
    began = time.monotonic()
    assert {curious.ask("good").status for _ in range(30)} == {200}
    assert time.monotonic() - began < 5

    def counted() -> bool:
        return sum(one.value for one in curious.scrape() if one.name == "nexusflow_export_dropped_total") >= 150

    assert wait_until(counted)
    assert "the collector takes no traces: status 400" in curious.gateway.log.read_text()
