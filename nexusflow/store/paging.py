"""Lists in pages: the rows of one table in the order in which they were made."""

from collections.abc import Mapping

from msgspec import Struct

from nexusflow.store.database import Value


class Page(Struct, frozen=True):
    """A piece of a list: at most `limit` rows, after the row with the id `after`."""

    limit: int
    after: str | None = None


def in_order(table: str, wanted: Mapping[str, Value], page: Page | None) -> tuple[str, list[Value]]:
    """The end of a SELECT from `table`, and its parameters: rows with the `wanted` columns, the oldest first.

    Names are ours, values may be anybody's. Without a `page` all of them; after a row that does not exist comes none.
    """
    params = list(wanted.values())
    clauses = [f"{name} = ${number}" for number, name in enumerate(wanted, 1)]
    if page is not None and page.after is not None:
        params.append(page.after)
        clauses.append(f"(created_ms, id) > (SELECT created_ms, id FROM {table} WHERE id = ${len(params)})")  # noqa: S608
    ending = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    ending += "ORDER BY created_ms, id"
    return (ending if page is None else f"{ending} LIMIT {page.limit:d}"), params
