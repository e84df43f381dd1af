"""Pages of tasks: newest first, by what a caller asks for."""

from collections.abc import Sequence

from msgspec import Struct

from nexusflow.store import Database, Value
from nexusflow.tasks.model import COLUMNS, Task, read


class Wanted(Struct, frozen=True, kw_only=True):
    """Which tasks: None does not matter. `after` is the id of the last one of the page before; times are exclusive."""

    owner: str | None = None
    key_id: str | None = None
    states: Sequence[str] | None = None
    model: str | None = None
    type: str | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    after: str | None = None
    limit: int = 20


def page(database: Database, wanted: Wanted) -> list[Task]:
    """The tasks, the newest first. Raises StoreError."""
    params: list[Value] = [database.now_ms()]
    where = ["(expires_ms > $1 OR state = 'unknown')"]

    def add(text: str, *values: Value) -> None:
        where.append(text.format(*(f"${len(params) + at}" for at in range(1, len(values) + 1))))
        params.extend(values)

    for name in ("owner", "key_id", "model", "type"):
        value = getattr(wanted, name)
        if value is not None:
            add(f"{name} = {{}}", value)
    if wanted.states is not None:
        add(f"state IN ({', '.join(['{}'] * len(wanted.states))})", *wanted.states)
    if wanted.after_ms is not None:
        add("created_ms > {}", wanted.after_ms)
    if wanted.before_ms is not None:
        add("created_ms < {}", wanted.before_ms)
    if wanted.after is not None:
        add("(created_ms, id) < (SELECT created_ms, id FROM task WHERE id = {})", wanted.after)
    params.append(wanted.limit)
    rows = database.execute(
        f"SELECT {', '.join(COLUMNS)} FROM task WHERE {' AND '.join(where)}"  # noqa: S608
        f" ORDER BY created_ms DESC, id DESC LIMIT ${len(params)}",
        params,
    )
    return [read(row) for row in rows]
