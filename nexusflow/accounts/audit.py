"""The audit log: one row for every change that an operator makes, in the transaction of the change (SEC-58).

The rows are numbered without a gap, so a row taken away by hand leaves a trace; nothing here changes or deletes one.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.store import Database

SYSTEM = "system"
"""The actor of what the program does by itself, such as the first key of a demonstration."""

ALONE = "accounts"
"""The transactions that may add a row to it, one after another, go by this name."""
_SECRET = re.compile(r"(sk-[\w-]{4})[\w-]{12,}")


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change: `actor` did `action` to `subject` (an id). `detail` says how, never with a secret."""

    id: str
    at_ms: int
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class Change(Struct, frozen=True):
    """A change under way, in a transaction of `database`. `at_ms` is its time by the database's clock."""

    database: Database
    actor: str
    at_ms: int

    def note(self, action: str, subject: str, /, **detail: object) -> None:
        """Write down what is done. A secret that somebody put into a name is shortened."""
        [(last,)] = self.database.execute("SELECT max(id) FROM audit")
        number = 1 + int(str(last).removeprefix("aud_")) if last is not None else 1
        text = _SECRET.sub(r"\1…", msgspec.json.encode(detail).decode())
        self.database.execute(
            "INSERT INTO audit (id, at_ms, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)",
            (f"aud_{number:012}", self.at_ms, self.actor, action, subject, text),
        )


@contextmanager
def change(database: Database, actor: str, *, directory: bool = False) -> Iterator[Change]:
    """A transaction for one change by `actor`, in which no other such change runs. Raises StoreError.

    `directory` tells all workers to read organisations, teams, users and budgets again.
    """
    with database.transaction(alone=ALONE):
        if directory:
            database.execute("UPDATE directory_change SET change = change + 1 WHERE id = 1")
        yield Change(database, actor, database.now_ms())


def entries(database: Database, limit: int = 100, *, before: str | None = None) -> list[AuditEntry]:
    """The latest entries, the newest first; `before` is the id of the last one of the page before."""
    condition = "" if before is None else "WHERE id < $2 "
    rows = database.execute(
        f"SELECT id, at_ms, actor, action, subject, detail FROM audit {condition}ORDER BY id DESC LIMIT $1",  # noqa: S608
        (limit,) if before is None else (limit, before),
    )
    names = AuditEntry.__struct_fields__
    return [
        msgspec.convert(dict(zip(names, (*row, msgspec.json.decode(str(detail))), strict=True)), AuditEntry)
        for *row, detail in rows
    ]
