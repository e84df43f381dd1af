"""The table of tasks behaves the same over SQLite and PostgreSQL: claims, leases, versions (engines A.4, T-3, I-13)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nexusflow.ir.task import Made, Output
from nexusflow.store import Database, StoreError
from nexusflow.tasks import table
from nexusflow.tasks.model import DAY_MS, Stored, Task
from nexusflow.tasks.table import Stale, Tick
from tests.support.stores import Store
from tests.support.tasks import NOW, a_task

LEASE = 15_000


def put(database: Database, *tasks: Task) -> None:
    for task in tasks:
        table.insert(database, task)


def now_is(database: Database, id_: str) -> Task:
    found = table.find(database, id_)
    assert found is not None
    return found


def claimed(database: Database, worker: str = "w", now_ms: int = NOW, most: int = 10) -> list[Task]:
    return table.claim(database, worker, now_ms, LEASE, most)


def ids(tasks: list[Task]) -> list[str]:
    return sorted(task.id for task in tasks)


def test_a_task_is_read_as_it_was_written(database: Database) -> None:
    made = Made(outputs=(Output(url="https://example.com/1.mp4", seconds=4.0),), units=4.0)
    output = (Stored(name="a-0.mp4", mime="video/mp4", bytes=12),)
    task = a_task(team="t", user_tag="u", cancel=True, held=7, amount=5, made=made, output=output, name="k", price="p")
    put(database, task)
    assert now_is(database, task.id) == task


def test_the_longest_due_are_claimed_first_and_nobody_else_gets_them(database: Database) -> None:
    put(database, *[a_task(f"task_{n}", next_ms=NOW - n * 1000) for n in range(-1, 6)])
    first = claimed(database, "one", most=2)
    assert ids(first) == ["task_4", "task_5"]
    assert {(one.worker, one.version, one.next_ms) for one in first} == {("one", 1, NOW + LEASE)}
    assert ids(claimed(database, "two")) == ["task_0", "task_1", "task_2", "task_3"]
    assert claimed(database, "three") == []
    assert ids(claimed(database, "three", NOW + 1000)) == ["task_-1"]


def test_two_claimers_never_share(store: Store, database: Database) -> None:
    """Eight at once, over connections of their own, until nothing is left."""
    put(database, *[a_task(f"task_{n:03}") for n in range(200)])

    def take(worker: int) -> list[str]:
        got: list[str] = []
        with store.open() as own:
            while found := claimed(own, f"w{worker}", most=7):
                got += ids(found)
        return got

    with ThreadPoolExecutor(8) as threads:
        taken = [id_ for got in threads.map(take, range(8)) for id_ in got]
    # One that found nothing but locked rows may have left early; what it did not see the others have.
    assert sorted(taken) == [f"task_{n:03}" for n in range(200)]


def test_a_lease_that_runs_out_gives_the_task_to_another_and_the_first_is_not_heard(database: Database) -> None:
    """U-38: of two workers one writes."""
    put(database, a_task())
    [frozen] = claimed(database, "frozen")
    assert claimed(database, "other", NOW + LEASE - 1) == []
    [taken] = claimed(database, "other", NOW + LEASE)
    assert (taken.id, taken.version, taken.worker) == (frozen.id, 2, "other")
    with pytest.raises(Stale):
        table.change(database, frozen, {"state": "failed"})
    table.change(database, taken, {"state": "succeeded", "next_ms": None})
    assert (now_is(database, taken.id).state, now_is(database, taken.id).version) == ("succeeded", 3)
    with pytest.raises(Stale):
        table.change(database, taken, {"state": "failed"})


def test_a_claim_is_renewed_by_its_version_alone(database: Database) -> None:
    put(database, a_task("task_mine"), a_task("task_lost"), a_task("task_over"))
    mine, lost, over = sorted(claimed(database), key=lambda one: ["task_mine", "task_lost", "task_over"].index(one.id))
    [again] = [one for one in claimed(database, "other", NOW + LEASE) if one.id == lost.id]
    table.change(database, now_is(database, over.id), {"state": "succeeded", "next_ms": None})
    current = now_is(database, over.id)
    table.renew(database, [(mine.id, mine.version + 1), (lost.id, lost.version), (over.id, current.version)], NOW * 2)
    assert now_is(database, mine.id).next_ms == NOW * 2
    assert now_is(database, mine.id).version == mine.version + 1
    assert now_is(database, lost.id).next_ms == again.next_ms
    assert now_is(database, over.id).next_ms is None


def test_ticks_go_on_together_and_skip_what_others_changed(database: Database) -> None:
    put(database, *[a_task(f"task_{n}", progress=50) for n in range(3)])
    zero, one, two = sorted(claimed(database), key=lambda task: task.id)
    table.change(database, one, {"state": "failed", "next_ms": None})
    with database.transaction():
        table.tick(database, [Tick(task, NOW + 99, 70, 4, 2) for task in (two, one)] + [Tick(zero, NOW + 98, -1, 1, 0)])
    found = [now_is(database, task.id) for task in (zero, one, two)]
    assert [(task.next_ms, task.progress, task.polls, task.errors, task.version) for task in found] == [
        (NOW + 98, 50, 1, 0, 2),
        (None, 50, 0, 0, 2),
        (NOW + 99, 70, 4, 2, 2),
    ]


def test_no_ticks_and_no_claims_are_nothing(database: Database) -> None:
    table.tick(database, [])
    table.renew(database, [], NOW)


def test_a_task_is_found_by_its_owner_until_its_time_is_over(database: Database) -> None:
    """L31, C-28: what belongs to another is not there."""
    put(database, a_task(), a_task("task_old", created_ms=1, expires_ms=2, next_ms=None))
    assert table.find(database, "task_1", "owner-1") is not None
    assert table.find(database, "task_1", "owner-2") is None
    assert table.find(database, "task_2") is None
    assert table.find(database, "task_old") is None


def test_one_name_makes_one_task_of_an_owner(database: Database) -> None:
    """G38."""
    put(database, a_task(name="k"), a_task("task_2", owner="owner-2", name="k"), a_task("task_3"), a_task("task_4"))
    with pytest.raises(StoreError):
        table.insert(database, a_task("task_5", name="k"))
    same = table.same(database, "owner-1", "k", b"another print", NOW)
    assert same is not None
    assert same.id == "task_1"
    assert table.same(database, "owner-1", "l", b"print", NOW) is None


def test_a_retry_finds_the_newest_of_its_content(database: Database) -> None:
    put(
        database,
        a_task("task_1"),
        a_task("task_2", created_ms=NOW + 5),
        a_task("task_3", created_ms=NOW + 9, fingerprint=b"other"),
        a_task("task_4", created_ms=NOW + 9, owner="owner-2"),
    )
    same = table.same(database, "owner-1", None, b"print", NOW)
    assert same is not None
    assert same.id == "task_2"
    assert table.same(database, "owner-1", None, b"print", NOW + 6) is None


SCOPES = {"key": "key-1", "user": "owner-1", "team": "team-1", "org": "org-1", "model": "film",
          "deployment": "studio/video"}  # fmt: skip
OTHERS: dict[str, dict[str, Any]] = {
    "key": {"key_id": "key-2"},
    "user": {"owner": "owner-2"},
    "team": {"team": "team-2"},
    "org": {"org": "org-2"},
    "model": {"model": "short"},
    "deployment": {"upstream_model": "video@never"},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_running_counts_what_is_not_over_by_scope(database: Database, scope: str) -> None:
    states = ("queued", "submitting", "waiting", "succeeded", "failed", "cancelled", "expired", "unknown")
    put(database, *[a_task(f"task_{state}", team="team-1", state=state) for state in states])
    put(database, a_task("task_other", **{"team": "team-1", **OTHERS[scope]}))
    assert table.running(database, scope, SCOPES[scope], "") == 3
    assert table.running(database, scope, SCOPES[scope], "film") == 3
    assert table.running(database, scope, "nobody", "") == 0
    assert table.running(database, scope, SCOPES[scope], "another") == 0


def test_cancelling_is_noted_without_a_new_version_and_only_before_the_end(database: Database) -> None:
    put(database, a_task("task_1", next_ms=NOW + 9), a_task("task_2", state="waiting", next_ms=NOW + 9))
    put(database, a_task("task_3", state="succeeded", next_ms=None), a_task("task_4", state="unknown", next_ms=None))
    asked = [table.ask_to_cancel(database, f"task_{n}", NOW) for n in (1, 2, 3, 4, 5)]
    assert asked == [True, True, False, False, False]
    first, second = now_is(database, "task_1"), now_is(database, "task_2")
    assert (first.cancel, first.next_ms, first.version) == (True, NOW, 0)
    assert (second.cancel, second.next_ms, second.version) == (True, NOW + 9, 0)


def test_what_waits_ahead_and_how_long_it_usually_takes(database: Database) -> None:
    put(database, *[a_task(f"task_{n}", created_ms=NOW + n) for n in range(4)])
    put(database, a_task("task_run", state="waiting"), a_task("task_far", provider="elsewhere"))
    assert table.ahead(database, now_is(database, "task_3")) == 3
    assert table.usual_ms(database, "film") is None
    done = {"state": "succeeded", "next_ms": None, "submitted_ms": NOW}
    put(database, a_task("task_a", completed_ms=NOW + 1000, **done), a_task("task_b", completed_ms=NOW + 3000, **done))
    assert table.usual_ms(database, "film") == 2000


def test_what_is_over_is_forgotten_after_its_time_but_never_what_nobody_knows(database: Database) -> None:
    """U-36: an unknown outcome stays until somebody settles it."""
    old: dict[str, Any] = {"created_ms": NOW - 9 * DAY_MS, "expires_ms": NOW}
    put(
        database,
        a_task("task_due", **old, next_ms=NOW),
        a_task("task_over", state="succeeded", next_ms=None, **old),
        a_task("task_unknown", state="unknown", next_ms=None, **old),
        a_task("task_young", state="succeeded", next_ms=None, expires_ms=NOW + 1),
    )
    assert ids(table.forget(database, NOW)) == ["task_over"]
    left = database.execute("SELECT id FROM task ORDER BY id")
    assert [id_ for (id_,) in left] == ["task_due", "task_unknown", "task_young"]
