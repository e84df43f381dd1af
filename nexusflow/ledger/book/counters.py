"""The counters beside the transfers: of wallets, budgets and leases, locked in one order and moved together.

The order is wallets, counters, leases, each sorted, for every transaction that locks any of them: no two of them can
wait for each other.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from nexusflow.ir.account import Counter
from nexusflow.ledger.book.many import chunks, marks, update_from, values
from nexusflow.store import Database


class Wallet(Struct, frozen=True):
    """What a wallet counts, in nano-units; no floor: no bound."""

    credited: int
    spent: int
    held: int
    floor: int | None

    @property
    def available(self) -> int | None:
        """What can still be held; None without a bound."""
        return None if self.floor is None else self.credited - self.spent - self.held - self.floor


def lock_wallets(database: Database, orgs: Iterable[str]) -> dict[str, Wallet]:
    """The wallets of `orgs`, unchanged by others until the transaction ends. A missing one is made, empty."""
    ordered = sorted(set(orgs))
    found = _lock_wallets(database, ordered)
    missing = [org for org in ordered if org not in found]
    if missing:
        database.insert_new("wallet", ("org", "floor"), [(org, 0) for org in missing], "org")
        found |= _lock_wallets(database, missing)
    return found


def lock_counters(database: Database, counters: Iterable[Counter]) -> dict[Counter, tuple[int, int]]:
    """What `counters` have spent and held, unchanged by others until the transaction ends; not those that are new."""
    found = {}
    for some in chunks(sorted(set(counters))):
        text, params = values([(one.budget, one.subject, one.period_start) for one in some])
        rows = database.execute(
            "SELECT budget, subject, period_start, spent, held FROM budget_spend"  # noqa: S608
            f" WHERE (budget, subject, period_start) IN ({text})"
            f" ORDER BY budget, subject, period_start{database.for_update}",
            params,
        )
        for budget, subject, start, spent, held in rows:
            found[Counter(str(budget), str(subject), int(start or 0))] = int(spent or 0), int(held or 0)
    return found


def make_counters(database: Database, counters: Iterable[Counter]) -> None:
    """Make those of `counters` that do not exist. Before any of them is locked, so that nobody waits in a circle."""
    rows = [(one.budget, one.subject, one.period_start) for one in sorted(set(counters))]
    if rows:
        database.insert_new("budget_spend", ("budget", "subject", "period_start"), rows, "budget")


def move_wallets(database: Database, moves: Mapping[str, tuple[int, int]]) -> None:
    """Add to what wallets, which the transaction has locked, have spent and held."""
    rows = [(org, *moves[org]) for org in sorted(moves)]
    update_from(database, "wallet", "spent = spent + v.column2, held = held + v.column3", "org = v.column1", rows)


def move_counters(database: Database, moves: Mapping[Counter, tuple[int, int]]) -> None:
    """Add to what counters, which the transaction has locked, have spent and held."""
    rows = [(one.budget, one.subject, one.period_start, *moves[one]) for one in sorted(moves)]
    where = "budget = v.column1 AND subject = v.column2 AND period_start = v.column3"
    update_from(database, "budget_spend", "spent = spent + v.column4, held = held + v.column5", where, rows)


def _lock_wallets(database: Database, orgs: list[str]) -> dict[str, Wallet]:
    found = {}
    for some in chunks(orgs):
        rows = database.execute(
            f"SELECT org, credited, spent, held, floor FROM wallet WHERE org IN ({marks(len(some))})"  # noqa: S608
            f" ORDER BY org{database.for_update}",
            some,
        )
        for org, credited, spent, held, floor in rows:
            bound = None if floor is None else int(floor)
            found[str(org)] = Wallet(int(credited or 0), int(spent or 0), int(held or 0), bound)
    return found
