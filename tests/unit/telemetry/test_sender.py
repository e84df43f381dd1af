"""Traces on their way to a collector that is there, slow, or dead: nobody waits for it, and what is lost is counted."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from nexusflow.ir.plan import CredentialRef, Traces
from nexusflow.telemetry.sender import Sender, TracesRefused, open_sender, read_headers
from nexusflow.telemetry.spans import count
from nexusflow.telemetry.trace import Trace
from tests.support.collector import Collector, collecting
from tests.support.traced import over

SPANS = count(over())


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def sender(url: str, most: int = 2_048, timeout_s: float = 5.0) -> Sender:
    """One that does not wait for long."""
    policy = Traces(endpoint=f"{url}/v1/traces")
    return Sender(policy, "gw", {"x-key": "k"}, pause_s=0.01, retry_s=(0.01, 0.02), timeout_s=timeout_s, most=most)


def numbered(id_: int) -> Trace:
    """A call with a trace id of its own."""
    trace = over()
    trace.id = id_
    return trace


def test_traces_come_in_batches_with_the_headers_that_were_asked_for(collector: Collector) -> None:
    out = sender(collector.url)
    for id_ in range(1, 301):
        assert out.put(numbered(id_))
    assert all(len(spans) == SPANS for spans in collector.wait(300))
    out.close()
    assert out.dropped == 0
    assert set(collector.paths) == {"/v1/traces"}
    assert len(collector.paths) < 30
    for headers in collector.headers:
        assert headers["x-key"] == "k"
        assert headers["content-type"] == "application/x-protobuf"
    assert collector.resources[0]["service.name"] == "gw"
    assert collector.resources[0]["service.instance.id"].endswith(str(os.getpid()))


def test_what_is_left_at_the_end_is_sent(collector: Collector) -> None:
    out = Sender(Traces(endpoint=f"{collector.url}/v1/traces"), "gw", {}, pause_s=60)
    out.put(numbered(1))
    out.close()
    assert len(collector.traces()) == 1


def test_a_dead_collector_costs_traces_and_no_time() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    out = sender(f"http://127.0.0.1:{port}", most=50)
    began, sent = time.perf_counter(), 0
    while out.dropped == 0:
        out.put(numbered(1))
        sent += 1
        assert sent < 100_000, "what cannot be sent is kept without end"
    assert (time.perf_counter() - began) / sent < 0.001
    out.close()
    assert out.dropped == sent * SPANS


def test_a_slow_collector_holds_up_nobody_and_the_rest_is_dropped(collector: Collector) -> None:
    collector.delay_s = 0.4
    out = sender(collector.url, most=10)
    began = time.perf_counter()
    taken = 0
    for id_ in range(1, 1_001):
        taken += out.put(numbered(id_))
    assert time.perf_counter() - began < 0.3
    assert out.dropped == (1_000 - taken) * SPANS > 0
    collector.wait(taken)
    out.close()
    assert out.dropped == (1_000 - taken) * SPANS


def test_a_collector_that_never_answers_is_given_up(collector: Collector) -> None:
    collector.delay_s = 1.0
    out = sender(collector.url, timeout_s=0.05)
    out.put(numbered(1))
    began = time.monotonic()
    while not out.dropped:
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    assert out.dropped == SPANS
    out.close()


@pytest.mark.parametrize(("statuses", "dropped"), [([503], 0), ([429, 503], 0), ([503] * 3, SPANS), ([400], SPANS)])
def test_what_a_collector_wants_later_is_sent_again(collector: Collector, statuses: list[int], dropped: int) -> None:
    collector.statuses = list(statuses)
    out = sender(collector.url)
    out.put(numbered(1))
    began = time.monotonic()
    while not (collector.spans or out.dropped):
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    out.close()
    assert out.dropped == dropped
    assert len(collector.spans) == SPANS - dropped
    assert len(collector.paths) == len(statuses) + (not dropped)


def test_spans_that_a_collector_rejects_are_counted(collector: Collector) -> None:
    collector.rejected = 2
    out = sender(collector.url)
    out.put(numbered(1))
    collector.wait(1)
    out.close()
    assert out.dropped == 2


def test_headers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setenv("OTLP", "Authorization=Basic%20YTpi,x-team = one")
    policy = Traces(endpoint=f"{collector.url}/v1/traces", headers=CredentialRef("env", "OTLP"))
    out = open_sender(policy, "gw")
    out.put(numbered(1))
    out.close()
    assert collector.headers[0]["authorization"] == "Basic YTpi"
    assert collector.headers[0]["x-team"] == "one"
    monkeypatch.delenv("OTLP")
    with pytest.raises(TracesRefused, match="env OTLP"):
        open_sender(policy, "gw")


@pytest.mark.parametrize("text", ["a", "=b", "a b=c", "a=%0d%0aevil: 1", "a=b,,"])
def test_headers_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(TracesRefused, match="form"):
        read_headers(text)
