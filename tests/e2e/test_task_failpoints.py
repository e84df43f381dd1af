"""A worker dies at each point of a task's way, and another carries on: nothing twice, nothing lost (AT-03, AT-06)."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nexusflow.ledger import failpoints
from nexusflow.settings import TASK_LEASE_MS
from nexusflow.testing.gateway import nexusflow, running_gateway
from nexusflow.testing.simulator import running_simulator
from tests.chaos.books import sqlite_books
from tests.chaos.loop import kill_all, lives, workers_of
from tests.support.tasks import PER_SECOND, ask, film, jobs, spec

PATIENCE_S = 30.0
ENDS = {
    # Accepted with its money, and sent by whoever comes.
    "after-entrust": ("succeeded", 1),
    # Whether it was sent nobody can tell, so it is not sent again.
    "task-submitting": ("unknown", 0),
    "task-submitted": ("unknown", 1),
    # Copied and not yet ended: ended by the next one.
    "task-kept": ("succeeded", 1),
    "task-ended": ("succeeded", 1),
}


def test_every_point_is_tried() -> None:
    assert tuple(ENDS) == failpoints.TASKS


@pytest.mark.parametrize("point", ENDS)
def test_AT03_a_death_there_loses_nothing(tmp_path: Path, point: str) -> None:
    state, submits = ENDS[point]
    books = sqlite_books(tmp_path)
    environ = {TASK_LEASE_MS: "800"}
    with running_simulator() as provider:
        text = spec(provider, {"film": film("seconds-0.2")})
        with running_gateway(text, tmp_path, environ={**environ, failpoints.VARIABLE: point}) as gateway:
            before = [one for one in workers_of(gateway) if lives(one)]
            with suppress(OSError):
                ask(f"{gateway.url}/v1/tasks", gateway.key, {"model": "film", "prompt": "A cat"})
            _wait(lambda: not all(lives(one) for one in before))
            kill_all(gateway)
        with running_gateway(text, tmp_path, environ=environ):
            _wait(lambda: books.ask("SELECT count(*) FROM task WHERE state IN ('succeeded', 'unknown')") == [(1,)])
        assert [job["submits"] for job in jobs(provider)] == [1] * submits
    cost = 4 * PER_SECOND if state == "succeeded" else 0
    assert books.ask("SELECT state, coalesce(amount, 0), submits FROM task") == [(state, cost, 1)]
    assert books.ask("SELECT spent, held FROM wallet") == [(cost, 4 * PER_SECOND - cost)]
    assert books.ask("SELECT amount FROM transfer WHERE kind = 'charge'") == [(cost,)] * (cost > 0)
    proof = nexusflow("ledger", "verify", root=tmp_path)
    assert proof.returncode == 0, proof.stdout


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)
