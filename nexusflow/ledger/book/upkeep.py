"""Workers and their leases over time: who lives, what runs out, what can be forgotten."""

from collections.abc import Sequence
from typing import Literal

from nexusflow.ledger.book.many import CHUNK, chunks, marks
from nexusflow.ledger.book.post import post
from nexusflow.store import Database

State = Literal["live", "drained", "lost"]


def register(database: Database, worker: str, host: str, journal: str) -> None:
    """A worker begins, with its journal at `journal` of `host`. Raises StoreError."""
    with database.transaction():
        database.execute(
            "INSERT INTO ledger_worker (id, host, journal, seen_ms, state) VALUES ($1, $2, $3, $4, 'live')"
            " ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms, state = 'live'",
            (worker, host, journal, database.now_ms()),
        )


def mark(database: Database, worker: str, state: State) -> None:
    """A worker's journal is drained, or lost for good. Raises StoreError."""
    database.execute("UPDATE ledger_worker SET state = $1 WHERE id = $2", (state, worker))


def renew(database: Database, worker: str, leases: Sequence[str], ttl_ms: int) -> None:
    """The worker lives and keeps `leases`. Raises StoreError."""
    with database.transaction():
        now_ms = database.now_ms()
        for some in chunks(sorted(leases)):
            mine = f"id IN ({marks(len(some), 3)}) AND worker = $2 AND state = 'open'"
            # A lock in the order of all others: an UPDATE alone would take the rows as it finds them.
            database.execute(
                f"SELECT id FROM lease WHERE id IN ({marks(len(some))}) ORDER BY id{database.for_update}",  # noqa: S608
                some,
            )
            database.execute(f"UPDATE lease SET expires_ms = $1 WHERE {mine}", (now_ms + ttl_ms, worker, *some))  # noqa: S608
        database.execute("UPDATE ledger_worker SET seen_ms = $1 WHERE id = $2", (now_ms, worker))


def release(database: Database, worker: str) -> int:
    """Give back all leases of a worker whose journal is drained; returns how many. Raises StoreError."""
    rows = database.execute("SELECT id FROM lease WHERE worker = $1 AND state = 'open' ORDER BY id", (worker,))
    return _give_back(database, [str(id_) for (id_,) in rows])


def give_up(database: Database, worker: str) -> int:
    """Nobody will ever read the worker's journal: return its leases, and tell how many. Raises StoreError.

    What it had not posted is lost to us. Should it come back, its calls are charged as if they had no lease.
    """
    mark(database, worker, "lost")
    mark_unknown(database, worker)
    return release(database, worker)


def mark_unknown(database: Database, worker: str) -> None:
    """Calls with an idempotency key that a dead worker left behind have an unknown outcome (ID-7)."""
    database.execute("UPDATE idempotency SET state = 'unknown' WHERE worker = $1 AND state = 'running'", (worker,))


def sweep(database: Database, keep_calls_ms: int | None = None) -> None:
    """Give back leases that ran out and whose worker is gone; forget idempotency records after their time.

    Of the call log only the last `keep_calls_ms` stay; None keeps all. A lease that ran out while its worker's journal
    still stands on some disk is kept: what is in there was spent. Raises StoreError.
    """
    now_ms = database.now_ms()
    rows = database.execute(
        "SELECT lease.id FROM lease JOIN ledger_worker ON ledger_worker.id = lease.worker"
        " WHERE lease.state = 'open' AND lease.expires_ms < $1 AND ledger_worker.state IN ('drained', 'lost')"
        " ORDER BY lease.id",
        (now_ms,),
    )
    _give_back(database, [str(id_) for (id_,) in rows])
    database.execute("DELETE FROM idempotency WHERE expires_ms < $1 AND state <> 'running'", (now_ms,))
    if keep_calls_ms is not None:
        forget_calls(database, now_ms - keep_calls_ms)


def forget_calls(database: Database, before_ms: int) -> None:
    """Drop the lines of the call log that are older. The transfers stay. Raises StoreError."""
    for (org,) in database.execute("SELECT id FROM organisation ORDER BY id"):
        database.execute("DELETE FROM call WHERE org = $1 AND at_ms < $2", (org, before_ms))


def _give_back(database: Database, leases: list[str]) -> int:
    for start in range(0, len(leases), CHUNK):
        post(database, (), leases[start : start + CHUNK])
    return len(leases)
