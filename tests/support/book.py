"""A ledger to post to: organisations with money, a worker, a price list, and calls that are priced by it."""

from pathlib import Path

import msgspec

from nexusflow.accounts import AccountTable, Money
from nexusflow.ir.account import Bound, Counter, Scope
from nexusflow.ir.plan import LongPrompt, Price, Rates
from nexusflow.ir.usage import Usage
from nexusflow.keys import KeyTable
from nexusflow.ledger import book
from nexusflow.ledger.book import Denial, Lease
from nexusflow.ledger.records import COST, REVENUE, CallLine, Closed, Entry, payable, wallet
from nexusflow.ledger.verify import verify
from nexusflow.pricing import canonical, cost_of, price_id
from nexusflow.store import Database
from tests.support import oracle

WORKER = "worker-1"
TTL_MS = 60_000
PRICE = Price(
    tokens=Rates(input=3_000_000_000, output=15_000_000_001, cache_read=300_000_000),
    above=(LongPrompt(200_000, Rates(input=6_000_000_000, output=22_500_000_000)),),
    markup=1250,
)
PRICE_ID = price_id(PRICE)
USAGE = Usage(input_text=1000, output_text=100)
ONE = cost_of(PRICE, USAGE, 0).amount
"""What a call with this usage costs its customer."""


class Book:
    """One database with what a worker needs, over a handle of its own."""

    def __init__(self, database: Database, pepper: bytes = bytes(32)) -> None:
        self.database = database
        self.keys = KeyTable(database, pepper)
        self.accounts = AccountTable(database)
        self.money = Money(database)

    def prepare(self) -> "Book":
        """Make the worker and the price list."""
        book.register(self.database, WORKER, "here", "/nowhere")
        book.remember_prices(self.database, {PRICE_ID: canonical(PRICE).decode()})
        return self

    def organisation(self, name: str, amount: int) -> tuple[str, str]:
        """A new organisation that has `amount`, and a key of it."""
        org = self.accounts.create_organisation(name, actor="test").id
        if amount:
            self.money.credit(org, amount, "bank", "first", "test")
        key, _ = self.keys.create(name, org=org)
        return org, key.id

    def grant(self, org: str, need: int, *bounds: Bound, want: int | None = None) -> Lease | Denial:
        """Ask for money."""
        return book.grant(
            self.database,
            org=org,
            worker=WORKER,
            bounds=bounds,
            need=need,
            want=need if want is None else want,
            ttl_ms=TTL_MS,
        )

    def lend(self, org: str, need: int, *bounds: Bound, want: int | None = None) -> Lease:
        """Get money."""
        lease = self.grant(org, need, *bounds, want=want)
        assert isinstance(lease, Lease), lease
        return lease

    def wallet(self, org: str) -> tuple[int, int, int]:
        """Credited, spent, held."""
        [(credited, spent, held)] = self.database.execute(
            "SELECT credited, spent, held FROM wallet WHERE org = $1", (org,)
        )
        return int(credited or 0), int(spent or 0), int(held or 0)

    def counter(self, counter: Counter) -> tuple[int, int]:
        """Spent, held."""
        [(spent, held)] = self.database.execute(
            "SELECT spent, held FROM budget_spend WHERE budget = $1 AND subject = $2 AND period_start = $3",
            (counter.budget, counter.subject, counter.period_start),
        )
        return int(spent or 0), int(held or 0)

    def count(self, what: str) -> int:
        """`SELECT count(*) FROM what`."""
        [(count,)] = self.database.execute(f"SELECT count(*) FROM {what}")
        return int(count or 0)

    def check(self, journals: Path | None = None) -> None:
        """Fails unless both our own proof and the oracle find that everything adds up."""
        proof = verify(self.database, journals)
        assert proof.failed() == set(), [one.named for one in proof.checks if not one.holds]
        assert oracle.complaints(self.database.execute) == []


def bound(amount: int, scope: Scope = "key", *, budget: str = "budget", subject: str = "s", hard: bool = True) -> Bound:
    """A budget of `amount` that never ends."""
    return Bound(Counter(budget, subject, 0), amount, "hard" if hard else "soft", scope, 1 << 50)


def call(
    id: str,
    org: str,
    key: str,
    *,
    lease: str | None = None,
    usage: Usage = USAGE,
    price: Price = PRICE,
    at_ms: int = 1_790_000_000_000,
) -> Closed:
    """The end of a call with this usage, with all entries that it has in the gateway."""
    cost = cost_of(price, usage, at_ms)
    text = msgspec.json.encode(usage).decode()
    named = {"provider": "simulator", "model": "simulator/chat", "price": price_id(price), "plan": "0123456789ab"}
    charge = Entry(
        id=id,
        kind="charge",
        debit=wallet(org),
        credit=REVENUE,
        amount=cost.amount,
        usage=text,
        basis="reported",
        **named,
    )
    owed = Entry(
        id=f"{id}/cost",
        kind="cost",
        debit=COST,
        credit=payable("simulator"),
        amount=cost.cost,
        basis="reported",
        **named,
    )
    line = CallLine(
        protocol="openai/chat-completions",
        model="simulator/chat",
        status=200,
        outcome="done",
        input=usage.total_input,
        output=usage.total_output,
        amount=cost.amount,
    )
    entries = (charge, owed) if cost.cost else (charge,)
    return Closed(id=id, at_ms=at_ms, org=org, key=key, lease=lease, entries=entries, call=line)


def void(id: str, org: str, key: str, *, lease: str | None = None) -> Closed:
    """The end of a call that costs nothing."""
    entry = Entry(id=id, kind="void", debit=wallet(org), credit=REVENUE, amount=0, reason="failed")
    line = CallLine(protocol="openai/chat-completions", model="simulator/chat", status=502, outcome="failed")
    return Closed(id=id, at_ms=1_790_000_000_000, org=org, key=key, lease=lease, entries=(entry,), call=line)
