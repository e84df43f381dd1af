"""What database and disk tell comes to the board, and that the database is away does."""

import asyncio
import time
from pathlib import Path

from nexusflow.accounts.directory import Directory
from nexusflow.accounts.periods import span
from nexusflow.ir.account import Budget, Counter
from nexusflow.ledger.book.counters import make_counters, move_counters
from nexusflow.stock import Stock
from nexusflow.store import Database
from nexusflow.store.thread import StoreThread
from nexusflow.tasks import table
from nexusflow.telemetry import merge
from nexusflow.telemetry.board import Board
from nexusflow.telemetry.meter import Meter
from tests.support.stores import Store
from tests.support.tasks import a_task

BUDGETS = (
    Budget(id="b1", scope="key", subject="*", period="day", amount=100),
    Budget(id="b2", scope="key", subject="k", period="day", amount=1_000),
    Budget(id="b3", scope="org", subject="*", period="total", amount=0),
)


def spend(database: Database, budget: str, subject: str, start: int, spent: int, held: int) -> None:
    counter = Counter(budget, subject, start)
    make_counters(database, [counter])
    move_counters(database, {counter: (spent, held)})


def told(database: Database, folder: Path) -> dict[str, float]:
    """What is on the board after stock was taken once."""

    async def once() -> None:
        books, directory = StoreThread(database.another(), "books"), Directory(database, BUDGETS)
        taking = asyncio.create_task(Stock(books, directory, Meter(Board(folder, "w")), folder).watch())
        while "disk_size_bytes" not in names(folder):  # noqa: ASYNC110  # the board is looked at from outside
            await asyncio.sleep(0.01)
        taking.cancel()
        books.close()

    asyncio.run(once())
    return names(folder)


def names(folder: Path) -> dict[str, float]:
    return {" ".join((name, *labels)): cells[0] for (name, labels), cells in merge.total(folder).items()}


def test_the_fullest_budget_of_each_kind_and_the_oldest_task_are_told(store: Store, tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    today, _ = span("day", now_ms)
    with store.open() as database:
        spend(database, "b1", "k1", today, 30, 10)
        spend(database, "b1", "k2", today, 70, 5)
        spend(database, "b1", "k3", today - 86_400_000, 100, 0)  # yesterday's
        spend(database, "b2", "k", today, 100, 0)
        spend(database, "gone", "k", today, 100, 0)
        for at, age_s in enumerate((60, 5)):
            table.insert(database, a_task(f"task_{at}", created_ms=now_ms - age_s * 1000))
        table.insert(database, a_task("task_made", state="succeeded", created_ms=now_ms))
        found = told(database, tmp_path)
    assert found["budget_used_ratio key day"] == 0.75
    assert found["budget_used_ratio org total"] == 0
    assert found["tasks queued"] == 2
    assert 60 <= found["task_oldest_age_seconds queued"] < 90
    assert found["tasks waiting"] == found["task_oldest_age_seconds waiting"] == 0
    assert found["store_down database"] == 0
    assert 0 < found["disk_free_bytes"] < found["disk_size_bytes"]


def test_a_database_that_fails_is_told_and_the_disk_all_the_same(store: Store, tmp_path: Path) -> None:
    with store.open() as database:
        database.execute("DROP TABLE task")
        found = told(database, tmp_path)
    assert found["store_down database"] == 1
    assert found["disk_size_bytes"] > 0
