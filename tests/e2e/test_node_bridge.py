"""The vendors' own SDKs for Node over all four protocols, against providers of each of the four.

One run of a script of tests/support/node/bridge does all scenarios of one client; each test looks at one of them.
"""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bridge_gateway import HELLO, PROTOCOLS, SAID, UPSTREAMS, Bridged, models
from tests.support.node_sdk import script

CLIENTS = UPSTREAMS
ANSWERED = "[simulated] The tool answered: get_weather is done; get_time is done"
ENDS = {
    "chat": ("stop", "tool_calls"),
    "responses": ("completed", "completed"),
    "messages": ("end_turn", "tool_use"),
    "gemini": ("STOP", "STOP"),
}
"""How an answer in text ends, and how one with calls."""

Look = Callable[[str, str, str], Any]


@pytest.fixture(scope="module")
def look(bridged: Bridged) -> Look:
    """What a client saw in a scenario with an upstream, or with none where the scenario names no model."""

    @functools.cache
    def seen(client: str) -> Any:
        return script(f"bridge/{client}.mjs", *UPSTREAMS, url=bridged.gateway.url, key=bridged.gateway.key)

    def found(client: str, scenario: str, upstream: str = "") -> Any:
        outcome = seen(client)[upstream][scenario]
        assert "thrown" not in outcome, outcome["thrown"]
        return outcome["value"]

    return found


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_plain_and_streamed_answers_say_the_same(look: Look, client: str, upstream: str) -> None:
    plain = look(client, "plain", upstream)
    assert (plain["model"], plain["text"], plain["end"]) == (f"{upstream}/chat", SAID, ENDS[client][0])
    assert plain["input"] > 0
    assert plain["output"] > 0
    assert look(client, "stream", upstream) == plain
    pieces = look(client, "pieces", upstream)
    assert len(pieces) > 2
    assert "".join(pieces) == SAID


@pytest.mark.parametrize("scenario", ["tools", "tools-stream", "thinker-tools", "thinker-tools-stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T86_T91_tools_in_two_turns(look: Look, client: str, upstream: str, scenario: str) -> None:
    """The thinker refuses a second turn without its own reasoning state."""
    found = look(client, scenario, upstream)
    first, second = found["first"], found["second"]
    assert first["end"] == ENDS[client][1]
    assert [(call["name"], set(call["arguments"])) for call in first["calls"]] == [
        ("get_weather", {"city"}),
        ("get_time", {"zone"}),
    ]
    assert (second["text"], second["end"], second["calls"]) == (ANSWERED, ENDS[client][0], [])


@pytest.mark.parametrize("scenario", ["loop", "loop-stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_sdks_own_tool_loop(look: Look, client: str, upstream: str, scenario: str) -> None:
    """The Responses client has none of its own: it names the stored response that it continues instead."""
    found = look(client, scenario, upstream)
    if client == "responses":
        assert found["stored"] == found["first"]
        found = found["second"]["text"]
    assert found == ANSWERED


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T84_structured_output_is_parsed(look: Look, client: str, upstream: str) -> None:
    assert look(client, "structured", upstream) == {"name": "simulated", "people": 1}


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", ["responses", "messages", "gemini"])
def test_T113_tokens_are_counted(look: Look, client: str, upstream: str) -> None:
    assert look(client, "count", upstream) >= len(HELLO.split())


@pytest.mark.parametrize("upstream", ["chat", "responses", "gemini"])
def test_T111_embeddings_are_the_same_in_every_form(look: Look, upstream: str) -> None:
    vectors = look("chat", "embeddings", upstream)
    assert [len(vector) for vector in vectors] == [8, 8]
    assert look("chat", "embeddings-float", upstream) == vectors
    assert look("gemini", "embeddings", upstream) == vectors


LIMITED: dict[str, dict[str, Any]] = {
    "chat": {"class": "RateLimitError", "code": "rate_limit_exceeded"},
    "responses": {"class": "RateLimitError", "code": "rate_limit_exceeded"},
    "messages": {"class": "RateLimitError", "type": "rate_limit_error"},
    "gemini": {"class": "ApiError"},
}
FAILED: dict[str, dict[str, Any]] = {
    "chat": {"class": "InternalServerError", "type": "server_error"},
    "responses": {"class": "InternalServerError", "type": "server_error"},
    "messages": {"class": "InternalServerError", "type": "api_error"},
    "gemini": {"class": "ApiError"},
}


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T105_a_providers_failure_is_the_sdks_own_class(look: Look, client: str, upstream: str) -> None:
    for scenario in ("limited", "limited-stream"):
        assert {"status": 429, **LIMITED[client]}.items() <= look(client, scenario, upstream).items()
    failed = look(client, "failed", upstream)
    assert {"status": 502, **FAILED[client]}.items() <= failed.items()
    assert "secret" not in failed["message"]


@pytest.mark.parametrize("scenario", ["cut", "error-event"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T102_a_broken_stream_fails_after_what_was_said(look: Look, client: str, upstream: str, scenario: str) -> None:
    found = look(client, scenario, upstream)
    if client == "responses":
        *before, end = found  # this SDK hands the failure over as the last event
        assert end["failed"]["message"]
    else:
        before = found["before"]
        assert found["class"] in ("APIError", "ApiError", "OverloadedError")
    assert before
    assert SAID.startswith("".join(before))


NAMES = {"key": "AuthenticationError", "model": "NotFoundError", "shape": "BadRequestError"}
STATUSES = {"key": 401, "model": 404, "shape": 400}


@pytest.mark.parametrize("scenario", NAMES)
@pytest.mark.parametrize("client", CLIENTS)
def test_our_own_refusals_are_the_sdks_own_classes(look: Look, client: str, scenario: str) -> None:
    found = look(client, scenario, "")
    assert found["status"] == STATUSES[scenario]
    assert found["class"] == ("ApiError" if client == "gemini" else NAMES[scenario])
    if client != "gemini":
        assert found["requestID"]


def test_each_sdk_reads_the_list_of_models_in_its_own_shape(look: Look) -> None:
    every = models()
    assert set(look("chat", "models", "")) == set(every)
    for client in ("messages", "gemini"):
        offered = {name for name, one in every.items() if PROTOCOLS[client] in one["supported_protocols"]}
        listed = {name.removeprefix("models/") for name in look(client, "models", "")}
        assert {name for name in listed if not name.endswith("/embedding")} == {
            name for name in offered if not name.endswith("/embedding")
        }
    assert look("chat", "one", "") == look("messages", "one", "") == "gemini/chat"
    assert look("gemini", "one", "") == "models/gemini/chat"
