"""Gateways whose store is PostgreSQL: keys, stored responses, an outage, and two machines (S-13, SEC-55)."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nexusflow import settings
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from nexusflow.testing.ports import NotStarted
from nexusflow.testing.simulator import running_simulator
from tests.support.drive import Caller, chat_model, spec
from tests.support.postgres import PostgresServer

BODY = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}
PROVIDER = {"protocol": "openai/chat-completions", "base_url": "http://127.0.0.1:8089/v1", "simulated": True}


def on_postgres() -> str:
    document = json.loads(spec({"chat": chat_model("simulator", "chat")}, {"simulator": PROVIDER}))
    document["stores"] = {"database": {"kind": "postgres", "url": {"env": "DATABASE_URL"}}}
    return json.dumps(document)


def status(gateway: Gateway, key: str) -> int:
    caller = Caller(gateway.url, key)
    try:
        return caller.chat(BODY).status
    finally:
        caller.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; the deadline only ends a broken test."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)


def create(root: Path, name: str, environ: dict[str, str]) -> str:
    return nexusflow("keys", "create", "--name", name, "--quiet", root=root, environ=environ).stdout.strip()


def test_keys_follow_the_command_line_and_outlive_an_outage(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with running_simulator() as address:
        environ = {settings.SIMULATOR_URL: f"{address}/v1", "DATABASE_URL": own_postgres.new_database()}
        with running_gateway(on_postgres(), tmp_path, environ=environ, workers=2) as gateway:
            assert not (tmp_path / ".nexusflow" / "nexusflow.db").exists()
            assert status(gateway, gateway.key) == 200
            late = create(tmp_path, "late", environ)
            until(lambda: [status(gateway, late) for _ in range(4)] == [200] * 4)
            assert nexusflow("keys", "revoke", "late", root=tmp_path, environ=environ).returncode == 0
            until(lambda: [status(gateway, late) for _ in range(4)] == [401] * 4)
            own_postgres.stop_immediately()
            failed = nexusflow("keys", "list", root=tmp_path, environ=environ)
            assert failed.returncode == 1
            assert "cannot be reached" in failed.stderr
            own_postgres.start()
            again = create(tmp_path, "again", environ)
            until(lambda: [status(gateway, again) for _ in range(4)] == [200] * 4)
        log = gateway.log.read_text()
    assert own_postgres.password not in log + failed.stderr


def test_two_machines_share_a_database_when_they_share_its_pepper(postgres_url: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with running_simulator() as address:
        environ: dict[str, Any] = {settings.SIMULATOR_URL: f"{address}/v1", "DATABASE_URL": postgres_url}
        with running_gateway(on_postgres(), first, environ=environ) as one:
            with pytest.raises(NotStarted, match="pepper"), running_gateway(on_postgres(), second, environ=environ):
                pass
            pepper = tmp_path / "secret"
            shutil.copy2(first / ".nexusflow" / "pepper", pepper)
            shared = {**environ, "NEXUSFLOW_PEPPER_FILE": str(pepper)}
            with running_gateway(on_postgres(), second, environ=shared) as other:
                assert [status(gateway, key) for gateway in (other,) for key in (one.key, other.key)] == [200, 200]
                until(lambda: status(one, other.key) == 200)
