"""The end of a task: state, money and the message to its owner, all in one transaction or not at all (T-3, I-13)."""

from collections.abc import Callable

import msgspec

from nexusflow.accounts.audit import ALONE
from nexusflow.ir.plan import Price
from nexusflow.ir.task import Made
from nexusflow.ledger import book
from nexusflow.ledger.records import Closed
from nexusflow.results.results import Results
from nexusflow.store import Database
from nexusflow.tasks import table, webhooks
from nexusflow.tasks.lanes import MediaLane
from nexusflow.tasks.model import Stored, Task
from nexusflow.tasks.outcome import End
from nexusflow.tasks.sending import Lost, NotSent, Refused, send
from nexusflow.tasks.settling import closed, late
from nexusflow.tasks.words import told

_decode = msgspec.json.Decoder(Price).decode


class Kept(msgspec.Struct, frozen=True):
    """How long results can be had, when a failed task is asked about once more, and whether webhooks are sent."""

    keep_ms: int
    back_ms: int
    webhooks: bool


def price_of(database: Database, id_: str | None) -> Price | None:
    """The price list that a task was accepted at. Raises StoreError."""
    rows = database.execute("SELECT body FROM price WHERE id = $1", (id_,)) if id_ is not None else []
    return _decode(str(rows[0][0])) if rows else None


def finish(
    database: Database,
    *,
    task: Task,
    end: End,
    price: Price | None,
    results: Results | None,
    now_ms: int,
    kept: Kept,
    audit: Callable[[Database, Closed], None] | None = None,
) -> Closed:
    """Write the end, and return what was posted; `audit` adds to it who decided so. `results` may be missing where
    nothing was made.

    Raises `Stale` when somebody else has, StoreError; then nothing of it happened.
    """
    back = end.state == "failed" and task.handle is not None and not end.presumed
    final = closed(task, price, end, now_ms)
    changes = {
        "state": end.state,
        "completed_ms": now_ms,
        "expires_ms": now_ms + kept.keep_ms,
        "next_ms": now_ms + kept.back_ms if back else None,
        "made": None,
        "output": end.output,
        "tokens": end.made.tokens if end.made is not None else None,
        "error": end.error,
        "error_code": end.code,
        "amount": final.charged,
    }
    after = msgspec.structs.replace(task, **changes)

    def also(database: Database) -> None:
        table.change(database, task, changes)
        if task.webhook_url is not None and kept.webhooks:
            body = msgspec.json.encode(told(after, lambda one: link(one, after, results)))
            webhooks.write(database, task.id, task.owner, task.webhook_url, body, now_ms)
        if audit is not None:
            audit(database, final)

    leases = [task.id] if task.held else []
    book.post(database, [final], leases, also=also, alone=ALONE if audit is not None else None)
    return final


def link(stored: Stored, task: Task, results: Results | None) -> str | None:
    """Where a result can be had: in our storage, or at the provider where it stayed there."""
    if stored.name is None or results is None:
        return stored.url
    return results.url(stored.name, task.expires_ms, task.base_url)


async def look_back(task: Task, lane: MediaLane | None) -> Made | None:
    """What the provider made after all of a task that it had said failed."""
    if lane is None or task.handle is None:
        return None
    try:
        answer = await send(lane, lane.maker.poll(task.handle, lane.destination), lane.total)
        found = lane.maker.polled(task.brief, task.handle, answer)
    except (NotSent, Lost, Refused, ValueError, msgspec.MsgspecError):
        return None
    return found if isinstance(found, Made) and found.outputs else None


def close(database: Database, task: Task, price: Price | None, made: Made | None) -> None:
    """A task that was looked back at is never looked at again. Raises `Stale`, StoreError."""
    with database.transaction():
        table.change(database, task, {"next_ms": None})
        owed = late(task, price, made) if made is not None and price is not None else None
        if owed is not None:
            book.absorb(database, *owed)
