"""The table of tasks: every change is guarded by the row's version, so that of two workers only one is heard (T-3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from nexusflow.ledger.book.many import marks, update_from
from nexusflow.store import Database, Value
from nexusflow.tasks.model import COLUMNS, Task, column, read, write

ACTIVE = ("queued", "submitting", "waiting")
_ALL = ", ".join(COLUMNS)
_ACTIVE = "state IN ('queued', 'submitting', 'waiting')"


class Stale(Exception):
    """Somebody else has changed the task since it was read."""


class Tick(Struct, frozen=True):
    """A task that goes on as it is: looked at again at `next_ms`. `progress` in percent; below 0: not known."""

    task: Task
    next_ms: int
    progress: int
    polls: int
    errors: int


def waiting(database: Database) -> dict[str, tuple[int, int]]:
    """How many tasks are in each state in which they are not made yet, and when the oldest was created, in ms since
    1970. Raises StoreError.
    """
    rows = database.execute(
        f"SELECT state, count(*), min(created_ms) FROM task WHERE {_ACTIVE} GROUP BY state"  # noqa: S608
    )
    return {str(state): (int(count or 0), int(oldest or 0)) for state, count, oldest in rows}


def insert(database: Database, task: Task) -> None:
    """Raises StoreError."""
    text = f"INSERT INTO task ({_ALL}) VALUES ({marks(len(COLUMNS))})"  # noqa: S608
    database.execute(text, write(task))


def claim(database: Database, worker: str, now_ms: int, lease_ms: int, most: int) -> list[Task]:
    """Up to `most` due tasks, the longest due first; nobody else has them for `lease_ms`. Raises StoreError."""
    skip = " SKIP LOCKED" if database.for_update else ""
    rows = database.execute(
        "UPDATE task SET next_ms = $2, worker = $3, version = version + 1 WHERE id IN"  # noqa: S608
        " (SELECT id FROM task WHERE next_ms <= $1 ORDER BY next_ms LIMIT $4"
        f"{database.for_update}{skip}) RETURNING {_ALL}",
        (now_ms, now_ms + lease_ms, worker, most),
    )
    return [read(row) for row in rows]


def renew(database: Database, held: Sequence[tuple[str, int]], until_ms: int) -> None:
    """Keep claims that take longer than their lease: ids and versions. Raises StoreError."""
    rows = [(id_, version, until_ms) for id_, version in sorted(held)]
    where = "id = v.column1 AND version = v.column2 AND next_ms IS NOT NULL"
    update_from(database, "task", "next_ms = v.column3", where, rows)


def change(database: Database, task: Task, changes: Mapping[str, Any]) -> None:
    """Write `changes` of a task that is still as it was read. Raises `Stale`, StoreError."""
    names = sorted(changes)
    sets = ", ".join(f"{name} = ${at}" for at, name in enumerate(names, 3))
    rows = database.execute(
        f"UPDATE task SET {sets}, version = version + 1 WHERE id = $1 AND version = $2 RETURNING id",  # noqa: S608
        (task.id, task.version, *[column(name, changes[name]) for name in names]),
    )
    if not rows:
        raise Stale(task.id)


def tick(database: Database, ticks: Sequence[Tick]) -> None:
    """Many tasks go on as they are; those that somebody else has changed are left as they are. Raises StoreError."""
    rows: list[tuple[Value, ...]] = [
        (one.task.id, one.task.version, one.next_ms, one.progress, one.polls, one.errors)
        for one in sorted(ticks, key=lambda one: one.task.id)
    ]
    sets = (
        "next_ms = v.column3, polls = v.column5, errors = v.column6, version = version + 1,"
        " progress = CASE WHEN v.column4 < 0 THEN progress ELSE v.column4 END"
    )
    update_from(database, "task", sets, "id = v.column1 AND version = v.column2", rows)


def ask_to_cancel(database: Database, id_: str, now_ms: int) -> bool:
    """Note that the owner wants a task cancelled, and look at it now; False when it is over. Raises StoreError.

    The version stays: whoever has the task goes on, and it is looked at again at once afterwards.
    """
    rows = database.execute(
        f"UPDATE task SET cancel = 1, next_ms = CASE WHEN state = 'queued' THEN $2 ELSE next_ms END"  # noqa: S608
        f" WHERE id = $1 AND {_ACTIVE} RETURNING id",
        (id_, now_ms),
    )
    return bool(rows)


def find(database: Database, id_: str, owner: str | None = None) -> Task | None:
    """One task, of `owner` if that is given. One whose time is over is none, unless nobody knows what became of it.

    Raises StoreError.
    """
    rows = database.execute(
        f"SELECT {_ALL} FROM task WHERE id = $1 AND owner = coalesce($2, owner)"  # noqa: S608
        " AND (expires_ms > $3 OR state = 'unknown')",
        (id_, owner, database.now_ms()),
    )
    return read(rows[0]) if rows else None


def same(database: Database, owner: str, name: str | None, fingerprint: bytes, since_ms: int) -> Task | None:
    """The task that `owner` made under this `Idempotency-Key`, or else the newest of this content since then."""
    if name is not None:
        rows = database.execute(f"SELECT {_ALL} FROM task WHERE owner = $1 AND name = $2", (owner, name))  # noqa: S608
    else:
        rows = database.execute(
            f"SELECT {_ALL} FROM task WHERE owner = $1 AND created_ms >= $2 AND fingerprint = $3"  # noqa: S608
            " ORDER BY created_ms DESC LIMIT 1",
            (owner, since_ms, fingerprint),
        )
    return read(rows[0]) if rows else None


def running(database: Database, scope: str, subject: str, model: str) -> int:
    """How many tasks of a subject are queued or running, of one model or (without a name) of all. Raises StoreError."""
    places = {
        "key": "key_id = $1",
        "user": "owner = $1",
        "team": "team = $1",
        "org": "org = $1",
        "model": "model = $1",
        "deployment": "provider || '/' || upstream_model = $1",
    }
    [(count,)] = database.execute(
        f"SELECT count(*) FROM task WHERE {_ACTIVE} AND {places[scope]} AND ($2 = '' OR model = $2)",  # noqa: S608
        (subject, model),
    )
    return int(count or 0)


def ahead(database: Database, task: Task) -> int:
    """How many tasks of the same provider wait before this one. Raises StoreError."""
    [(count,)] = database.execute(
        "SELECT count(*) FROM task WHERE state = 'queued' AND provider = $1 AND created_ms < $2",
        (task.provider, task.created_ms),
    )
    return int(count or 0)


def usual_ms(database: Database, model: str) -> int | None:
    """How long the last tasks of a model took from their submission. Raises StoreError."""
    [(mean,)] = database.execute(
        "SELECT CAST(avg(took) AS BIGINT) FROM (SELECT completed_ms - submitted_ms AS took FROM task"
        " WHERE model = $1 AND state = 'succeeded' AND submitted_ms IS NOT NULL ORDER BY completed_ms DESC"
        " LIMIT 20) AS l",
        (model,),
    )
    return int(mean) if mean is not None else None


def forget(database: Database, now_ms: int) -> list[Task]:
    """Remove tasks whose time is over and that are at an end; what they were. Raises StoreError."""
    rows = database.execute(
        f"DELETE FROM task WHERE expires_ms <= $1 AND next_ms IS NULL AND state <> 'unknown' RETURNING {_ALL}",  # noqa: S608
        (now_ms,),
    )
    return [read(row) for row in rows]
