"""The proof that the money adds up: every invariant that journals, transfers and counters can show (reliability 2.7).

Invariants that other places prove: I-17 calls in flight, I-18 replays (they reserve nothing, and their requests have
no rows here).
"""

from pathlib import Path

from msgspec import Struct

from nexusflow.ledger.checks.finding import Check, check
from nexusflow.ledger.checks.journals import Journals, compare, journal_check, read_journals
from nexusflow.ledger.checks.prices import price_checks
from nexusflow.ledger.checks.rows import row_checks, unsettled
from nexusflow.ledger.checks.sums import Sums, sum_checks, sums_of
from nexusflow.ledger.recount import recount
from nexusflow.store import Database


class Holder(Struct, frozen=True):
    """A worker with open leases, and what they hold in nano-units."""

    worker: str
    state: str
    host: str
    held: int


class Proof(Struct, frozen=True, kw_only=True):
    """What was summed up, what waits in the journals (`unmatched` ends and `open` calls), who holds money, and each
    invariant.
    """

    sums: Sums
    journals: int
    unmatched: int
    open: int
    holders: tuple[Holder, ...]
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every invariant does."""
        return all(one.holds for one in self.checks)

    def failed(self) -> set[str]:
        """The ids of those that do not."""
        return {one.id for one in self.checks if not one.holds}


def verify(database: Database, journals: Path | None = None) -> Proof:
    """Compute everything again, from one state of the database. Works while workers run, and changes nothing.

    `journals` is the folder with the journals of this machine's workers. Raises StoreError, OSError.
    """
    # Journals first: what they call posted by now is in any later state of the database.
    read = read_journals(journals) if journals is not None else Journals()
    with database.snapshot():
        should = recount(database)
        sums = sums_of(database, should)
        missing, unmatched = compare(database, read)
        holders = _holders(database)
        settled = check(
            "I-03",
            "every call is settled or voided once, none is lost, and no lease outlives its worker",
            sums.transfers,
            [*missing, *unsettled(database)],
        )
        checks = [settled, *row_checks(database), *sum_checks(database, should, sums), *price_checks(database)]
    if journals is not None:
        checks.append(journal_check(read))
    ordered = tuple(sorted(checks, key=lambda one: one.id))
    return Proof(
        sums=sums, journals=read.read, unmatched=unmatched, open=read.open_calls, holders=holders, checks=ordered
    )


def _holders(database: Database) -> tuple[Holder, ...]:
    rows = database.execute(
        "SELECT lease.worker, coalesce(min(ledger_worker.state), 'unknown'), coalesce(min(ledger_worker.host), '?'),"
        " CAST(sum(CASE WHEN used < amount THEN amount - used ELSE 0 END) AS BIGINT)"
        " FROM lease LEFT JOIN ledger_worker ON ledger_worker.id = lease.worker"
        " WHERE lease.state = 'open' GROUP BY lease.worker ORDER BY lease.worker"
    )
    return tuple(Holder(str(worker), str(state), str(host), int(held or 0)) for worker, state, host, held in rows)
