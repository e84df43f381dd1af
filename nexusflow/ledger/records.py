"""What a worker's journal holds: a call is opened before its first byte goes out, and closed exactly once.

Every record is complete in itself, so that whoever finds the journal of a dead worker can post it. Amounts are
integer nano-units, times milliseconds since 1970.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from nexusflow.ir.account import Counter

Kind = Literal["charge", "void", "cost", "absorbed", "overrun", "credit", "refund", "adjust"]
Basis = Literal["reported", "estimated", "partial", "recovered", "none"]

REVENUE = "revenue"
COST = "cost"
ABSORBED = "absorbed"
OVERRUN = "overrun"


def wallet(org: str) -> str:
    """The account name of an organisation's wallet."""
    return f"wallet:{org}"


def payable(provider: str) -> str:
    """The account name of what a provider is owed."""
    return f"payable:{provider}"


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One transfer to post: `amount` from `debit` to `credit`. The `id` makes posting it again harmless.

    `usage` is the canonical usage as JSON text, `price` the id of the price list, `plan` the digest of the plan.
    """

    id: str
    kind: Kind
    debit: str
    credit: str
    amount: int
    provider: str | None = None
    model: str | None = None
    price: str | None = None
    plan: str | None = None
    usage: str | None = None
    basis: Basis = "none"
    reason: str | None = None


class CallLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The line of the call log; columns as in the table `call`, without those that the record carries itself."""

    protocol: str
    model: str
    answered_by: str | None = None
    provider: str | None = None
    stream: bool = False
    status: int = 0
    outcome: str = ""
    error: str | None = None
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    source: str = "none"
    amount: int = 0
    first_ms: int | None = None
    total_ms: int = 0
    attempts: int = 0


class Opened(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="open"):
    """A call whose money is reserved and which is about to be sent. `held` is what it reserved from `lease`.

    `counters` are those of its budgets where the database does not know the lease, because it was away (S-13).
    """

    id: str
    at_ms: int
    org: str
    key: str
    team: str | None = None
    user: str | None = None
    lease: str | None = None
    held: int = 0
    counters: tuple[Counter, ...] = ()
    provider: str
    model: str
    protocol: str
    price: str | None = None
    plan: str | None = None
    stream: bool = False


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="progress"):
    """How far an open call has come: its usage so far (JSON text) and what that costs customer and gateway."""

    id: str
    usage: str
    amount: int
    cost: int = 0


class Closed(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="close"):
    """The end of a call: what to post. Exactly one of its entries is a `charge` or a `void`, with the call's id.

    `accepted` is False for a call that was refused before it reserved anything: it has a line in the log, no entries.
    """

    id: str
    at_ms: int
    org: str
    key: str
    team: str | None = None
    user: str | None = None
    lease: str | None = None
    held: int = 0
    counters: tuple[Counter, ...] = ()
    entries: tuple[Entry, ...] = ()
    call: CallLine | None = None
    accepted: bool = True

    @property
    def charged(self) -> int:
        """What the customer pays for it."""
        return sum(entry.amount for entry in self.entries if entry.kind == "charge")


Record = Opened | Progress | Closed

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode
