"""Many rows in one statement, in words that both databases understand."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from nexusflow.store import Database, Value

CHUNK = 250
"""Rows per statement: a round trip for each costs more, and a longer text costs more to read than it saves."""

_T = TypeVar("_T")


def chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """`items` in pieces of at most `CHUNK`, in order."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def marks(count: int, first: int = 1) -> str:
    """`$1, $2, $3`."""
    return ", ".join([f"${number}" for number in range(first, first + count)])


def values(rows: Sequence[Sequence[Value]]) -> tuple[str, list[Value]]:
    """The text of a table of `rows`, whose columns are called column1, column2, …, and its parameters."""
    width = len(rows[0])
    lines = [f"({marks(width, first)})" for first in range(1, len(rows) * width, width)]
    return f"VALUES {', '.join(lines)}", [value for row in rows for value in row]


def update_from(database: Database, table: str, change: str, where: str, rows: Sequence[Sequence[Value]]) -> None:
    """`UPDATE table SET change` by `rows`, which `change` and `where` know as the table v (see `values`)."""
    for some in chunks(rows):
        text, params = values(some)
        database.execute(f"UPDATE {table} SET {change} FROM ({text}) AS v WHERE {where}", params)  # noqa: S608
