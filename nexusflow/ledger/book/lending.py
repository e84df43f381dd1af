"""Leases in the database: found, locked, written back."""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from nexusflow.ir.account import Counter
from nexusflow.ledger.book.fold import Lent
from nexusflow.ledger.book.many import chunks, marks, update_from
from nexusflow.ledger.records import Closed
from nexusflow.store import Database

ON_TRUST = "on-trust"
"""In place of the worker that a lease was lent to."""
_COLUMNS = ("id", "org", "worker", "counters", "amount", "used", "expires_ms", "state")
_decode = msgspec.json.Decoder(list[tuple[str, str, int]]).decode


def decode_counters(text: str) -> tuple[Counter, ...]:
    """The column `counters` of a lease."""
    return tuple([Counter(*one) for one in _decode(text)])


def find_leases(database: Database, ids: Iterable[str]) -> dict[str, Lent]:
    """What never changes of leases; they are taken for closed until they are locked."""
    found = {}
    for some in chunks(sorted(set(ids))):
        query = f"SELECT id, org, counters, amount FROM lease WHERE id IN ({marks(len(some))})"  # noqa: S608
        for id_, org, counters, amount in database.execute(query, some):
            found[str(id_)] = Lent(str(id_), str(org), decode_counters(str(counters)), int(amount or 0))
    return found


def make_leases(database: Database, calls: Iterable[Closed]) -> None:
    """Leases for the calls that were made on trust while the database was away: already over, they hold nothing.

    By them the charge is counted in the budgets, and what is given back of it later.
    """
    rows = [
        (one.lease, one.org, ON_TRUST, encode_counters(one.counters), max(one.held, 1), 0, 0, "closed")
        for one in sorted(calls, key=lambda one: one.id)
        if one.counters
    ]
    if rows:
        database.insert_new("lease", _COLUMNS, rows)


def encode_counters(counters: Sequence[Counter]) -> str:
    """As the column `counters` of a lease: `[[budget, subject, period_start], …]`."""
    return msgspec.json.encode([(one.budget, one.subject, one.period_start) for one in counters]).decode()


def lock_leases(database: Database, leases: dict[str, Lent]) -> None:
    """Note how `leases` stand, which nobody else changes until the transaction ends."""
    for some in chunks(sorted(leases)):
        query = f"SELECT id, used, state FROM lease WHERE id IN ({marks(len(some))}) ORDER BY id{database.for_update}"  # noqa: S608
        for id_, used, state in database.execute(query, some):
            lent = leases[str(id_)]
            lent.used, lent.open = int(used or 0), state == "open"


def write_leases(database: Database, leases: Collection[Lent]) -> None:
    """Add what was charged to leases that the transaction has locked, and close those that end."""
    rows = [
        (lent.id, lent.used + lent.charged, "open" if lent.open and not lent.closing else "closed")
        for lent in sorted(leases, key=lambda lent: lent.id)
        if lent.charged or (lent.open and lent.closing)
    ]
    update_from(database, "lease", "used = v.column2, state = v.column3", "id = v.column1", rows)
