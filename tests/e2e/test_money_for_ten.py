"""Many calls at once with money for ten, through a gateway of four workers: exactly ten get through (AT-01, I-06)."""

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from nexusflow.ir.money import as_nano
from nexusflow.testing.faulty import END, STREAM_HEAD, Pace, Script, running
from nexusflow.testing.gateway import Gateway, nexusflow, running_gateway
from tests.faults.provider import DONE, TICK, delta, event
from tests.faults.raw import Answer, Connection, chat, request, wait_until
from tests.support.postgres import PostgresServer

CALLS = int(os.environ.get("CALLS", "60"))
"""500 in the long run."""
LEVELS = ("wallet", "team", "key", "model")
# Each call reserves 1,000 output tokens at 8 per million and a little for its input: money for ten, not for eleven.
MONEY = "0.0870"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
SPENT = 10 * 2_000 + 5 * 8_000


@dataclass(frozen=True, slots=True)
class Stage:
    gateway: Gateway
    enough: dict[str, threading.Event]
    environ: dict[str, str]

    def run(self, *arguments: str) -> str:
        done = nexusflow(*arguments, root=self.gateway.root, environ=self.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


def spec(port: int, database: dict[str, Any]) -> str:
    models = {
        name: {
            "owner": "test",
            "category": "language",
            "max_output_tokens": 1_000,
            "supported_protocols": ["openai/chat-completions"],
            "price": {"input": "2", "output": "8"},
            "lanes": [{"provider": "scripted", "model": name}],
        }
        for name in LEVELS
    }
    provider = {"protocol": "openai/chat-completions", "base_url": f"http://127.0.0.1:{port}/v1"}
    stores = {"database": database}
    return json.dumps({"version": 1, "stores": stores, "providers": {"scripted": provider}, "models": models})


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[Stage]:
    on_postgres = request.param == "postgres"
    environ = {"DATABASE_URL": postgres.new_database()} if on_postgres else {}
    database = {"kind": "postgres", "url": {"env": "DATABASE_URL"}} if on_postgres else {"kind": "sqlite"}
    enough = {level: threading.Event() for level in LEVELS}
    hello = event(choices=delta("Hello", role="assistant"))
    end = (event(choices=delta(finish="stop")), event(choices=[], usage=USAGE), DONE, END)
    scripts: dict[str, Script] = {level: (STREAM_HEAD, hello, Pace(enough[level], TICK), *end) for level in LEVELS}
    with running(scripts) as provider:
        root = tmp_path_factory.mktemp("ten")
        with running_gateway(spec(provider.port, database), root, environ=environ, workers=4) as gateway:
            yield Stage(gateway, enough, environ)


def customer(stage: Stage, level: str) -> str:
    """A key of an organisation that has little money, or much and a small budget at `level`."""
    stage.run("accounts", "create", f"o-{level}")
    money = MONEY if level == "wallet" else "1000"
    stage.run("credit", f"o-{level}", money, "--source", "bank", "--memo", "test")
    if level == "team":
        stage.run("accounts", "team", "add", f"o-{level}", "t")
    team = ("--team", "t") if level == "team" else ()
    key = stage.run("keys", "create", "--name", f"k-{level}", "--org", f"o-{level}", *team, "--quiet")
    stage.run("accounts", "create", f"mark-{level}")
    mark = stage.run("keys", "create", "--name", f"mark-{level}", "--org", f"mark-{level}", "--quiet")
    subject = {"team": f"o-{level}/t", "key": f"k-{level}", "model": "model"}.get(level)
    if subject is not None:
        stage.run("budgets", "create", level, subject, MONEY, "--per", "total")
    stage.run("accounts", "suspend", f"mark-{level}")
    assert wait_until(lambda: all(is_suspended(stage, mark, level) for _ in range(40)))
    return key


def is_suspended(stage: Stage, key: str, model: str) -> bool:
    """Whether a worker, by chance one of the four, knows of the last change of accounts."""
    with Connection(stage.gateway.url) as connection:
        connection.send(request(key, chat(model)))
        return connection.answer().error["code"] == "account_suspended"


def ask(stage: Stage, key: str, model: str, refused: list[Answer]) -> Answer:
    with Connection(stage.gateway.url) as connection:
        connection.send(request(key, chat(model, stream=True)))
        answer = connection.answer()
    if answer.status != 200:
        refused.append(answer)
        if len(refused) == CALLS - 10:
            stage.enough[model].set()
    return answer


def balance(stage: Stage, key: str) -> dict[str, Any]:
    with Connection(stage.gateway.url) as connection:
        connection.send(f"GET /v1/balance HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode())
        answer = connection.answer()
    return dict(json.loads(answer.body)) if answer.status == 200 else {}


@pytest.mark.parametrize("level", LEVELS)
def test_AT01_exactly_ten_of_many_calls_at_once_are_let_through(stage: Stage, level: str) -> None:
    """No call ends before all others have been refused, so that nobody gets what another one gave back."""
    key = customer(stage, level)
    refused: list[Answer] = []
    with ThreadPoolExecutor(CALLS) as pool:
        answers = list(pool.map(lambda _: ask(stage, key, level, refused), range(CALLS)))
    assert [answer.status for answer in answers].count(200) == 10
    assert {(answer.status, answer.error["code"]) for answer in refused} == {(429, "inflight_budget_exhausted")}
    assert wait_until(lambda: as_nano(balance(stage, key).get("spent", "0")) == 10 * SPENT)
    assert as_nano(balance(stage, key)["balance"]) == as_nano(MONEY if level == "wallet" else "1000") - 10 * SPENT
