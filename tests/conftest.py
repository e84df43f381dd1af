"""What many tests share: one gateway in front of the simulated provider."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from nexusflow import settings
from nexusflow.testing.gateway import Gateway, running_gateway
from nexusflow.testing.simulator import running_simulator
from tests.support.drive import chat_model, chat_provider, spec
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.stores import Store

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile(
    "nexusflow", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("nexusflow")

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests, which none of them stops."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A new and empty database on it."""
    return postgres.new_database()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test's own, to stop and kill."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A new and empty database of either kind: the test runs on both."""
    if request.param == "sqlite":
        return Store.sqlite(tmp_path)
    return Store.postgres(tmp_path, request.getfixturevalue("postgres_url"))
