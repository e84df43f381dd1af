"""Checks of sums: accounts against transfers, counters against both."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from nexusflow.ir import money
from nexusflow.ledger.checks.finding import Check, check
from nexusflow.ledger.recount import Recount, differences
from nexusflow.store import Database


class Sums(Struct, frozen=True, kw_only=True):
    """Totals of the ledger in nano-units."""

    transfers: int
    credited: int
    charged: int
    refunded: int
    overrun: int
    cost: int
    absorbed: int
    held: int


def sums_of(database: Database, should: Recount) -> Sums:
    """The totals. Raises StoreError."""
    rows = database.execute("SELECT kind, count(*), CAST(sum(amount) AS BIGINT) FROM transfer GROUP BY kind")
    by_kind = {str(kind): int(amount or 0) for kind, _, amount in rows}
    return Sums(
        transfers=sum(int(count or 0) for _, count, _ in rows),
        credited=sum(count.credited for count in should.wallets.values()),
        charged=by_kind.get("charge", 0),
        refunded=by_kind.get("refund", 0),
        overrun=by_kind.get("overrun", 0),
        cost=by_kind.get("cost", 0),
        absorbed=by_kind.get("absorbed", 0),
        held=sum(count.held for count in should.wallets.values()),
    )


def sum_checks(database: Database, should: Recount, sums: Sums) -> Iterator[Check]:
    """I-02, I-04, I-05, I-06, I-11 and I-14. Raises StoreError."""
    accounts = _accounts(database)
    yield check("I-02", "all accounts add up to nothing", len(accounts), _unequal("all accounts", accounts, 0))
    wrong = list(differences(database, should))
    yield check(
        "I-04",
        "what was used of a lease is what was charged to it",
        len(should.used),
        (one for one in wrong if one.table == "lease"),
    )
    yield check(
        "I-05",
        "every wallet's counters are the sums of its transfers and open leases",
        len(should.wallets),
        (one for one in wrong if one.table == "wallet"),
    )
    yield _floors(database)
    revenue = {name: amount for name, amount in accounts.items() if name == "revenue"}
    payable = {name: amount for name, amount in accounts.items() if name.startswith("payable:")}
    yield check(
        "I-11",
        "charges are the revenue, and costs, absorbed or not, what providers are owed",
        len(revenue) + len(payable),
        [
            *_unequal("revenue", revenue, sums.charged + sums.overrun - sums.refunded),
            *_unequal("owed to providers", payable, sums.cost + sums.absorbed),
        ],
    )
    yield check(
        "I-14",
        "every budget's counters are the sums of its charges and open leases",
        len(should.counters),
        (one for one in wrong if one.table == "budget_spend"),
    )


def _accounts(database: Database) -> dict[str, int]:
    """What each account received, less what it gave."""
    found: dict[str, int] = {}
    for side, sign in (("debit", -1), ("credit", 1)):
        rows = database.execute(
            f"SELECT {side}, CAST(sum(amount) AS BIGINT) FROM transfer GROUP BY {side}"  # noqa: S608
        )
        for name, amount in rows:
            found[str(name)] = found.get(str(name), 0) + sign * int(amount or 0)
    return found


def _unequal(what: str, accounts: dict[str, int], should: int) -> Iterator[str]:
    found = sum(accounts.values())
    if found != should:
        yield f"{what}: {money.as_text(found)}, which should be {money.as_text(should)}"


def _floors(database: Database) -> Check:
    """A wallet may be below its floor only when an operator raised that after the money was spent."""
    rows = database.execute(
        "SELECT org, credited - spent - held, floor FROM wallet WHERE floor IS NOT NULL ORDER BY org"
    )
    offenders, notes = [], []
    for org, available, floor in rows:
        short = int(floor or 0) - int(available or 0)
        if short <= 0:
            continue
        text = f"wallet {org!s}: {money.as_text(short)} below its floor of {money.as_text(int(floor or 0))}"
        if _was_lowered(database, str(org), int(floor or 0), int(available or 0)):
            notes.append(f"{text}, since its credit line was lowered")
        else:
            offenders.append(text)
    return check("I-06", "no wallet is below its floor", len(rows), offenders, notes)


class _Line(Struct):
    credit_line: int | None


def _was_lowered(database: Database, org: str, floor: int, available: int) -> bool:
    """Whether this floor is by the audit log, and so is an earlier one that covers what is missing."""
    rows = database.execute(
        "SELECT action, detail FROM audit WHERE subject = $1"
        " AND action IN ('organisation.create', 'organisation.credit_line') ORDER BY id",
        (org,),
    )
    lines = [msgspec.json.decode(str(detail), type=_Line).credit_line for _, detail in rows]
    if not lines or lines[-1] != -floor:
        return False
    # The organisation of a fresh gateway was never created, and has no bound until it is given one.
    unbounded = rows[0][0] != "organisation.create"
    return unbounded or any(line is None or available + line >= 0 for line in lines[:-1])
