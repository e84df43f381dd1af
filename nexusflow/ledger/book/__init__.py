"""The database's side of the ledger: each function is done wholly or not at all (engines C.3, C.4)."""

from nexusflow.ledger.book.grant import Denial, Lease, grant
from nexusflow.ledger.book.post import Posted, absorb, post
from nexusflow.ledger.book.prices import remember_prices
from nexusflow.ledger.book.upkeep import forget_calls, give_up, mark, mark_unknown, register, release, renew, sweep

__all__ = [
    "Denial",
    "Lease",
    "Posted",
    "absorb",
    "forget_calls",
    "give_up",
    "grant",
    "mark",
    "mark_unknown",
    "post",
    "register",
    "release",
    "remember_prices",
    "renew",
    "sweep",
]
