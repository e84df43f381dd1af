"""The call log: which model was asked, which answered, what it cost and how long it took. Kept for a time."""

from msgspec import Struct

from nexusflow.reports.usage import Span, Whose
from nexusflow.store import Database, Value

LONGEST = 1_000
"""Rows of one page at most."""


class LoggedCall(Struct, frozen=True, kw_only=True):
    """One call. Columns as in the table `call`; `amount` in nano-units, times in milliseconds."""

    id: str
    at_ms: int
    org: str
    team: str | None
    key_id: str
    user_tag: str | None
    protocol: str
    model: str
    answered_by: str | None
    provider: str | None
    stream: bool
    status: int
    outcome: str
    error: str | None
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    source: str
    amount: int
    first_ms: int | None
    total_ms: int
    attempts: int


_COLUMNS = ", ".join(LoggedCall.__struct_fields__)


def calls(
    database: Database, span: Span, whose: Whose, *, limit: int = 100, before: str | None = None
) -> list[LoggedCall]:
    """The newest calls first; `before` is the id of the last one seen, for the next page. Raises `StoreError`."""
    wanted = {"org": whose.org, "team": whose.team, "key_id": whose.key, "model": whose.model, "user_tag": whose.tag}
    params: list[Value] = [span.since_ms, span.until_ms]
    clause = ""
    for name, value in (*wanted.items(), ("id <", before)):
        if value is not None:
            params.append(value)
            clause += f" AND {name} {'' if name.endswith('<') else '= '}${len(params)}"
    rows = database.execute(
        f"SELECT {_COLUMNS} FROM call WHERE at_ms >= $1 AND at_ms < $2{clause}"  # noqa: S608  # names are ours
        f" ORDER BY id DESC LIMIT {min(limit, LONGEST)}",
        params,
    )
    return [_call(row) for row in rows]


def call(database: Database, id_: str, whose: Whose) -> LoggedCall | None:
    """The one call with this id, if it is theirs."""
    rows = database.execute(f"SELECT {_COLUMNS} FROM call WHERE id = $1", (id_,))  # noqa: S608  # names are ours
    found = _call(rows[0]) if rows else None
    if found is None or (whose.org or found.org) != found.org or (whose.key or found.key_id) != found.key_id:
        return None
    return found


def _call(row: tuple[Value, ...]) -> LoggedCall:
    values = dict(zip(LoggedCall.__struct_fields__, row, strict=True))
    return LoggedCall(**{**values, "stream": bool(values["stream"])})  # type: ignore[arg-type]  # the schema types them
