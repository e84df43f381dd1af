"""Counters restored from the transfers and leases, when something other than this program has changed them."""

from collections.abc import Sequence

from nexusflow.ledger.book.counters import lock_wallets, make_counters
from nexusflow.ledger.book.many import update_from
from nexusflow.ledger.recount import Difference, differences, recount
from nexusflow.store import Database, Value


def rebuild(database: Database) -> list[Difference]:
    """Set every counter of wallets, budgets and leases to what transfers and leases say, and return what was wrong.

    Whoever reserves or posts meanwhile waits. Done again it changes nothing. Raises StoreError.
    """
    with database.transaction():
        # Whoever moves money locks its wallet first, so from here on nothing moves.
        lock_wallets(database, [str(org) for (org,) in database.execute("SELECT id FROM organisation")])
        should = recount(database)
        make_counters(database, should.counters)
        wrong = list(differences(database, should))
        for table, key, figures in _TABLES:
            _set(database, table, key, figures, [one for one in wrong if one.table == table])
    return wrong


_TABLES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("wallet", ("org",), ("credited", "spent", "held")),
    ("budget_spend", ("budget", "subject", "period_start"), ("spent", "held")),
    ("lease", ("id",), ("used",)),
)


def _set(
    database: Database, table: str, key: Sequence[str], figures: Sequence[str], wrong: Sequence[Difference]
) -> None:
    where = " AND ".join(f"{name} = v.column{number}" for number, name in enumerate(key, 1))
    for figure in figures:
        rows: list[tuple[Value, ...]] = sorted((*one.key, one.should) for one in wrong if one.figure == figure)
        update_from(database, table, f"{figure} = v.column{len(key) + 1}", where, rows)
