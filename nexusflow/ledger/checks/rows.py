"""Checks that one SQL text decides: it finds the rows that break an invariant."""

from collections.abc import Iterator

from nexusflow.ledger.checks.finding import Check, check
from nexusflow.store import Database

_OWN_WALLET = "'wallet:' || org"
_SIDES = (
    f"(kind = 'charge' AND debit = {_OWN_WALLET} AND credit = 'revenue')"
    f" OR (kind = 'void' AND debit = {_OWN_WALLET} AND credit = 'revenue' AND amount = 0)"
    " OR (kind IN ('cost', 'absorbed') AND debit = kind AND credit LIKE 'payable:%' AND amount > 0)"
    " OR (kind = 'overrun' AND debit = 'overrun' AND credit = 'revenue' AND amount > 0)"
    f" OR (kind = 'credit' AND debit LIKE 'funding:%' AND credit = {_OWN_WALLET} AND amount > 0)"
    f" OR (kind = 'refund' AND debit = 'revenue' AND credit = {_OWN_WALLET} AND amount > 0)"
    f" OR (kind = 'adjust' AND amount > 0 AND 'adjustment' IN (debit, credit) AND {_OWN_WALLET} IN (debit, credit))"
)
_REFERENCES = (
    ("organisation", "SELECT DISTINCT org AS named FROM transfer", "organisation WHERE id = named"),
    ("wallet", "SELECT id AS named FROM organisation", "wallet WHERE org = named"),
    ("key", "SELECT DISTINCT key_id AS named FROM transfer WHERE key_id IS NOT NULL", "api_key WHERE id = named"),
    ("price", "SELECT DISTINCT price AS named FROM transfer WHERE price IS NOT NULL", "price WHERE id = named"),
    ("lease", "SELECT DISTINCT lease AS named FROM transfer WHERE lease IS NOT NULL", "lease WHERE id = named"),
    (
        "worker of an open lease",
        "SELECT DISTINCT worker AS named FROM lease WHERE state = 'open'",
        "ledger_worker WHERE id = named",
    ),
)
_OVER = "t.state IN ('succeeded', 'failed', 'cancelled', 'expired')"
_CHARGE = "transfer AS own WHERE own.id = t.id AND own.kind IN ('charge', 'void')"
_TASKS = (
    "SELECT 'task ' || t.id || ' is ' || t.state || ', and its money is still held' FROM task AS t"  # noqa: S608
    f" JOIN lease ON lease.id = t.id WHERE {_OVER} AND lease.state = 'open'"
    " UNION ALL SELECT 'task ' || t.id || ' cost ' || coalesce(t.amount, -1) || ' by its row, and not by the ledger'"
    f" FROM task AS t WHERE {_OVER} AND coalesce(t.amount, -1) <> coalesce((SELECT own.amount FROM {_CHARGE}), 0)"
    " UNION ALL SELECT 'task ' || t.id || ' is ' || t.state || ', and charged or voided already' FROM task AS t"
    f" WHERE NOT ({_OVER}) AND EXISTS (SELECT 1 FROM {_CHARGE})"
    " UNION ALL SELECT 'task ' || t.id || ' is ' || t.state || ', and no money is held for it' FROM task AS t"
    " WHERE t.held > 0 AND t.state IN ('queued', 'submitting', 'waiting') AND NOT EXISTS"
    " (SELECT 1 FROM lease WHERE lease.id = t.id AND lease.state = 'open')"
)

# Of each: id, what must hold, the table it counts, and the query for what breaks it.
_CHECKS = (
    (
        "I-01",
        "every transfer takes from one account what it gives to another",
        "transfer",
        "SELECT 'transfer ' || t.id || ' ' || t.debit || ' > ' || t.credit FROM transfer AS t"
        " WHERE t.debit = t.credit OR t.amount < 0 OR t.debit = '' OR t.credit = ''",
    ),
    (
        "I-07",
        "every transfer has the sides and the sign of its kind; nothing is charged as zero without usage or overrun",
        "transfer",
        "SELECT 'transfer ' || t.id || ' ' || t.kind || ' ' || t.amount || ' ' || t.debit || ' > ' || t.credit"  # noqa: S608
        f" FROM transfer AS t WHERE NOT ({_SIDES}) OR (kind = 'charge' AND amount = 0 AND usage IS NULL)",
    ),
    (
        "I-10",
        "a request is charged or voided once, under its own id",
        "transfer WHERE kind IN ('charge', 'void')",
        "SELECT 'request ' || coalesce(request, '?') || ' has ' || count(*) FROM transfer"
        " WHERE kind IN ('charge', 'void') GROUP BY request HAVING count(*) <> 1 OR min(id) <> min(request)"
        " OR min(request) IS NULL",
    ),
    (
        "I-12",
        "every charge names the usage it rests on and how that is known",
        "transfer WHERE kind = 'charge'",
        "SELECT 'transfer ' || t.id || ' ' || t.basis FROM transfer AS t WHERE t.kind = 'charge'"
        " AND (t.basis NOT IN ('reported', 'estimated', 'partial', 'recovered') OR t.usage IS NULL)",
    ),
    (
        "I-13",
        "a task at its end was charged or voided once, and none before; till then its money is held",
        "task",
        _TASKS,
    ),
    (
        "I-16",
        "no row names an account, key, price, lease or worker that does not exist",
        "transfer",
        " UNION ALL ".join(
            f"SELECT 'unknown {what} ' || named FROM ({names}) AS found"  # noqa: S608
            f" WHERE NOT EXISTS (SELECT 1 FROM {place})"
            for what, names, place in _REFERENCES
        ),
    ),
)
_UNSETTLED = (
    "SELECT 'request ' || t.request || ' has a ' || t.kind || ' and no charge or void' FROM transfer AS t"
    " WHERE t.kind IN ('cost', 'absorbed', 'overrun', 'refund') AND NOT EXISTS"
    " (SELECT 1 FROM transfer AS own WHERE own.id = t.request AND own.kind IN ('charge', 'void'))"
    " UNION ALL SELECT 'call ' || call.id || ' was charged by the log, not by the ledger' FROM call"
    " WHERE call.amount > 0 AND NOT EXISTS"
    " (SELECT 1 FROM transfer AS own WHERE own.id = call.id AND own.kind = 'charge')"
    " UNION ALL SELECT 'lease ' || lease.id || ' is open though its worker is ' || ledger_worker.state FROM lease"
    " JOIN ledger_worker ON ledger_worker.id = lease.worker"
    " WHERE lease.state = 'open' AND ledger_worker.state <> 'live' AND lease.expires_ms < $1"
)


_GRACE_MS = 600_000
"""How long after its end a lease may wait for the next sweep."""


def row_checks(database: Database) -> Iterator[Check]:
    """I-01, I-07, I-10, I-12, I-13 and I-16. Raises StoreError."""
    for id_, title, counted, query in _CHECKS:
        [(seen,)] = database.execute(f"SELECT count(*) FROM {counted}")  # noqa: S608
        yield check(id_, title, int(seen or 0), (text for (text,) in database.execute(query)))


def unsettled(database: Database) -> list[str]:
    """Entries and log lines of calls that were never settled, and leases that should have ended (I-03)."""
    late_ms = database.now_ms() - _GRACE_MS
    return [str(text) for (text,) in database.execute(_UNSETTLED, (late_ms,))]
