"""Usage by organisation, team, key, model, provider, day or tag, summed over the ledger's own lines.

Sums are made from transfers, which are kept for ever, and not from the call log, which is not: a report of any month
equals the ledger whenever it is asked for.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from nexusflow.ir.usage import Usage
from nexusflow.store import Database, Value

Dimension = Literal["org", "team", "key", "model", "provider", "day", "tag"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
PAGE = 5_000
_COLUMNS: dict[Dimension, str] = {
    "org": "org",
    "team": "team",
    "key": "key_id",
    "model": "model",
    "provider": "provider",
    "tag": "user_tag",
    "day": "at_ms",
}
_CUSTOMERS = ("charge", "void", "refund")
_decode = msgspec.json.Decoder(Usage).decode


class Span(Struct, frozen=True):
    """From `since_ms` on, before `until_ms`."""

    since_ms: int
    until_ms: int


class Whose(Struct, frozen=True, kw_only=True):
    """What a report is limited to; None is everything."""

    org: str | None = None
    team: str | None = None
    key: str | None = None
    model: str | None = None
    tag: str | None = None


class UsageLine(Struct, kw_only=True):
    """One row of a report. Amounts in nano-units; `estimated` counts requests whose usage nobody reported."""

    group: dict[str, str | None]
    requests: int = 0
    estimated: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    charged: int = 0
    refunded: int = 0

    @property
    def net(self) -> int:
        """What is to be paid."""
        return self.charged - self.refunded


def report(database: Database, span: Span, by: Sequence[Dimension], whose: Whose) -> list[UsageLine]:
    """One line per combination of `by`, in its order. Raises `StoreError`."""
    lines: dict[tuple[str | None, ...], UsageLine] = {}
    for dimensions, kind, amount, usage, basis in _rows(database, span, by, whose):
        line = lines.get(dimensions)
        if line is None:
            line = lines[dimensions] = UsageLine(group=dict(zip(by, dimensions, strict=True)))
        if kind == "refund":
            line.refunded += amount
            continue
        line.requests += 1
        line.charged += amount
        line.estimated += basis not in ("reported", "none")
        if usage is not None:
            _add(line, _decode(usage))
    return [lines[key] for key in sorted(lines, key=lambda key: tuple(part or "" for part in key))]


def _add(line: UsageLine, usage: Usage) -> None:
    line.input += usage.total_input
    line.cache_read += usage.cache_read
    line.cache_write += usage.cache_write
    line.output += usage.total_output
    line.reasoning += usage.output_reasoning or 0


Row = tuple[tuple[str | None, ...], str, int, str | None, str]


def _rows(database: Database, span: Span, by: Sequence[Dimension], whose: Whose) -> Iterator[Row]:
    """The customers' lines of the span, page by page."""
    columns = "".join(f", {_COLUMNS[dimension]}" for dimension in by)
    wanted = {"org": whose.org, "team": whose.team, "key_id": whose.key, "model": whose.model, "user_tag": whose.tag}
    limits = [(name, value) for name, value in wanted.items() if value is not None]
    at, last = span.since_ms, ""
    while True:
        params: list[Value] = [at, last, span.until_ms, *(value for _, value in limits)]
        clause = "".join(f" AND {name} = ${number}" for number, (name, _) in enumerate(limits, 4))
        rows = database.execute(
            f"SELECT at_ms, id, kind, amount, usage, basis{columns} FROM transfer"  # noqa: S608  # names are ours
            " WHERE (at_ms > $1 OR at_ms = $1 AND id > $2) AND at_ms < $3"
            f" AND kind IN {_CUSTOMERS}{clause} ORDER BY at_ms, id LIMIT {PAGE}",
            params,
        )
        for at_ms, id_, kind, amount, usage, basis, *found in rows:
            at, last = int(at_ms or 0), str(id_)
            named = tuple(
                day_of(int(value or 0)) if dimension == "day" else None if value is None else str(value)
                for dimension, value in zip(by, found, strict=True)
            )
            yield named, str(kind), int(amount or 0), None if usage is None else str(usage), str(basis)
        if len(rows) < PAGE:
            return


def day_of(moment_ms: int) -> str:
    """The day in UTC, as in `2026-11-23`."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%d")
