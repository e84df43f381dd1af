"""Money for tests: records of calls with the entries that real ones have, and a store with a funded wallet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nexusflow.ir.account import DEFAULT_ORG, Payer
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
from nexusflow.store import Database, DatabaseAway, Value, open_database

AT_MS = 1_790_000_000_000
USAGE = '{"input_text":1200,"output_text":340}'


def payer(org: str = DEFAULT_ORG, key: str = "key_1") -> Payer:
    """Somebody of `org` without budgets."""
    return Payer(org=org, team=None, key=key)


def opened(id: str, *, org: str = DEFAULT_ORG, lease: str | None = None, held: int = 0) -> Opened:
    """The dispatch of call `id`."""
    return Opened(
        id=id,
        at_ms=AT_MS,
        org=org,
        key="key_1",
        lease=lease,
        held=held,
        provider="simulator",
        model="simulator/chat",
        protocol="openai_chat",
    )


def progress(id: str, amount: int, cost: int = 0) -> Progress:
    """How far call `id` has come."""
    return Progress(id=id, usage=USAGE, amount=amount, cost=cost)


def closed(id: str, amount: int, *, org: str = DEFAULT_ORG, lease: str | None = None, held: int = 0) -> Closed:
    """The end of call `id`, which costs the customer `amount` and the gateway half of it."""
    charge = Entry(
        id=id,
        kind="charge" if amount else "void",
        debit=wallet(org),
        credit=REVENUE,
        amount=amount,
        provider="simulator",
        model="simulator/chat",
        usage=USAGE,
        basis="reported",
    )
    cost = Entry(
        id=f"{id}/cost",
        kind="cost",
        debit=COST,
        credit=payable("simulator"),
        amount=amount // 2,
        provider="simulator",
        model="simulator/chat",
        usage=USAGE,
        basis="reported",
    )
    return Closed(
        id=id,
        at_ms=AT_MS,
        org=org,
        key="key_1",
        lease=lease,
        held=held,
        entries=(charge, cost),
        call=CallLine(protocol="openai_chat", model="simulator/chat", status=200, outcome="ok", amount=amount),
    )


class Purse:
    """A store whose default wallet has money and a floor, and which can be made to go away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.away = False
        self.loses_commits = 0
        """So many next transactions are committed, and then reported as lost."""
        with open_database(path):
            pass

    def fund(self, amount: int, org: str = DEFAULT_ORG) -> None:
        """Let the wallet of `org` have `amount`, and not more."""
        with self.open() as database:
            database.execute("UPDATE wallet SET credited = $1, floor = 0 WHERE org = $2", (amount, org))

    def open(self) -> Database:
        """The store, over a connection of its own."""
        database = open_database(self.path)
        transaction = database.transaction

        @contextmanager
        def watched(alone: str | None = None) -> Iterator[None]:
            if self.away:
                raise DatabaseAway("The database does not answer.", "Start it.")
            with transaction(alone):
                yield
            if self.loses_commits:
                self.loses_commits -= 1
                raise DatabaseAway("The database was lost on the way.", "Start it.")

        database.transaction = watched  # type: ignore[method-assign]
        return database

    def one(self, sql: str, *params: Value) -> Value:
        """The only value that `sql` finds."""
        with open_database(self.path) as database:
            [(value,)] = database.execute(sql, params)
        return value

    def balance(self, org: str = DEFAULT_ORG) -> tuple[int, int]:
        """What the wallet of `org` spent and holds."""
        with open_database(self.path) as database:
            [(spent, held)] = database.execute("SELECT spent, held FROM wallet WHERE org = $1", (org,))
        return int(spent or 0), int(held or 0)

    def charges(self) -> dict[str, int]:
        """What was charged, by request; a request that was charged twice fails."""
        with open_database(self.path) as database:
            rows = database.execute("SELECT request, amount FROM transfer WHERE kind = 'charge'")
        charges = {str(request): int(amount or 0) for request, amount in rows}
        assert len(charges) == len(rows)
        return charges
