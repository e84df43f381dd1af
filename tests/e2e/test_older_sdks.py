"""The vendors' SDKs for Python of one major version before the present, with providers of each of the four protocols.

One run of tests/support/python/older_sdks.py does everything; each test looks at a part of it.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bridge_gateway import PROTOCOLS, SAID, UPSTREAMS, Bridged, models
from tests.support.python_env import script

CLIENTS = UPSTREAMS
TURNS = [["get_weather", "get_time"], "[simulated] The tool answered: get_weather is done; get_time is done"]
LIMITED = {client: ["RateLimitError", 429] for client in CLIENTS} | {"gemini": ["ClientError", 429]}
MISSING = {client: ["NotFoundError", 404] for client in CLIENTS} | {"gemini": ["ClientError", 404]}

Look = Callable[..., Any]


@pytest.fixture(scope="module")
def look(bridged: Bridged) -> Look:
    """What a client saw: `look(client, scenario)` or `look(client, upstream, scenario)`."""
    seen = script("older_sdks.py", *UPSTREAMS, env="older", url=bridged.gateway.url, key=bridged.gateway.key)

    def found(client: str, *path: str) -> Any:
        outcome = seen[client]
        for name in path:
            outcome = outcome[name]
        assert "thrown" not in outcome, outcome["thrown"]
        return outcome["value"]

    return found


def test_they_are_of_the_majors_before(look: Look) -> None:
    assert [version.split(".")[0] for version in look("chat", "versions")] == ["2", "0", "2"]


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_plain_and_streamed_answers_say_the_same(look: Look, client: str, upstream: str) -> None:
    assert look(client, upstream, "plain") == SAID
    pieces = look(client, upstream, "stream")
    assert len(pieces) > 2
    assert "".join(pieces) == SAID


@pytest.mark.parametrize("scenario", ["tools", "tools-stream", "thinker-tools", "thinker-tools-stream"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T86_T91_tools_in_two_turns(look: Look, client: str, upstream: str, scenario: str) -> None:
    assert look(client, upstream, scenario) == TURNS


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T105_failures_are_the_sdks_own_classes(look: Look, client: str, upstream: str) -> None:
    assert look(client, upstream, "limited") == look(client, upstream, "limited-stream") == LIMITED[client]
    assert look(client, "missing") == MISSING[client]


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T102_a_broken_stream_raises_after_what_was_said(look: Look, client: str, upstream: str) -> None:
    said, raised = look(client, upstream, "cut")
    assert raised
    assert said
    assert SAID.startswith(said)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", ["messages", "gemini"])
def test_T113_tokens_are_counted(look: Look, client: str, upstream: str) -> None:
    assert look(client, upstream, "count") > 2


@pytest.mark.parametrize("client", ["chat", "messages", "gemini"])
def test_models_are_listed(look: Look, client: str) -> None:
    offered = {name for name, one in models().items() if PROTOCOLS[client] in one["supported_protocols"]}
    assert {name for name in offered if not name.endswith("/embedding")} <= set(look(client, "models"))
