"""Limits through a real gateway: what is refused, what clients are told, and what comes back (contract 2.10, R-30)."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nexusflow.testing.faulty import END, STREAM_HEAD, Pace, Provider, Script, running, unary
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.faults.provider import DONE, TICK, delta, event
from tests.faults.raw import Answer, Connection, chat, request, wait_until

USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
CACHED = {"prompt_tokens": 5_000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4_900}}
LANGUAGES = ["openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"]
DEFAULT = {"rpm": 3, "tpm": 6_000, "concurrent_requests": 3, "concurrent_streams": 2}


def completion(usage: dict[str, Any]) -> bytes:
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return unary(json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Gateway
    provider: Provider
    enough: threading.Event

    def key(self, *options: str) -> str:
        """A new key that every worker knows."""
        made = nexusflow("keys", "create", "--name", "k", "--quiet", *options, root=self.gateway.root)
        assert made.returncode == 0, made.stderr
        key = made.stdout.strip()
        assert wait_until(lambda: all(self.get(key, "/v1/models").status == 200 for _ in range(16)))
        return key

    def get(self, key: str, path: str) -> Answer:
        with Connection(self.gateway.url) as connection:
            connection.send(request(key, b"", method="GET", path=path))
            return connection.answer()

    def ask(self, key: str, model: str = "quick", path: str = "/v1/chat/completions", **fields: Any) -> Answer:
        with Connection(self.gateway.url) as connection:
            connection.send(request(key, chat(model, **fields), path=path))
            return connection.answer()

    def begin(self, key: str) -> Connection:
        """A stream that goes on until `enough`."""
        connection = Connection(self.gateway.url)
        connection.send(request(key, chat("held", stream=True, max_tokens=10)))
        return connection


def model(upstream: str, **more: Any) -> dict[str, Any]:
    return {
        "owner": "test",
        "category": "language",
        "max_output_tokens": 1_000,
        "supported_protocols": LANGUAGES,
        "free": True,
        "lanes": [{"provider": "scripted", "model": upstream}],
        **more,
    }


def spec(port: int) -> dict[str, Any]:
    lanes = [
        {"provider": "scripted", "model": "narrow", "limits": {"rpm": 2}},
        {"provider": "scripted", "model": "wide", "priority": 1},
    ]
    return {
        "version": 1,
        "stores": {"limits": {"kind": "sqlite"}},
        "providers": {"scripted": {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}},
        "models": {
            "quick": model("quick"),
            "cached": model("cached"),
            "held": model("held"),
            "told": model("told"),
            "broken": model("broken"),
            "scarce": model("quick", limits={"rpm": 1}),
            "common": model("quick", shared_limits={"rpm": 2}),
            "laned": model("narrow", lanes=lanes),
        },
        "plans": {"own": {"limits": {"rpm": 5}}, "shut": {"limits": {"rpm": 0}}, "slow": {"limits": {"tpm": 1_000}}},
        "limits": {"default": DEFAULT},
    }


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    enough = threading.Event()
    hello = event(choices=delta("Hello", role="assistant"))
    end = (event(choices=delta(finish="stop")), event(choices=[], usage=USAGE), DONE, END)
    scripts: dict[str, Script] = {
        "quick": (completion(USAGE),),
        "cached": (completion(CACHED),),
        "narrow": (completion(USAGE),),
        "wide": (completion(USAGE),),
        "broken": (unary(b"{}", "500 Internal Server Error"),),
        "told": (STREAM_HEAD, hello, *end),
        "held": (STREAM_HEAD, hello, Pace(enough, TICK), *end),
    }
    with running(scripts) as provider:
        root = tmp_path_factory.mktemp("limits")
        with running_gateway(json.dumps(spec(provider.port)), root, workers=2) as gateway:
            yield Stage(gateway, provider, enough)


def test_default_limits_hold_for_each_key_and_say_what_is_left(stage: Stage) -> None:
    key, other = stage.key(), stage.key()
    found = [stage.ask(key, max_tokens=10) for _ in range(4)]
    assert [one.status for one in found] == [200, 200, 200, 429]
    assert [one.header("x-ratelimit-remaining-requests") for one in found] == ["2", "1", "0", "0"]
    assert [one.header("x-ratelimit-remaining") for one in found] == ["2", "1", "0", "0"]
    assert found[0].header("x-ratelimit-limit-requests") == "3"
    assert found[0].header("x-ratelimit-limit-tokens") == "6000"
    refused = found[3]
    assert refused.error["code"] == "rate_limit_exceeded"
    assert refused.error["type"] == "requests"
    assert "3 requests per minute" in refused.error["message"]
    wait_ms = int(refused.header("retry-after-ms") or 0)
    assert 0 < wait_ms <= 20_000
    assert int(refused.header("retry-after") or 0) == -(-wait_ms // 1000)
    assert refused.header("x-should-retry") is None
    assert stage.ask(other, max_tokens=10).status == 200


def test_R30_a_caller_over_its_limit_is_refused_before_its_body(stage: Stage) -> None:
    key = stage.key("--rpm", "1")
    assert stage.ask(key).status == 200

    def refused() -> bool:
        """By a worker that has refused this key before: the other one still asks the counters."""
        with Connection(stage.gateway.url) as connection:
            connection.send(request(key, b"", headers=("content-length: 1000",)))
            connection.socket.settimeout(0.5)
            try:
                return connection.answer().status == 429
            except TimeoutError:
                assert stage.ask(key).status == 429
                return False

    assert wait_until(refused)


def test_tokens_are_reserved_and_then_corrected(stage: Stage) -> None:
    key = stage.key()
    before = stage.ask(key, max_tokens=1_000)
    # Reserved: the estimate of the input and the whole bound.
    assert int(before.header("x-ratelimit-remaining-tokens") or 0) < 5_000

    def corrected() -> bool:
        """50 were used, and each later call holds its estimate. No answer waits until the counters know of it."""
        return int(stage.ask(key, max_tokens=10).header("x-ratelimit-remaining-tokens") or 0) > 5_700

    assert wait_until(corrected)


def test_T51_tokens_read_from_a_cache_count(stage: Stage) -> None:
    """One call used five minutes' tokens, nearly all of them from a cache: the debt takes as long to refill."""
    key = stage.key("--plan", "slow")
    assert stage.ask(key, "cached", max_tokens=10).status == 200
    refused = stage.ask(key, "cached", max_tokens=10)
    assert refused.status == 429
    assert int(refused.header("retry-after") or 0) > 120
    # Nobody's SDK should sleep that long by itself.
    assert refused.header("x-should-retry") == "false"


def test_a_request_larger_than_the_limit_is_told_not_to_come_again(stage: Stage) -> None:
    answer = stage.ask(stage.key(), max_tokens=1_000, n=10)
    assert answer.status == 429
    assert answer.error["type"] == "tokens"
    assert answer.header("x-should-retry") == "false"
    assert answer.header("retry-after") is None


def test_streams_hold_slots_until_they_end_or_their_client_leaves(stage: Stage) -> None:
    stage.enough.clear()
    key = stage.key("--plan", "team")
    # `team` bounds requests at once by 20 and knows no bound of streams: the default's two do not hold for it.
    streams = [stage.begin(key) for _ in range(3)]
    for one in streams:
        assert b"200 OK" in one.read_until(b"\r\n")
        one.socket.close()
    key = stage.key()
    first, second = stage.begin(key), stage.begin(key)
    for one in (first, second):
        assert b"200 OK" in one.read_until(b"\r\n")
    third = stage.ask(key, "held", stream=True, max_tokens=10)
    assert third.status == 429
    assert "2 streams at once" in third.error["message"]
    assert third.header("x-ratelimit-remaining-streams") == "0"
    first.reset()
    assert wait_until(lambda: b"200 OK" in opened(stage, key))
    stage.enough.set()


def opened(stage: Stage, key: str) -> bytes:
    """The first line of the answer to another stream; a refused one takes nothing."""
    with stage.begin(key) as connection:
        return connection.read_until(b"\r\n")


def test_a_failed_call_counts_as_a_request_and_for_no_tokens(stage: Stage) -> None:
    key = stage.key()
    assert stage.ask(key, "broken", max_tokens=10).status == 502
    answer = stage.ask(key, max_tokens=10)
    assert answer.header("x-ratelimit-remaining-requests") == "1"
    # No answer waits until the counters know what was used.
    assert wait_until(lambda: int(stage.ask(key, max_tokens=10).header("x-ratelimit-remaining-tokens") or 0) > 5_800)


def test_a_call_that_is_refused_later_takes_nothing(stage: Stage) -> None:
    """The reservation of a call without money is given back whole."""
    created = nexusflow("accounts", "create", "poor", "--credit-line", "0", root=stage.gateway.root)
    assert created.returncode == 0, created.stderr
    key = stage.key("--model", "quick")
    for _ in range(5):
        assert stage.ask(key, "scarce").status == 403
    assert stage.ask(key, max_tokens=10).header("x-ratelimit-remaining-requests") == "2"


@pytest.mark.parametrize(
    ("plan", "rpm"), [("free", 20), ("developer", 60), ("team", 200), ("enterprise", 1_000), ("own", 5)]
)
def test_a_key_on_a_plan_has_its_limits(stage: Stage, plan: str, rpm: int) -> None:
    answer = stage.ask(stage.key("--plan", plan), max_tokens=10)
    assert answer.header("x-ratelimit-limit-requests") == str(rpm)
    assert answer.header("x-ratelimit-remaining-requests") == str(rpm - 1)


def test_the_plan_of_an_organisation_is_shared_by_its_keys(stage: Stage) -> None:
    assert nexusflow("accounts", "create", "firm", "--plan", "own", root=stage.gateway.root).returncode == 0
    assert nexusflow("credit", "firm", "5", "--source", "bank", "--memo", "m", root=stage.gateway.root).returncode == 0
    first, second = stage.key("--org", "firm"), stage.key("--org", "firm")
    assert [stage.ask(key, max_tokens=10).status for key in (first, second) * 3] == [200] * 5 + [429]


def test_a_model_has_limits_of_its_own_and_shared_ones(stage: Stage) -> None:
    key, other = stage.key(), stage.key()
    assert [stage.ask(key, "scarce", max_tokens=10).status for _ in range(2)] == [200, 429]
    # The caller's other calls are not held to the model's limit.
    assert stage.ask(key, max_tokens=10).status == 200
    assert [stage.ask(one, "common", max_tokens=10).status for one in (key, other, other)] == [200, 200, 429]


def test_a_limit_of_nothing_refuses_everything(stage: Stage) -> None:
    answer = stage.ask(stage.key("--plan", "shut"), max_tokens=10)
    assert answer.status == 429
    assert answer.header("x-should-retry") == "false"


def test_a_full_lane_sends_calls_to_the_next_one(stage: Stage) -> None:
    key = stage.key("--plan", "team")
    found = [stage.ask(key, "laned", max_tokens=10) for _ in range(6)]
    assert [one.status for one in found] == [200] * 6
    assert len(stage.provider.of("narrow")) == 2
    assert len(stage.provider.of("wide")) == 4
    # It was no failure of the provider's.
    assert "degraded" not in stage.gateway.log.read_text()


@pytest.mark.parametrize(
    ("path", "more", "prefix"),
    [
        ("/v1/chat/completions", {}, "x-ratelimit-{what}-{kind}"),
        ("/v1/responses", {"input": "Hello"}, "x-ratelimit-{what}-{kind}"),
        ("/v1/messages", {"max_tokens": 10}, "anthropic-ratelimit-{kind}-{what}"),
        ("/v1beta/models/{model}:generateContent", {}, "x-ratelimit-{what}-{kind}"),
    ],
    ids=["chat", "responses", "messages", "gemini"],
)
def test_P61_every_protocol_says_what_is_left_of_every_limit(
    stage: Stage, path: str, more: dict[str, Any], prefix: str
) -> None:
    """Requests and tokens in the protocol's own words; slots, for which no vendor has one, in the same everywhere."""
    key = stage.key()

    def answer(model: str, stream: bool) -> Answer:
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 10}
        if path == "/v1/responses":
            body = {"max_output_tokens": 10}
        if "{model}" in path:
            body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
        else:
            body |= {"model": model, "stream": stream}
        where = path.format(model=model)
        if stream and "generate" in where:
            where = where.replace("generateContent", "streamGenerateContent") + "?alt=sse"
        with Connection(stage.gateway.url) as connection:
            connection.send(request(key, json.dumps({**body, **more}).encode(), path=where))
            return connection.answer()

    plain, streamed = answer("quick", False), answer("told", True)
    for at, (found, left) in enumerate(((plain, "2"), (streamed, "1"))):
        assert found.status == 200, found.body
        header = found.header
        assert header(prefix.format(what="limit", kind="requests")) == "3"
        assert header(prefix.format(what="remaining", kind="requests")) == left == header("x-ratelimit-remaining")
        assert header(prefix.format(what="limit", kind="tokens")) == "6000"
        assert 0 < int(header(prefix.format(what="remaining", kind="tokens")) or 0) < 6_000
        assert header(prefix.format(what="reset", kind="requests"))
        assert (header("x-ratelimit-limit-concurrency"), header("x-ratelimit-remaining-concurrency")) == ("3", "2")
        slots = (header("x-ratelimit-limit-streams"), header("x-ratelimit-remaining-streams"))
        assert slots == (("2", "1") if at else (None, None))


def test_every_protocol_says_it_in_its_own_words(stage: Stage) -> None:
    key = stage.key("--plan", "shut")
    contents = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    message = {"model": "quick", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
    asked = {
        "/v1/chat/completions": message,
        "/v1/responses": {"model": "quick", "input": "Hello"},
        "/v1/messages": message,
        "/v1beta/models/quick:generateContent": contents,
    }
    found = {}
    for path, body in asked.items():
        with Connection(stage.gateway.url) as connection:
            connection.send(request(key, json.dumps(body).encode(), path=path))
            found[path] = connection.answer()
    assert [one.status for one in found.values()] == [429] * 4
    chat_, responses, messages, gemini = found.values()
    assert chat_.error["code"] == responses.error["code"] == "rate_limit_exceeded"
    assert json.loads(messages.body)["error"]["type"] == "rate_limit_error"
    assert messages.header("anthropic-ratelimit-requests-remaining") == "0"
    assert (messages.header("anthropic-ratelimit-requests-reset") or "").endswith("Z")
    assert json.loads(gemini.body)["error"]["status"] == "RESOURCE_EXHAUSTED"
