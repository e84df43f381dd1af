"""Pages of tasks over SQLite and PostgreSQL: the newest first, of one owner, by what is asked for."""

from typing import Any

import pytest

from nexusflow.store import Database
from nexusflow.tasks import listing, table
from nexusflow.tasks.listing import Wanted
from tests.support.tasks import NOW, a_task


@pytest.fixture
def five(database: Database) -> Database:
    """Four tasks of one owner, one of another, and one whose time is over."""
    kinds: list[dict[str, Any]] = [
        {"state": "queued"},
        {"state": "succeeded", "model": "short"},
        {"state": "waiting", "type": "image"},
        {"state": "failed"},
        {"owner": "owner-2"},
    ]
    for at, more in enumerate(kinds):
        table.insert(database, a_task(f"task_{at}", created_ms=NOW + at, **more))
    table.insert(database, a_task("task_old", created_ms=NOW, expires_ms=1))
    return database


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), "43210"),
        (Wanted(owner="owner-1"), "3210"),
        (Wanted(owner="owner-3"), ""),
        (Wanted(owner="owner-1", states=("queued", "failed")), "30"),
        (Wanted(owner="owner-1", model="film"), "320"),
        (Wanted(owner="owner-1", type="image"), "2"),
        (Wanted(owner="owner-1", after_ms=NOW + 1), "32"),
        (Wanted(owner="owner-1", before_ms=NOW + 1), "0"),
        (Wanted(owner="owner-1", after="task_2"), "10"),
        (Wanted(owner="owner-1", after="task_2", limit=1), "1"),
        (Wanted(owner="owner-1", after="task_9"), ""),
        (Wanted(limit=2, model="film", type="video", states=["queued"]), "40"),
    ],
)
def test_filters_and_order(five: Database, wanted: Wanted, found: str) -> None:
    """C-28: with an owner nothing of another is listed."""
    assert "".join(task.id.removeprefix("task_") for task in listing.page(five, wanted)) == found


def test_pages_hold_together_where_many_were_made_at_once(database: Database) -> None:
    for at in range(10):
        table.insert(database, a_task(f"task_{at}"))
    seen: list[str] = []
    after = None
    while page := listing.page(database, Wanted(owner="owner-1", after=after, limit=3)):
        seen += [task.id for task in page]
        after = page[-1].id
    assert seen == [f"task_{at}" for at in reversed(range(10))]
