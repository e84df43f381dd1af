"""The journals of workers that died: what they closed is posted, what they left open is settled, their leases end.

A journal may be recovered twice, or half and then again by another process: all of it is idempotent by id.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from nexusflow.ir.usage import Usage
from nexusflow.ledger import book, ownership
from nexusflow.ledger.failpoints import reach
from nexusflow.ledger.reading import Finding, Reader, posted_through
from nexusflow.ledger.records import (
    COST,
    REVENUE,
    CallLine,
    Closed,
    Entry,
    Opened,
    Progress,
    payable,
    wallet,
)
from nexusflow.store import Database

OnCrash = Literal["progress", "none"]
"""What an open call costs whose worker died: what its last progress record says, or nothing."""

_BATCH = 1000
_decode_usage = msgspec.json.Decoder(Usage).decode
_log = logging.getLogger("nexusflow.ledger")


class Recovered(Struct, frozen=True, kw_only=True):
    """What became of one journal: closes posted again, open calls settled or voided, damage found."""

    worker: str
    posted: int
    settled: int
    voided: int
    findings: tuple[Finding, ...] = ()
    torn: bool = False


def recover_all(
    folder: Path,
    open_store: Callable[[], Database],
    on_crash: OnCrash = "progress",
    ended: Callable[[Sequence[Closed]], None] = lambda ends: None,
) -> list[Recovered]:
    """Recover every journal in `folder` whose owner is dead. Opens the store only then; `ended` is told of the calls
    that the dead did not close. Raises StoreError, OSError.
    """
    done: list[Recovered] = []
    database: Database | None = None
    try:
        for path in ownership.journals(folder):
            claim = ownership.claim(path)
            if claim is None:
                continue
            try:
                database = database or open_store()
                done.append(_recover(claim, database, on_crash, ended))
            except BaseException:
                claim.release()
                raise
    finally:
        if database is not None:
            database.close()
    return done


def _recover(
    claim: ownership.Claim, database: Database, on_crash: OnCrash, ended: Callable[[Sequence[Closed]], None]
) -> Recovered:
    """Post, settle, release, remove; in this order, so that a kill between any two leaves the rest to the next one."""
    reach("recovery-begin")
    reader = Reader(claim.folder, posted_through(claim.folder))
    posted, left = _post_closed(reader, database)
    reach("recovery-mid")
    ends = [_end(opened, progress, on_crash) for opened, progress in left if not _is_resolved(database, opened.id)]
    for start in range(0, len(ends), _BATCH):
        book.post(database, ends[start : start + _BATCH])
    ended(ends)
    book.mark_unknown(database, claim.worker)
    book.release(database, claim.worker)
    reach("recovery-end")
    settled = sum(end.charged > 0 for end in ends)
    done = Recovered(
        worker=claim.worker,
        posted=posted,
        settled=settled,
        voided=len(ends) - settled,
        findings=tuple(reader.findings),
        torn=reader.torn,
    )
    if done.findings:
        book.mark(database, claim.worker, "lost")
        _log.error("the journal of %s is damaged; it is kept as %s: %s", claim.worker, claim.set_aside(), done.findings)
    else:
        book.mark(database, claim.worker, "drained")
        claim.remove()
    _log.warning("recovered the journal of a worker that died: %s", done)
    return done


def _post_closed(reader: Reader, database: Database) -> tuple[int, list[tuple[Opened, Progress | None]]]:
    """Post every close of the journal; returns their number and the calls that have none, with their last progress."""
    left: dict[str, tuple[Opened, Progress | None]] = {}
    count = 0
    for batch in _batches(reader, left):
        book.post(database, batch)
        count += len(batch)
    return count, list(left.values())


def _batches(reader: Reader, left: dict[str, tuple[Opened, Progress | None]]) -> Iterator[list[Closed]]:
    batch: list[Closed] = []
    for _, record in reader.records():
        match record:
            case Opened():
                # A record that was carried over from an old file repeats itself, and must not undo its progress;
                # that of another attempt does.
                if record.id not in left or left[record.id][0] != record:
                    left[record.id] = (record, None)
            case Progress():
                if record.id in left:
                    left[record.id] = (left[record.id][0], record)
            case Closed():
                left.pop(record.id, None)
                batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_resolved(database: Database, request: str) -> bool:
    """Whether the ledger knows the end of the call: its close was posted before the disk had it."""
    return bool(database.execute("SELECT 1 FROM transfer WHERE id = $1", (request,)))


def _end(opened: Opened, progress: Progress | None, on_crash: OnCrash) -> Closed:
    """The close that the dead worker did not write."""
    counted = progress if on_crash == "progress" else None
    amount = counted.amount if counted is not None else 0
    now_ms = time.time_ns() // 1_000_000
    return Closed(
        id=opened.id,
        at_ms=opened.at_ms,
        org=opened.org,
        key=opened.key,
        team=opened.team,
        user=opened.user,
        lease=opened.lease,
        held=opened.held,
        counters=opened.counters,
        entries=tuple(_entries(opened, counted)),
        call=_line(opened, counted, amount, max(now_ms - opened.at_ms, 0)),
    )


def _entries(opened: Opened, progress: Progress | None) -> Iterator[Entry]:
    amount = progress.amount if progress is not None else 0
    yield _entry(opened, progress, opened.id, "charge" if amount else "void", wallet(opened.org), REVENUE, amount)
    if progress is not None and progress.cost:
        payee = payable(opened.provider)
        yield _entry(opened, progress, f"{opened.id}/cost", "cost", COST, payee, progress.cost)


def _entry(
    opened: Opened,
    progress: Progress | None,
    id: str,
    kind: Literal["charge", "void", "cost"],
    debit: str,
    credit: str,
    amount: int,
) -> Entry:
    return Entry(
        id=id,
        kind=kind,
        debit=debit,
        credit=credit,
        amount=amount,
        provider=opened.provider,
        model=opened.model,
        price=opened.price,
        plan=opened.plan,
        usage=progress.usage if progress is not None else None,
        basis="recovered",
        reason="worker died",
    )


def _line(opened: Opened, progress: Progress | None, amount: int, total_ms: int) -> CallLine:
    usage = _decode_usage(progress.usage) if progress is not None else Usage()
    return CallLine(
        protocol=opened.protocol,
        model=opened.model,
        provider=opened.provider,
        stream=opened.stream,
        outcome="worker_died",
        error="worker_died",
        input=usage.total_input,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        output=usage.total_output,
        reasoning=usage.output_reasoning or 0,
        source="partial" if progress is not None else "none",
        amount=amount,
        total_ms=total_ms,
        attempts=1,
    )
