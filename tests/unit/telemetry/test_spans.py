"""The spans of a call, as a collector reads them (OBS-22)."""

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from nexusflow.telemetry import otlp
from nexusflow.telemetry.conventions import NAMES, Version
from nexusflow.telemetry.spans import count, spans
from nexusflow.telemetry.trace import Refused, Trace
from nexusflow.wire.traceparent import Parent
from tests.support.collector import attributes
from tests.support.traced import AT_NS, line, over

PARENT = Parent(0xABC, 0xDEF, True, b"a=1")


def read(trace: Trace, version: Version = "v0.1.0") -> list[Any]:
    """Its spans after the way over the wire."""
    state = trace.parent.state if trace.parent is not None else b""
    made = [otlp.span(trace.id, state, one) for one in spans(trace, NAMES[version])]
    body = otlp.request(otlp.resource({"service.name": "gw"}), "nexusflow", "1", made)
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert attributes(resource.resource) == {"service.name": "gw"}
    [scope] = resource.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("nexusflow", "1")
    found = list(scope.spans)
    assert len(found) == count(trace)
    assert len({span.span_id for span in found}) == len(found)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in found)
    return found


def times(span: Any) -> tuple[float, float]:
    """Seconds since the call began."""
    began, ended = span.start_time_unix_nano, span.end_time_unix_nano
    return round((began - AT_NS) / 1e9, 3), round((ended - AT_NS) / 1e9, 3)


def test_a_call_is_a_server_span_with_a_part_for_each_step() -> None:
    server, *parts = read(over(failed_first=True))
    assert server.name == "POST openai/chat-completions"
    assert server.kind == Span.SPAN_KIND_SERVER
    assert server.trace_id == (0xA).to_bytes(16, "big")
    assert server.parent_span_id == b""
    assert times(server) == (0, 2.0)
    assert {span.parent_span_id for span in parts} == {server.span_id}
    assert [(span.name, *times(span)) for span in parts] == [
        ("admission", 0, 0.1),
        ("hold", 0.1, 0.2),
        ("chat gpt-5", 0.2, 0.5),
        ("chat gpt-5", 0.5, 1.5),  # the provider was through when the call was settled
        ("settle", 1.5, 1.6),
    ]
    assert attributes(server) == {
        "http.request.method": "POST",
        "url.path": "/v1/chat/completions",
        "http.response.status_code": 200,
        "nexusflow.request": "01R",
        "nexusflow.protocol": "openai/chat-completions",
        "nexusflow.org": "org_1",
        "nexusflow.team": "team_1",
        "nexusflow.key": "key_1",
        "nexusflow.model": "m",
        "nexusflow.outcome": "done",
        "nexusflow.attempts": 1,
    }
    assert attributes(parts[-1]) == {"nexusflow.amount": 7, "nexusflow.basis": "reported"}


def test_attempts_say_whom_they_asked_and_how_it_went() -> None:
    call = line(stream=True, first_ms=500, cache_read=3, cache_write=2, reasoning=1)
    _, _, _, failed, good, _ = read(over(call, failed_first=True))
    assert {failed.kind, good.kind} == {Span.SPAN_KIND_CLIENT}
    assert attributes(failed) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "own",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "server.address": "10.0.0.7",
        "server.port": 8000,
        "nexusflow.provider": "own",
        "nexusflow.attempt": 1,
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert (failed.status.code, failed.status.message) == (Status.STATUS_CODE_ERROR, "503")
    assert attributes(good) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.2),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_write.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "server.address": "api.openai.com",
        "server.port": 443,
        "nexusflow.provider": "openai",
        "nexusflow.attempt": 2,
    }
    assert good.status.code == Status.STATUS_CODE_UNSET


def test_OBS01_the_older_conventions_have_fewer_names() -> None:
    call = line(stream=True, first_ms=500, cache_read=3, reasoning=1)
    attempt = attributes(read(over(call), "1.36")[3])
    assert attempt["gen_ai.system"] == "openai"
    assert {name for name in attempt if name.startswith("gen_ai.")} == {
        "gen_ai.system",
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    }


def test_a_caller_s_span_is_the_parent() -> None:
    server, *parts = read(over(parent=PARENT))
    assert server.trace_id == (0xABC).to_bytes(16, "big")
    assert server.parent_span_id == (0xDEF).to_bytes(8, "big")
    assert server.flags == 0x301  # sampled, and the parent is elsewhere
    assert {span.flags for span in parts} == {0x101}
    assert {span.trace_state for span in (server, *parts)} == {"a=1"}


def test_a_refused_request_is_an_error_where_it_was_refused() -> None:
    for status, code in ((401, Status.STATUS_CODE_UNSET), (503, Status.STATUS_CODE_ERROR)):
        trace = over()
        trace.record, trace.refused, trace.attempts = None, Refused(status, "no"), []
        trace.admitted = trace.held = trace.settling = trace.settled = 0.0
        server, admission = read(trace)
        assert attributes(server)["error.type"] == "no"
        assert attributes(server)["http.response.status_code"] == status
        assert server.status.code == code
        assert (admission.status.code, times(admission)) == (Status.STATUS_CODE_ERROR, (0, 2.0))


def test_an_attempt_that_was_cut_off_ends_with_the_call() -> None:
    trace = over(line(outcome="broken", status=200, error="E-TIMEOUT"))
    trace.attempts[-1].ended = trace.settling = trace.settled = 0.0
    server, _, _, attempt = read(trace)
    assert times(attempt) == (0.5, 2.0)
    assert attributes(attempt)["error.type"] == attributes(server)["error.type"] == "E-TIMEOUT"
    assert server.status.code == attempt.status.code == Status.STATUS_CODE_ERROR


@pytest.mark.parametrize("value", [0, 127, 128, 2**63 - 1, -1, True, 0.5, "", "é" * 200, "\ud800"])
def test_every_value_comes_over(value: Any) -> None:
    [span] = ExportTraceServiceRequest.FromString(otlp.request(otlp.resource({"x": value}), "", "", [])).resource_spans
    told = attributes(span.resource)["x"]
    assert told == ("?" if value == "\ud800" else value)
    assert type(told) is type(value)


@pytest.mark.parametrize("number", [0, 1, 300])
def test_what_a_collector_rejects_is_read(number: int) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=number, error_message="why")
    answer = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    assert otlp.rejected(answer) == number


@pytest.mark.parametrize("answer", [b"", b"{}", b"\x0a", b"\x0a\x02\x08", b"\xff" * 30])
def test_answers_that_say_nothing_reject_nothing(answer: bytes) -> None:
    assert otlp.rejected(answer) == 0
