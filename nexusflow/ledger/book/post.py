"""Posting: transfers written once, counters moved by what was new, leases used up and given back (engines C.4.4)."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from nexusflow.ir.money import LARGEST
from nexusflow.ledger.book.calls import log
from nexusflow.ledger.book.counters import (
    Wallet,
    lock_counters,
    lock_wallets,
    make_counters,
    move_counters,
    move_wallets,
)
from nexusflow.ledger.book.fold import Fold
from nexusflow.ledger.book.lending import find_leases, lock_leases, make_leases, write_leases
from nexusflow.ledger.book.many import chunks, marks
from nexusflow.ledger.records import OVERRUN, Closed, Entry
from nexusflow.store import Database, Value

_log = logging.getLogger("nexusflow.ledger")
AHEAD_MS = 300_000
"""How far a worker's clock may be ahead of the database's."""
COLUMNS = (
    "id", "kind", "debit", "credit", "amount", "org", "team", "key_id", "user_tag", "request", "lease", "model",
    "provider", "price", "plan", "usage", "basis", "reason", "at_ms", "posted_ms",
)  # fmt: skip


class Posted(Struct, frozen=True):
    """How many calls were new, and what of their charges no wallet had the money for, in nano-units."""

    calls: int
    overrun: int


def post(
    database: Database,
    closed: Sequence[Closed],
    close_leases: Sequence[str] = (),
    also: Callable[[Database], None] | None = None,
    alone: str | None = None,
) -> Posted:
    """Write, in one transaction, what was not written before, and give back `close_leases`.

    Done again it changes nothing: a call is known by its id, whatever else is said of it. A charge beyond its lease
    takes what the wallet has above its floor; the rest becomes an `overrun`, which nobody but us pays (B-09). `also`
    comes first in the same transaction, before any lock is taken; what it raises undoes everything. `alone` names a
    transaction beside which no other of this name runs. Raises ValueError for an amount that no call can have,
    StoreError.
    """
    for one in closed:
        for entry in one.entries:
            if not 0 <= entry.amount <= LARGEST:
                raise ValueError(f"the {entry.kind} of request {one.id} is {entry.amount}")
    calls = {one.id: one for one in closed if one.entries}
    with database.transaction(alone):
        if also is not None:
            also(database)
        fold, wallets = _lock(database, calls.values(), close_leases)
        # Amounts must stand before they are written. That all of them are new is the worst that a wallet can meet.
        fold.count(calls.values(), {})
        cuts: dict[str, int] = {}
        if fold.short(wallets):
            calls = _unknown(database, calls)
            fold.count(calls.values(), {})
            cuts = fold.overrun(calls.values(), fold.short(wallets))
        new = _write(database, calls, cuts)
        fresh = [one for one in calls.values() if one.id in new]
        if cuts or len(fresh) != len(calls):
            fold.count(fresh, cuts)
        move_wallets(database, fold.wallet_moves())
        move_counters(database, fold.counter_moves())
        write_leases(database, fold.leases.values())
        log(database, fresh, [one for one in closed if not one.entries])
    if cuts:
        _log.warning("calls cost more than their wallets have, and nobody pays the rest, in nano-units: %s", cuts)
    return Posted(len(fresh), sum(cuts.values()))


def absorb(database: Database, call: Closed, entry: Entry) -> None:
    """Add to a settled call what its provider turned out to charge, once; nobody but us pays it. Raises StoreError."""
    database.insert_new("transfer", COLUMNS, [_row(call, entry, database.now_ms())])


def _lock(database: Database, calls: Collection[Closed], close_leases: Sequence[str]) -> tuple[Fold, dict[str, Wallet]]:
    """Everything that the batch may move, as it stands, and nobody else moves it meanwhile."""
    trusted = [one for one in calls if one.counters]
    if trusted:
        make_counters(database, {counter for one in trusted for counter in one.counters})
        make_leases(database, trusted)
    leases = find_leases(database, {*close_leases, *[one.lease for one in calls if one.lease is not None]})
    wallets = lock_wallets(database, {*[one.org for one in calls], *[lent.org for lent in leases.values()]})
    lock_counters(database, {counter for lent in leases.values() for counter in lent.counters})
    lock_leases(database, leases)
    for id_ in leases.keys() & close_leases:
        leases[id_].closing = True
    return Fold(leases), wallets


def _unknown(database: Database, calls: Mapping[str, Closed]) -> dict[str, Closed]:
    """Those of `calls` that were never posted. Whoever posts one holds the lock on its wallet."""
    known: set[Value] = set()
    for some in chunks(list(calls)):
        query = f"SELECT id FROM transfer WHERE id IN ({marks(len(some))})"  # noqa: S608
        known.update(id_ for (id_,) in database.execute(query, some))
    return {id_: call for id_, call in calls.items() if id_ not in known}


def _write(database: Database, calls: Mapping[str, Closed], cuts: Mapping[str, int]) -> set[Value]:
    """Insert the entries of those calls that are new, and return the ids of these."""
    now_ms = database.now_ms()
    first = [_row(one, _own(one, cuts), now_ms) for one in calls.values()]
    new = database.insert_new("transfer", COLUMNS, first) if first else set()
    rest = [
        _row(one, entry, now_ms)
        for one in calls.values()
        if one.id in new
        for entry in (*one.entries, *_beyond(one, cuts))
        if entry.id != one.id
    ]
    if rest:
        database.insert_new("transfer", COLUMNS, rest)
    return new


def _own(call: Closed, cuts: Mapping[str, int]) -> Entry:
    """The entry that has the call's id, and that makes it known."""
    [own] = [entry for entry in call.entries if entry.id == call.id]
    cut = cuts.get(call.id)
    return own if cut is None else msgspec.structs.replace(own, amount=own.amount - cut)


def _beyond(call: Closed, cuts: Mapping[str, int]) -> Iterator[Entry]:
    """What the wallet could not pay of the call's charge."""
    cut = cuts.get(call.id)
    if cut is not None:
        yield msgspec.structs.replace(
            _own(call, {}), id=f"{call.id}/overrun", kind="overrun", debit=OVERRUN, amount=cut, usage=None
        )


def _row(call: Closed, entry: Entry, now_ms: int) -> tuple[Value, ...]:
    return (
        entry.id, entry.kind, entry.debit, entry.credit, entry.amount, call.org, call.team, call.key,
        call.user, call.id, call.lease, entry.model, entry.provider, entry.price, entry.plan, entry.usage,
        entry.basis, entry.reason, min(call.at_ms, now_ms + AHEAD_MS), now_ms,
    )  # fmt: skip
