"""The counters as they should be, summed up from transfers and leases, which are the truth (I-05, I-14)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from nexusflow.ir import money
from nexusflow.ir.account import Counter
from nexusflow.ledger.book.lending import decode_counters
from nexusflow.store import Database, Row

PAGE = 5_000
_LEASED = "SELECT id, org, counters, amount, used, state FROM lease WHERE id > $1 ORDER BY id LIMIT $2"
_CREDITED = (
    "CAST(sum(CASE WHEN kind = 'credit' THEN amount WHEN kind <> 'adjust' THEN 0"
    " WHEN credit = 'wallet:' || org THEN amount ELSE -amount END) AS BIGINT)"
)
_SPENT = "CAST(sum(CASE kind WHEN 'charge' THEN amount WHEN 'refund' THEN -amount ELSE 0 END) AS BIGINT)"


@dataclass(slots=True)
class Count:
    """Nano-units; what is not counted for a budget or a lease stays 0."""

    credited: int = 0
    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class Recount:
    """By organisation and by counter; of each lease what was used, and what that column says."""

    wallets: dict[str, Count] = field(default_factory=dict)
    counters: dict[Counter, Count] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)


class Difference(Struct, frozen=True):
    """A figure of the row `key` of `table` that is `found`, and `should` be another; None where the row is missing."""

    table: str
    key: tuple[str | int, ...]
    figure: str
    found: int | None
    should: int

    def __str__(self) -> str:
        whose = " ".join(map(str, self.key))
        found = "missing" if self.found is None else money.as_text(self.found)
        return f"{self.table} {whose}: {self.figure} is {found}, {money.as_text(self.should)} by the transfers"


def recount(database: Database) -> Recount:
    """Sum up everything, in the transaction or snapshot of the caller. Raises StoreError."""
    found = Recount()
    for org, credited, spent in database.execute(
        f"SELECT org, {_CREDITED}, {_SPENT} FROM transfer GROUP BY org"  # noqa: S608
    ):
        found.wallets[str(org)] = Count(int(credited or 0), int(spent or 0))
    moved = _moved(database)
    for id_, org, counters, amount, used, state in _leases(database):
        charged, refunded = moved.get(str(id_), (0, 0))
        held = max(int(amount or 0) - charged, 0) if state == "open" else 0
        found.used[str(id_)] = int(used or 0), charged
        found.wallets.setdefault(str(org), Count()).held += held
        for counter in decode_counters(str(counters)):
            count = found.counters.setdefault(counter, Count())
            count.spent += charged - refunded
            count.held += held
    return found


def differences(database: Database, should: Recount) -> Iterator[Difference]:
    """Every figure that is not what it should be. Raises StoreError."""
    missing = dict(should.wallets)
    for org, *figures in database.execute("SELECT org, credited, spent, held FROM wallet ORDER BY org"):
        count = missing.pop(str(org), Count())
        expected = (count.credited, count.spent, count.held)
        yield from _different("wallet", (str(org),), ("credited", "spent", "held"), figures, expected)
    for org, count in missing.items():
        yield Difference("wallet", (org,), "spent", None, count.spent)
    left = dict(should.counters)
    columns = "budget, subject, period_start"
    for budget, subject, start, *figures in database.execute(
        f"SELECT {columns}, spent, held FROM budget_spend ORDER BY {columns}"  # noqa: S608
    ):
        key = (str(budget), str(subject), int(start or 0))
        count = left.pop(Counter(*key), Count())
        yield from _different("budget_spend", key, ("spent", "held"), figures, (count.spent, count.held))
    for counter, count in left.items():
        key = (counter.budget, counter.subject, counter.period_start)
        yield Difference("budget_spend", key, "spent", None, count.spent)
    for id_, (used, charged) in should.used.items():
        yield from _different("lease", (id_,), ("used",), [used], (charged,))


def _different(
    table: str, key: tuple[str | int, ...], names: tuple[str, ...], found: Sequence[object], should: tuple[int, ...]
) -> Iterator[Difference]:
    for name, was, expected in zip(names, found, should, strict=True):
        assert isinstance(was, int)
        if was != expected:
            yield Difference(table, key, name, was, expected)


def _moved(database: Database) -> dict[str, tuple[int, int]]:
    """What was charged to each lease, and given back of that."""
    rows = database.execute(
        "SELECT lease, CAST(sum(CASE kind WHEN 'charge' THEN amount ELSE 0 END) AS BIGINT),"
        " CAST(sum(CASE kind WHEN 'refund' THEN amount ELSE 0 END) AS BIGINT)"
        " FROM transfer WHERE lease IS NOT NULL GROUP BY lease"
    )
    return {str(lease): (int(charged or 0), int(refunded or 0)) for lease, charged, refunded in rows}


def _leases(database: Database) -> Iterator[Row]:
    after = ""
    while True:
        rows = database.execute(_LEASED, (after, PAGE))
        yield from rows
        if len(rows) < PAGE:
            return
        after = str(rows[-1][0])
