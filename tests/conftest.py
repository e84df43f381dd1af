"""What many tests share: one gateway in front of the simulated provider."""

from collections.abc import Iterator

import pytest

from nexusflow import settings
from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.simulator import running_simulator
from tests.support.drive import chat_model, chat_provider, spec

CHAT = "simulator/chat"
FAULTS = (
    "slow",
    "stall",
    "cut",
    "reset",
    "truncate",
    "malformed",
    "error-event",
    "no-done",
    "framing",
    "429",
    "500",
    "401",
    "html",
    "empty",
)

MODELS = {
    CHAT: chat_model("simulator", "chat", input=["text", "image"], aliases=["chat-alias"]),
    "text-only": chat_model("simulator", "chat", input=["text"], capabilities={"tools": False}),
    "bounded": chat_model("simulator", "chat", parameters={"temperature": {"min": 0, "max": 1}}),
    **{f"simulator/fault-{fault}": chat_model("simulator", f"fault-{fault}") for fault in FAULTS},
}
PROVIDER = {**chat_provider("http://127.0.0.1:8089/v1"), "simulated": True}


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the simulated provider, for tests that do not change either."""
    root = tmp_path_factory.mktemp("simulated")
    with running_simulator() as address:
        environ = {settings.SIMULATOR_URL: f"{address}/v1"}
        with running_gateway(spec(MODELS, {"simulator": PROVIDER}), root, environ=environ) as gateway:
            yield gateway
