"""Lending money to a worker: taken from the wallet and every budget at once, or refused (I-05, I-06, AT-01)."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from nexusflow.ir.account import Bound, Counter
from nexusflow.ir.money import LARGEST
from nexusflow.ledger.book.counters import lock_counters, lock_wallets, make_counters, move_counters, move_wallets
from nexusflow.ledger.book.lending import encode_counters
from nexusflow.store import Database
from nexusflow.wire.ids import request_id

TIGHT = 64
"""When less than so many calls' money is left, each lease is for one call alone, so that the last of it is used."""
SHARE = 4
"""Otherwise no worker takes more than this part of what is left, unless a single call needs it."""


class Lease(Struct, frozen=True):
    """Money that a worker may spend. `expires_ms` is by the database's clock; a tight lease is for one call.

    `balance` is the wallet's at that moment, None for one that cannot run out.
    """

    id: str
    org: str
    amount: int
    counters: tuple[Counter, ...]
    expires_ms: int
    tight: bool
    balance: int | None = None


class Denial(Struct, frozen=True):
    """Why nothing was lent. `level` is `wallet` or a budget's scope; `inflight` says that waiting may help.

    Where several levels refuse, it is one of those that waiting does not help.
    """

    level: str
    counter: Counter | None
    inflight: bool
    available: int


class _Denied(Exception):
    def __init__(self, denial: Denial) -> None:
        super().__init__(denial)
        self.denial = denial


def grant(
    database: Database,
    *,
    org: str,
    worker: str,
    bounds: Sequence[Bound],
    need: int,
    want: int,
    ttl_ms: int,
    also: Callable[[Database], None] | None = None,
    lease_id: str | None = None,
    alone: str | None = None,
) -> Lease | Denial:
    """Lend at least `need` nano-units and about `want`. A denial writes nothing.

    `also` runs in the same transaction (ID-3) and sees no lock taken yet; what it raises undoes everything. `lease_id`
    is the name of the lease, where somebody must know it before; `alone`: see `Database.transaction`. Raises
    ValueError for a `need` that no wallet can hold, StoreError.
    """
    if not 0 < need <= LARGEST:
        raise ValueError(f"a reservation of {need}")
    ordered = sorted(bounds, key=lambda bound: bound.counter)
    counters = tuple(bound.counter for bound in ordered)
    try:
        with database.transaction(alone):
            if also is not None:
                also(database)
            left, balance = _left(database, org, ordered, need)
            tight = left is not None and left < TIGHT * need
            share = LARGEST if left is None else left // SHARE
            amount = need if tight else max(need, min(want, share))
            lease = Lease(lease_id or request_id(), org, amount, counters, database.now_ms() + ttl_ms, tight, balance)
            _lend(database, lease, worker)
            return lease
    except _Denied as denied:
        return denied.denial


def _left(database: Database, org: str, bounds: Sequence[Bound], need: int) -> tuple[int | None, int | None]:
    """The least that any level has left, and the wallet's balance; None without a bound. Locks them all.

    Raises `_Denied`.
    """
    wallet = lock_wallets(database, (org,))[org]
    counters = [bound.counter for bound in bounds]
    make_counters(database, counters)
    counts = lock_counters(database, counters)
    levels: list[tuple[str, Counter | None, int, int]] = []
    if wallet.available is not None:
        levels.append(("wallet", None, wallet.available, wallet.held))
    for bound in bounds:
        if bound.mode == "hard":
            spent, held = counts[bound.counter]
            levels.append((bound.scope, bound.counter, bound.amount - spent - held, held))
    short = [Denial(level, counter, need <= left + held, left) for level, counter, left, held in levels if left < need]
    if short:
        raise _Denied(min(short, key=lambda denial: denial.inflight))
    balance = wallet.credited - wallet.spent if wallet.floor is not None else None
    return min((left for _, _, left, _ in levels), default=None), balance


def _lend(database: Database, lease: Lease, worker: str) -> None:
    move_wallets(database, {lease.org: (0, lease.amount)})
    move_counters(database, dict.fromkeys(lease.counters, (0, lease.amount)))
    database.execute(
        "INSERT INTO lease (id, org, worker, counters, amount, used, expires_ms, state)"
        " VALUES ($1, $2, $3, $4, $5, 0, $6, 'open')",
        (lease.id, lease.org, worker, encode_counters(lease.counters), lease.amount, lease.expires_ms),
    )
