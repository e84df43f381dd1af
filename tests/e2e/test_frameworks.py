"""Agents of the usual frameworks on the vendors' SDKs, against providers of each of the four protocols.

Each runs its own loop: the model calls two tools, gets their results and answers. One run of a script does all; each
test looks at a part of it.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import node_sdk, python_env
from tests.support.bridge_gateway import THOUGHT, UPSTREAMS, Bridged

CLIENTS = UPSTREAMS
AGENTS = [
    *(("pydantic-ai", client) for client in CLIENTS),
    *(("langchain", client) for client in CLIENTS),
    *(("openai-agents", client) for client in ("chat", "responses")),
]
MODELS = ("chat", "thinker")
CITY = {"name": "simulated", "people": 1}

Look = Callable[[str, str], Any]


@pytest.fixture(scope="module")
def python(bridged: Bridged) -> Look:
    """What a framework for Python made of a scenario."""
    gateway = bridged.gateway
    seen = python_env.script("frameworks.py", *UPSTREAMS, env="frameworks", url=gateway.url, key=gateway.key)
    return lambda path, scenario: value(seen[f"{path} {scenario}"])


@pytest.fixture(scope="module")
def node(bridged: Bridged) -> Look:
    """What the AI SDK made of a scenario with an upstream."""
    seen = node_sdk.script("agent.mjs", *UPSTREAMS, url=bridged.gateway.url, key=bridged.gateway.key)
    return lambda upstream, scenario: value(seen[upstream][scenario])


def value(outcome: Any) -> Any:
    """What came of it."""
    assert "thrown" not in outcome, outcome["thrown"]
    return outcome["value"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize(("framework", "client"), AGENTS)
def test_T86_T91_an_agent_answers(python: Look, framework: str, client: str, upstream: str, model: str) -> None:
    whole = python(f"{framework} {client} {upstream}", f"{model} whole")
    assert whole.startswith("[simulated] The tool answered: ")
    assert whole.index("18 degrees in simulated") < whole.index("noon in simulated")
    pieces = python(f"{framework} {client} {upstream}", f"{model} streamed")
    assert len(pieces) > 2
    assert "".join(pieces) == whole


@pytest.mark.parametrize(("framework", "client"), [one for one in AGENTS if one[0] != "openai-agents"])
def test_T94_a_conversation_goes_from_provider_to_provider(python: Look, framework: str, client: str) -> None:
    """Each thinks, calls the tools and answers, and gets a history with what the others thought."""
    said, thoughts = python(f"{framework} {client}", "handed over")
    assert len(said) == 2 * len(UPSTREAMS)
    assert len(set(said)) == 1
    assert "noon in simulated" in said[0]
    # This one reads no thoughts of Chat, which OpenAI does not send.
    seen = 0 if (framework, client) == ("langchain", "chat") else 2 * len(said)
    assert thoughts == [THOUGHT] * seen


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize(("framework", "client"), AGENTS)
def test_T84_an_agent_answers_with_an_object(python: Look, framework: str, client: str, upstream: str) -> None:
    for found in python(f"{framework} {client} {upstream}", "chat structured"):
        assert found == CITY


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T86_T91_an_agent_of_the_ai_sdk_answers(node: Look, client: str, upstream: str, model: str) -> None:
    whole, streamed = node(upstream, f"{client} {model}"), node(upstream, f"{client} {model} stream")
    assert "18 degrees in simulated" in whole["text"]
    assert (streamed["text"], streamed["steps"]) == (whole["text"], whole["steps"]) == (whole["text"], 2)
    assert streamed["pieces"] > 2


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T84_the_ai_sdk_answers_with_an_object(node: Look, client: str, upstream: str) -> None:
    assert node(upstream, f"{client} object") == CITY
