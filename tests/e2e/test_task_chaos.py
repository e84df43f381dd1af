"""Tasks and their money in short: workers killed and frozen while twenty tasks are made (AT-06, T-3, I-13, U-38)."""

import random
from pathlib import Path

import pytest

from tests.chaos.books import postgres_books, sqlite_books
from tests.chaos.loop import Books
from tests.chaos.tasks import Plan, play_tasks

SHORT = Plan(tasks=20, kills=3, freezes=1, lease_ms=1500, frozen_s=3.0)


def check(books: Books, root: Path) -> None:
    done = play_tasks(books, root, SHORT, random.Random("tasks"))
    assert done.wrong == ()
    assert done.kills >= SHORT.kills - 1
    assert done.freezes == SHORT.freezes
    assert done.states["succeeded"]
    assert done.states["unknown"]


def test_AT06_killed_and_frozen_workers_submit_once_and_charge_once(tmp_path: Path) -> None:
    check(sqlite_books(tmp_path), tmp_path)


def test_AT06_the_same_with_tasks_in_postgres(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    check(postgres_books(request.getfixturevalue("postgres")), tmp_path)
