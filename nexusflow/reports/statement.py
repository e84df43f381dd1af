"""The monthly statement of one organisation: what it had, what it used, what is left. It equals the ledger."""

import csv
import io
from datetime import UTC, datetime

from msgspec import Struct

from nexusflow.ir.money import as_text
from nexusflow.ledger import records
from nexusflow.reports.usage import Span, UsageLine, Whose, report
from nexusflow.store import Database

_FIELDS = ("model", "requests", "input", "cache_read", "cache_write", "output", "reasoning")


class Movement(Struct, frozen=True):
    """Money that an operator moved: a top-up, an adjustment."""

    id: str
    at_ms: int
    kind: str
    amount: int
    reason: str | None


class Statement(Struct, frozen=True, kw_only=True):
    """Amounts in nano-units. `opening + credits - charged + refunded = closing`."""

    org: str
    month: str
    currency: str
    opening: int
    credited: int
    charged: int
    refunded: int
    closing: int
    lines: list[UsageLine]
    movements: list[Movement]


def month_span(month: str) -> Span:
    """The milliseconds of a month like `2026-11`. Raises `ValueError`."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return Span(int(first.timestamp() * 1000), int(after.timestamp() * 1000))


def statement(database: Database, org: str, month: str, currency: str) -> Statement:
    """The statement of `month`, all of it as of one moment. Raises `StoreError`, and `ValueError` for a bad month."""
    span = month_span(month)
    with database.snapshot():
        opening = _balance(database, org, span.since_ms)
        closing = _balance(database, org, span.until_ms)
        lines = report(database, span, ("model",), Whose(org=org))
        movements = _movements(database, org, span)
    return Statement(
        org=org,
        month=month,
        currency=currency,
        opening=opening,
        credited=sum(one.amount for one in movements),
        charged=sum(line.charged for line in lines),
        refunded=sum(line.refunded for line in lines),
        closing=closing,
        lines=lines,
        movements=movements,
    )


def as_csv(found: Statement) -> str:
    """The statement as a table: one row per model, then movements and balances."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("kind", *_FIELDS, f"amount_{found.currency}"))
    writer.writerow(("opening", *_blank(), as_text(found.opening)))
    for move in found.movements:
        writer.writerow((move.kind, move.reason or "", *_blank()[1:], as_text(move.amount)))
    for line in found.lines:
        counts = (getattr(line, name) for name in _FIELDS[1:])
        writer.writerow(("usage", line.group["model"] or "", *counts, as_text(-line.charged)))
        if line.refunded:
            writer.writerow(("refund", line.group["model"] or "", *_blank()[1:], as_text(line.refunded)))
    writer.writerow(("closing", *_blank(), as_text(found.closing)))
    return out.getvalue()


def _blank() -> tuple[str, ...]:
    return ("",) * len(_FIELDS)


def _balance(database: Database, org: str, before_ms: int) -> int:
    """What the wallet held before a moment: everything it received, less everything it paid."""
    account = records.wallet(org)
    [(received, paid)] = database.execute(
        "SELECT coalesce(sum(CASE WHEN credit = $1 THEN amount ELSE 0 END), 0),"
        " coalesce(sum(CASE WHEN debit = $1 THEN amount ELSE 0 END), 0)"
        " FROM transfer WHERE org = $2 AND at_ms < $3",
        (account, org, before_ms),
    )
    return int(received or 0) - int(paid or 0)


def _movements(database: Database, org: str, span: Span) -> list[Movement]:
    rows = database.execute(
        "SELECT id, at_ms, kind, amount, reason, credit FROM transfer WHERE org = $1 AND at_ms >= $2 AND at_ms < $3"
        " AND kind IN ('credit', 'adjust') ORDER BY at_ms, id",
        (org, span.since_ms, span.until_ms),
    )
    account = records.wallet(org)
    return [
        Movement(
            str(id_),
            int(at or 0),
            str(kind),
            int(amount or 0) if credit == account else -int(amount or 0),
            None if reason is None else str(reason),
        )
        for id_, at, kind, amount, reason, credit in rows
    ]
