"""The call log and the use of keys, written with the transfers of the calls."""

from collections.abc import Sequence

from nexusflow.ledger.book.many import chunks, values
from nexusflow.ledger.records import CallLine, Closed
from nexusflow.store import Database, Value

_OWN = ("id", "at_ms", "org", "team", "key_id", "user_tag")
_COLUMNS = (*_OWN, *CallLine.__struct_fields__)


def log(database: Database, new: Sequence[Closed], noted: Sequence[Closed]) -> None:
    """Write the lines of calls, and count each once for its key. Raises StoreError.

    `new` is not in the log yet; of `noted`, calls that have no entry in the ledger, a line may be.
    """
    lines = [one for one in (*new, *noted) if one.call is not None]
    if not lines:
        return
    written = database.insert_new("call", _COLUMNS, [_row(one) for one in lines])
    uses: dict[str, tuple[int, int]] = {}
    for one in lines:
        if one.id in written:
            count, last = uses.get(one.key, (0, 0))
            uses[one.key] = (count + 1, max(last, one.at_ms))
    for some in chunks([(key, *uses[key]) for key in sorted(uses)]):
        text, params = values(some)
        database.execute(
            f"INSERT INTO key_use (key_id, calls, last_used_ms) {text}"
            " ON CONFLICT (key_id) DO UPDATE SET calls = key_use.calls + excluded.calls, last_used_ms ="
            " CASE WHEN excluded.last_used_ms > key_use.last_used_ms THEN excluded.last_used_ms"
            " ELSE key_use.last_used_ms END",
            params,
        )


def _row(closed: Closed) -> tuple[Value, ...]:
    call = closed.call
    assert call is not None
    return (
        closed.id, closed.at_ms, closed.org, closed.team, closed.key, closed.user, call.protocol, call.model,
        call.answered_by, call.provider, int(call.stream), call.status, call.outcome, call.error, call.input,
        call.cache_read, call.cache_write, call.output, call.reasoning, call.source, call.amount, call.first_ms,
        call.total_ms, call.attempts,
    )  # fmt: skip
