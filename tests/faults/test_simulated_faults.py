"""Every fault of the simulated provider through the gateway: a good answer, or a failure in the protocol's form."""

import json
from collections.abc import Iterator

import pytest

from nexusflow.protocols.openai_chat.errors import TABLE
from nexusflow.settings import SIMULATOR_URL
from nexusflow.simulator.models import MODELS
from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.simulator import running_simulator
from tests.faults.raw import Answer, Connection, chat, error_of, request

NAMES = [name for name in MODELS if name.startswith("fault-")]
KNOWN = {(status, code) for status, _, code in TABLE.values()}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one model for each fault; its patience with the provider is short."""
    timeouts = {"connect_seconds": 1, "first_byte_seconds": 1, "idle_seconds": 1, "total_seconds": 1}
    models = {
        name: {
            "owner": "test",
            "category": "language",
            "supported_protocols": ["openai/chat-completions"],
            "free": True,
            "lanes": [{"provider": "simulator", "model": name, "timeouts": timeouts}],
        }
        for name in NAMES
    }
    simulator = {"protocol": "openai/chat-completions", "base_url": "http://127.0.0.1:8089/v1", "simulated": True}
    spec = {
        "version": 1,
        "gateway": {"name": "simulated"},
        "providers": {"simulator": simulator},
        "models": models,
    }
    with running_simulator() as url:
        root = tmp_path_factory.mktemp("simulated")
        with running_gateway(json.dumps(spec), root, environ={SIMULATOR_URL: f"{url}/v1"}) as gateway:
            yield gateway


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("name", NAMES)
def test_every_simulated_fault_ends_in_form(gateway: Gateway, name: str, stream: bool) -> None:
    with Connection(gateway.url) as connection:
        connection.send(request(gateway.key, chat(name, stream=stream)))
        answer = connection.answer()
    assert answer.complete
    assert len(answer.header("x-request-id") or "") == 26
    assert answer.header("x-nexusflow-simulated") == "true"
    if answer.status != 200:
        assert answer.status == 400 or (answer.status, answer.error["code"]) in KNOWN
    elif stream:
        assert_ends_once(answer)
    else:
        assert json.loads(answer.body)["model"] == name


def assert_ends_once(answer: Answer) -> None:
    """Whole events, and either `[DONE]` or one error at the end."""
    *frames, rest = answer.body.decode().split("\n\n")
    assert rest == ""
    data = [frame.partition("data: ")[2] for frame in frames if "data: " in frame]
    assert all(json.loads(one)["choices"] is not None for one in data[:-1])
    if data[-1] != "[DONE]":
        error_of(data[-1])
