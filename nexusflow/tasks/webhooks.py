"""The outbox: what is to be told to clients' URLs, written with the end of the task, sent until it is taken (P37)."""

from msgspec import Struct

from nexusflow.store import Database
from nexusflow.upstream.webhook import Delivery, next_attempt_s
from nexusflow.wire.ids import request_id

_COLUMNS = "id, task, owner, url, body, state, version, next_ms, created_ms, attempts, status, error"


class Webhook(Struct, frozen=True):
    """One message. Its `id` is the same for every attempt, so that a receiver can tell repetitions."""

    id: str
    task: str
    owner: str
    url: str
    body: str
    state: str
    version: int
    next_ms: int | None
    created_ms: int
    attempts: int
    status: int | None
    error: str | None


def write(database: Database, task: str, owner: str, url: str, body: bytes, now_ms: int) -> None:
    """Put a message into the outbox, in the transaction of what it tells. Raises StoreError."""
    database.execute(
        "INSERT INTO webhook (id, task, owner, url, body, state, version, next_ms, created_ms, attempts)"
        " VALUES ($1, $2, $3, $4, $5, 'pending', 0, $6, $7, 0)",
        (f"msg_{request_id()}", task, owner, url, body.decode(), now_ms, now_ms),
    )


def claim(database: Database, worker: str, now_ms: int, lease_ms: int, most: int) -> list[Webhook]:
    """Messages that are due; nobody else has them for `lease_ms`. Raises StoreError."""
    skip = " SKIP LOCKED" if database.for_update else ""
    rows = database.execute(
        "UPDATE webhook SET next_ms = $2, worker = $3, version = version + 1 WHERE id IN"  # noqa: S608
        f" (SELECT id FROM webhook WHERE next_ms <= $1 ORDER BY next_ms LIMIT $4{database.for_update}{skip})"
        f" RETURNING {_COLUMNS}",
        (now_ms, now_ms + lease_ms, worker, most),
    )
    return [Webhook(*row) for row in rows]  # type: ignore[arg-type]  # the columns are the fields, in order


def note(database: Database, webhook: Webhook, delivery: Delivery, now_ms: int) -> None:
    """What came of an attempt. Nothing is written where somebody else has the message by now. Raises StoreError."""
    attempts = webhook.attempts + 1
    wait_s = None if delivery.ok else next_attempt_s(attempts)
    state = "delivered" if delivery.ok else "pending" if wait_s is not None else "failed"
    next_ms = None if wait_s is None else now_ms + int(wait_s * 1000)
    database.execute(
        "UPDATE webhook SET state = $3, next_ms = $4, attempts = $5, status = $6, error = $7, version = version + 1"
        " WHERE id = $1 AND version = $2",
        (webhook.id, webhook.version, state, next_ms, attempts, delivery.status, delivery.error),
    )


def of_task(database: Database, task: str) -> list[Webhook]:
    """All messages about a task. Raises StoreError."""
    rows = database.execute(f"SELECT {_COLUMNS} FROM webhook WHERE task = $1 ORDER BY created_ms", (task,))  # noqa: S608
    return [Webhook(*row) for row in rows]  # type: ignore[arg-type]  # as above


def send_again(database: Database, task: str, now_ms: int) -> int:
    """Send all messages about a task once more, from the first attempt on; how many. Raises StoreError."""
    rows = database.execute(
        "UPDATE webhook SET state = 'pending', next_ms = $2, attempts = 0, version = version + 1"
        " WHERE task = $1 RETURNING id",
        (task, now_ms),
    )
    return len(rows)
