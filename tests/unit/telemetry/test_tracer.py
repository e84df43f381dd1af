"""Which calls are traced (OBS-21, OBS-23)."""

import random

import pytest

from nexusflow.ir.plan import Slo, Traces
from nexusflow.telemetry.sender import Sender
from nexusflow.telemetry.trace import Refused
from nexusflow.telemetry.tracer import Tracer, misses
from tests.support.traced import line, record

PARENT = b"00-0000000000000000000000000000abcd-00000000000000ef-%s"


class Kept(Sender):
    """Sends nothing."""

    def __init__(self) -> None:
        self.traces: list[object] = []

    def put(self, trace: object) -> bool:
        self.traces.append(trace)
        return True


def tracer(ppm: int = 0, trust: bool = False, seed: int = 1) -> Tracer:
    policy = Traces(endpoint="http://x", sample_ppm=ppm, trust_parent=trust)
    return Tracer(policy, Kept(), random.Random(seed).random)


def test_OBS23_a_share_of_good_calls_is_traced() -> None:
    found, kept = tracer(10_000), 0
    for number in range(20_000):
        trace = found.begin(str(number), [])
        trace.record = record(line())
        kept += found.end(trace)
    assert 140 <= kept <= 260
    assert found.open == {}


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        ({}, False),
        ({"status": 400, "outcome": "failed"}, False),
        ({"status": 429, "outcome": "failed"}, False),
        ({"status": 499, "outcome": "left"}, False),
        ({"status": 502, "outcome": "failed"}, True),
        ({"status": 504, "outcome": "failed"}, True),
        ({"status": 200, "outcome": "broken"}, True),
    ],
)
def test_OBS23_all_failures_are_traced_that_are_not_the_caller_s(call: dict[str, object], kept: bool) -> None:
    found = tracer()
    trace = found.begin("1", [])
    trace.record = record(line(**call))
    assert found.end(trace) is kept


@pytest.mark.parametrize(("status", "kept"), [(401, False), (404, False), (500, True), (503, True)])
def test_OBS23_and_so_are_requests_that_came_to_no_call(status: int, kept: bool) -> None:
    found = tracer()
    trace = found.begin("1", [])
    trace.refused = Refused(status, "no")
    assert found.end(trace) is kept


@pytest.mark.parametrize(
    ("slo", "call", "missed"),
    [
        (Slo(ttft_ms=500), {"stream": True, "first_ms": 500, "total_ms": 9_000}, False),
        (Slo(ttft_ms=500), {"stream": True, "first_ms": 501}, True),
        (Slo(per_token_ms=100), {"stream": True, "first_ms": 900, "total_ms": 1_300, "output": 5}, False),
        (Slo(per_token_ms=100), {"stream": True, "first_ms": 900, "total_ms": 1_301, "output": 5}, True),
        (Slo(ttft_ms=500), {"total_ms": 60_000}, False),
        (Slo(500, 100), {"total_ms": 1_000, "output": 5}, False),
        (Slo(500, 100), {"total_ms": 1_001, "output": 5}, True),
        (Slo(500, 100), {"stream": True, "total_ms": 60_000}, False),
    ],
)
def test_OBS23_calls_that_miss_their_model_s_objective_are_traced(
    slo: Slo, call: dict[str, object], missed: bool
) -> None:
    assert misses(slo, line(**call)) is missed
    found = tracer()
    trace = found.begin("1", [])
    trace.slo, trace.record = slo, record(line(**call))
    assert found.end(trace) is missed


@pytest.mark.parametrize("flag", [b"00", b"01"])
@pytest.mark.parametrize("ppm", [0, 1_000_000])
@pytest.mark.parametrize("trust", [False, True])
def test_OBS21_only_a_trusted_parent_decides(flag: bytes, ppm: int, trust: bool) -> None:
    trace = tracer(ppm, trust).begin("1", [(b"traceparent", PARENT % flag)])
    assert trace.id == 0xABCD
    assert trace.sampled is (flag == b"01" if trust else ppm > 0)
    sent = b"traceparent: 00-0000000000000000000000000000abcd-%016x-%02x\r\n" % (trace.span, trace.sampled)
    assert trace.onward() == sent


def test_without_a_parent_every_call_is_a_trace_of_its_own() -> None:
    found = tracer()
    traces = [found.begin(str(number), [(b"traceparent", b"nonsense")]) for number in range(100)]
    assert len({trace.id for trace in traces}) == len({trace.span for trace in traces}) == 100
    assert {trace.parent for trace in traces} == {None}
