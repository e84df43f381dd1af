"""The fleet as one worker sees it: contract 2.11, R-02, and class by class what counts (reliability 1.3)."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nexusflow.flow.failure import Failure, of_fault, of_refusal, of_status
from nexusflow.flow.health import CREDENTIAL_S, FIRST_EJECTION_S, LONGEST_EJECTION_S, Fleet
from nexusflow.flow.strategy import Asker
from nexusflow.ir.errors import Problem, RequestRefused
from nexusflow.protocols.anthropic import errors as anthropic_errors
from nexusflow.protocols.gemini import errors as gemini_errors
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.upstream.transport import Fault
from tests.support.lanes import served_lane


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(clock)


ASKER = Asker("key", 1_000, 0)
A, B, C = (replace(served_lane(name), priority=at) for at, name in enumerate("abc"))
API_KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
DEGRADED, DOWN = A.provider.degraded_after, A.provider.down_after


def names(lanes: Any) -> str:
    return "".join(lane.provider.id for lane in lanes)


def fail(fleet: Fleet, lane: Any, times: int, failure: Failure = Failure.SERVER_ERROR) -> None:
    for _ in range(times):
        fleet.failed(lane, failure, None)


def test_lanes_go_by_priority(fleet: Fleet) -> None:
    assert names(fleet.order((A, B, C), "weighted", ASKER)) == "abc"


def test_three_failures_degrade_and_five_take_down(fleet: Fleet) -> None:
    """Degraded ones are tried after the healthy ones, those that are down not at all."""
    fail(fleet, A, DEGRADED - 1)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"
    fail(fleet, A, 1)
    assert fleet.state(A) == "degraded"
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ba"
    fail(fleet, A, DOWN - DEGRADED)
    assert fleet.state(A) == "down"
    assert names(fleet.order((A, B, C), "weighted", ASKER)) == "bc"


def test_success_brings_it_back_to_its_priority(fleet: Fleet) -> None:
    fail(fleet, A, DOWN)
    fleet.succeeded(A)
    assert fleet.state(A) == "healthy"
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"
    fail(fleet, A, DEGRADED - 1)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"


def test_R02_the_last_one_is_never_left_out(fleet: Fleet) -> None:
    fail(fleet, A, DOWN)
    fail(fleet, B, DOWN)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"
    assert names(fleet.order((A,), "weighted", ASKER)) == "a"


def test_one_request_tries_whether_it_is_back(fleet: Fleet, clock: Clock) -> None:
    """The others keep to those that serve until that attempt has ended, or taken too long."""
    fail(fleet, A, DOWN)
    clock.now += LONGEST_EJECTION_S * 1.3
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"
    assert names(fleet.order((A, B), "weighted", ASKER)) == "b"
    clock.now += FIRST_EJECTION_S + 0.1
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"


def test_R02_each_further_failure_keeps_it_away_for_longer_up_to_a_bound(fleet: Fleet, clock: Clock) -> None:
    away = []
    fail(fleet, A, DOWN)
    for _ in range(12):
        begun = clock.now
        while fleet.state(A) != "healthy":
            clock.now += 0.1
        away.append(clock.now - begun)
        fail(fleet, A, 1)
    assert away[0] < 6
    assert away[3] > 2 * away[0]
    assert LONGEST_EJECTION_S * 0.79 <= away[-1] <= LONGEST_EJECTION_S * 1.3


def test_R02_half_of_twenty_attempts_take_it_down_though_never_three_in_a_row(fleet: Fleet, clock: Clock) -> None:
    for _ in range(9):
        fail(fleet, A, 1)
        fleet.succeeded(A)
    fail(fleet, A, 1)
    assert fleet.state(A) == "healthy"
    fail(fleet, A, 1)
    assert fleet.state(A) == "down"


def test_R02_failures_of_long_ago_do_not_count(fleet: Fleet, clock: Clock) -> None:
    for _ in range(30):
        fail(fleet, A, 1)
        fleet.succeeded(A)
        clock.now += 4
    assert fleet.state(A) == "healthy"


def test_a_429_cools_exactly_as_long_as_told_and_is_no_failure(fleet: Fleet, clock: Clock) -> None:
    fleet.failed(A, Failure.REFUSED, 7)
    assert fleet.state(A) == "cooling"
    assert names(fleet.order((A, B), "weighted", ASKER)) == "b"
    clock.now += 6.99
    assert names(fleet.order((A, B), "weighted", ASKER)) == "b"
    clock.now += 0.01
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"


def test_a_callers_own_mistakes_say_nothing_of_a_deployment(fleet: Fleet) -> None:
    fail(fleet, A, 100, Failure.CALLER)
    assert fleet.state(A) == "healthy"


def test_a_refused_credential_takes_it_out_at_once_and_is_told(
    fleet: Fleet, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.failed(A, Failure.CREDENTIAL, None)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "b"
    assert "credentials" in caplog.text
    clock.now += CREDENTIAL_S
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"


def probe(fleet: Fleet, lane: Any, *troubles: str | None) -> None:
    for trouble in troubles:
        fleet.probed(lane.provider, trouble)


def test_failed_probes_put_all_deployments_of_a_provider_last_and_then_out(fleet: Fleet, clock: Clock) -> None:
    other = replace(A, destination=replace_model(A, "other"))
    probe(fleet, A, *["x"] * DEGRADED)
    assert names(fleet.order((A, B), "weighted", ASKER)) == names(fleet.order((other, B), "weighted", ASKER)) == "ba"
    probe(fleet, A, *["x"] * (DOWN - DEGRADED))
    clock.now += LONGEST_EJECTION_S * 10
    assert names(fleet.order((A, B), "weighted", ASKER)) == names(fleet.order((other, B), "weighted", ASKER)) == "b"
    probe(fleet, A, None)
    assert names(fleet.order((A, B), "weighted", ASKER)) == names(fleet.order((other, B), "weighted", ASKER)) == "ab"


def test_of_what_calls_and_probes_find_the_worse_counts(fleet: Fleet) -> None:
    fail(fleet, A, DEGRADED)
    probe(fleet, A, *["x"] * DOWN)
    assert fleet.state(A) == "down"
    fail(fleet, B, DOWN)
    probe(fleet, B, *["x"] * DEGRADED)
    assert fleet.state(B) == "down"


def test_R02_probes_never_leave_out_the_last_one(fleet: Fleet) -> None:
    probe(fleet, A, *["x"] * DOWN)
    fail(fleet, B, DOWN)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"
    assert names(fleet.order((A,), "weighted", ASKER)) == "a"


def test_a_good_probe_lets_what_was_not_reached_be_tried_at_once(fleet: Fleet) -> None:
    """By one request; what failed in another way keeps its time."""
    fail(fleet, A, DOWN, Failure.NOT_SENT)
    probe(fleet, A, None)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "ab"
    assert names(fleet.order((A, B), "weighted", ASKER)) == "b"
    fail(fleet, A, 1, Failure.SERVER_ERROR)
    probe(fleet, A, None)
    assert names(fleet.order((A, B), "weighted", ASKER)) == "b"


def test_a_good_probe_does_not_make_good_what_calls_have_found(fleet: Fleet, clock: Clock) -> None:
    fail(fleet, A, DOWN)
    probe(fleet, A, *["x"] * DOWN, None)
    assert fleet.state(A) == "down"
    fleet.failed(B, Failure.REFUSED, 7)
    probe(fleet, B, None)
    assert fleet.state(B) == "cooling"


def test_a_provider_says_itself_how_many_failures_are_too_many(fleet: Fleet) -> None:
    hasty = replace(A, provider=msgspec.structs.replace(A.provider, degraded_after=1, down_after=2))
    fail(fleet, hasty, 1)
    assert fleet.state(hasty) == "degraded"
    fail(fleet, hasty, 1)
    assert fleet.state(hasty) == "down"


def replace_model(lane: Any, name: str) -> Any:
    return type(lane.destination)(model=name, family="f", capabilities=lane.destination.capabilities)


def test_models_of_one_provider_are_apart(fleet: Fleet) -> None:
    other = replace(A, destination=replace_model(A, "other"))
    fail(fleet, A, DOWN)
    assert names(fleet.order((other, B), "weighted", ASKER)) == "ab"


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        *((status, "C") for status in (400, 405, 409, 413, 415, 422)),
        *((status, "A") for status in (401, 402, 403, 404)),
        *((status, "Q") for status in (408, 429, 503, 529)),
        *((status, "E") for status in (500, 502, 504)),
    ],
)
def test_classes_of_refusals(status: int, failure: str) -> None:
    assert of_status(status) == failure


@pytest.mark.parametrize(
    ("read", "error", "failure"),
    [
        (openai_errors.read_in_band, {"type": "invalid_request_error", "code": "invalid_api_key"}, "A"),
        (openai_errors.read_in_band, {"type": "billing_error"}, "A"),
        (openai_errors.read_in_band, {"code": 404}, "A"),
        (openai_errors.read_in_band, {"code": "rate_limit_exceeded"}, "Q"),
        (openai_errors.read_in_band, {"code": "insufficient_quota"}, "Q"),
        (openai_errors.read_in_band, {"code": 503}, "Q"),
        (openai_errors.read_in_band, {"type": "invalid_request_error"}, "C"),
        (openai_errors.read_in_band, {"code": "invalid_prompt"}, "C"),
        (openai_errors.read_in_band, {"code": "image_too_large"}, "C"),
        (openai_errors.read_in_band, {"code": "server_error"}, "U"),
        (openai_errors.read_in_band, {"message": "no"}, "U"),
        (anthropic_errors.read_in_band, {"type": "authentication_error"}, "A"),
        (
            anthropic_errors.read_in_band,
            {"type": "invalid_request_error", "message": "Your credit balance is too low"},
            "A",
        ),
        (anthropic_errors.read_in_band, {"type": "rate_limit_error"}, "Q"),
        (anthropic_errors.read_in_band, {"type": "invalid_request_error"}, "C"),
        (anthropic_errors.read_in_band, {"type": "api_error"}, "U"),
        (gemini_errors.read_in_band, {"status": "PERMISSION_DENIED"}, "A"),
        (gemini_errors.read_in_band, {"code": 400, "details": [API_KEY_INVALID]}, "A"),
        (gemini_errors.read_in_band, {"code": 429}, "Q"),
        (gemini_errors.read_in_band, {"code": 400}, "C"),
        (gemini_errors.read_in_band, {"code": 500}, "U"),
    ],
)
def test_U16_an_error_in_a_good_answer_is_what_its_own_code_says(
    read: Callable[[bytes], Problem], error: dict[str, Any], failure: str
) -> None:
    """It is of class U only where the provider failed: what it has begun it may bill."""
    assert of_refusal(RequestRefused(read(json.dumps(error).encode()))) == failure


def test_classes_of_faults_below_http() -> None:
    assert {fault for fault in Fault if of_fault(fault) == "N"} == {
        Fault.DNS,
        Fault.CONNECT,
        Fault.CONNECT_TIMEOUT,
        Fault.TLS,
    }
