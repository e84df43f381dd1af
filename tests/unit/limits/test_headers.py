"""What clients are told of their limits (contract 2.10, protocols 1.10.4 and 1.10.5, E-RATE), read by the real SDKs."""

from datetime import UTC, datetime, timedelta, timezone

import anthropic
import httpx2
import openai
import pytest

from nexusflow.endpoints.respond import error_headers
from nexusflow.ir.errors import Kind, Problem
from nexusflow.limits import Limit, LimitState
from nexusflow.limits.headers import (
    anthropic_headers,
    concurrency_headers,
    duration,
    openai_headers,
    remaining_headers,
    tightest,
)
from tests.support.limits import limit

NOW = datetime(2026, 1, 31, 23, 59, 30, 400_000, UTC)


def left(one: Limit, remaining: int, reset_ms: int = 0) -> LimitState:
    return LimitState(one, remaining, reset_ms)


STATES = (
    left(limit("requests", 60), 50, 10_000),
    left(limit("requests", 40, scope="team"), 7, 49_500),
    left(limit("tokens", 150_000), 149_000, 400),
    left(limit("concurrency", 5), 4),
    left(limit("streams", 2), 0),
)


@pytest.mark.parametrize(
    ("ms", "word"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12, "12ms"),
        (999, "999ms"),
        (1000, "1s"),
        (1500, "1.5s"),
        (20_070, "20.07s"),
        (59_999, "59.999s"),
        (60_000, "1m0s"),
        (360_000, "6m0s"),
        (61_001, "1m1.001s"),
        (3_600_000, "1h0m0s"),
        (90_061_500, "25h1m1.5s"),
    ],
)
def test_a_duration_is_spelled_as_openai_does(ms: int, word: str) -> None:
    assert duration(ms) == word


def test_openai_headers_describe_the_tightest_limit_of_each_kind() -> None:
    assert dict(openai_headers(STATES)) == {
        "x-ratelimit-limit-requests": "40",
        "x-ratelimit-remaining-requests": "7",
        "x-ratelimit-reset-requests": "49.5s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149000",
        "x-ratelimit-reset-tokens": "400ms",
    }


def test_anthropic_headers_give_the_reset_as_a_time_that_is_never_too_early() -> None:
    expected = {
        "anthropic-ratelimit-requests-limit": "40",
        "anthropic-ratelimit-requests-remaining": "7",
        "anthropic-ratelimit-requests-reset": "2026-02-01T00:00:20Z",
        "anthropic-ratelimit-tokens-limit": "150000",
        "anthropic-ratelimit-tokens-remaining": "149000",
        "anthropic-ratelimit-tokens-reset": "2026-01-31T23:59:31Z",
    }
    assert dict(anthropic_headers(STATES, NOW)) == expected
    assert dict(anthropic_headers(STATES, NOW.astimezone(timezone(timedelta(hours=8))))) == expected
    for kind, state in (("requests", STATES[1]), ("tokens", STATES[2])):
        told = datetime.fromisoformat(expected[f"anthropic-ratelimit-{kind}-reset"])
        assert timedelta(0) <= told - (NOW + timedelta(milliseconds=state.reset_ms)) < timedelta(seconds=1)


def test_slots_are_told_apart() -> None:
    assert dict(concurrency_headers(STATES)) == {
        "x-ratelimit-limit-concurrency": "5",
        "x-ratelimit-remaining-concurrency": "4",
        "x-ratelimit-limit-streams": "2",
        "x-ratelimit-remaining-streams": "0",
    }


def test_the_remaining_allowance_of_contract_2_10() -> None:
    assert remaining_headers(STATES) == [("x-ratelimit-remaining", "7")]


def test_without_limits_nothing_is_said() -> None:
    assert openai_headers(()) == anthropic_headers((), NOW) == concurrency_headers(()) == remaining_headers(()) == []


def test_of_equal_remainders_the_one_that_takes_longest_counts() -> None:
    slow = left(limit("requests", 5, scope="team"), 3, 9000)
    assert tightest([left(limit("requests", 50), 3, 100), slow], "requests") == slow


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
@pytest.mark.parametrize(("ms", "wait"), [(1, 0.001), (1500, 1.5), (60_000, 60)])
def test_the_official_sdks_wait_exactly_that_long(sdk: str, ms: int, wait: float) -> None:
    client: openai.OpenAI | anthropic.Anthropic
    client = openai.OpenAI(api_key="k") if sdk == "openai" else anthropic.Anthropic(api_key="k")
    headers = error_headers(Problem(kind=Kind.RATE, message="Full.", retry_after_ms=ms), 429)
    response = httpx2.Response(429, headers=headers)
    assert client._should_retry(response)
    assert client._parse_retry_after_header(response.headers) == wait
    assert int(response.headers["retry-after"]) - 1 < wait <= int(response.headers["retry-after"])
