"""The kill loop in short: twenty kills and more under load from real SDKs, on both databases (AT-03, I-01 to I-16)."""

import random
from pathlib import Path

import pytest

from tests.chaos.books import postgres_books, sqlite_books
from tests.chaos.loop import RANDOM, Books, play
from tests.support.postgres import PostgresServer


def check(books: Books, root: Path, point: str, kills: int) -> None:
    done = play(books, root, point, kills, random.Random(point))
    assert done.wrong == ()
    assert done.kills >= kills
    assert done.acknowledged


@pytest.mark.parametrize(
    ("point", "kills"), [(RANDOM, 6), ("after-open", 4), ("after-close-append", 4), ("post-after-commit", 3)]
)
def test_AT03_killed_workers_lose_nothing_and_bill_nothing_twice(tmp_path: Path, point: str, kills: int) -> None:
    check(sqlite_books(tmp_path), tmp_path, point, kills)


@pytest.mark.parametrize(("point", "kills"), [(RANDOM, 4), ("post-before-commit", 3)])
def test_AT03_the_same_with_books_in_postgres(postgres: PostgresServer, tmp_path: Path, point: str, kills: int) -> None:
    check(postgres_books(postgres), tmp_path, point, kills)
