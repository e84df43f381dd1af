"""Fresh books in either database."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import psycopg

from tests.chaos.loop import Books
from tests.support.postgres import PostgresServer


def sqlite_books(root: Path) -> Books:
    """In the SQLite file of a gateway that runs in `root`."""

    def ask(sql: str) -> Sequence[Sequence[Any]]:
        with closing(apsw.Connection(str(root / ".nexusflow" / "nexusflow.db"))) as connection:
            return list(connection.execute(sql))

    return Books("sqlite", {"kind": "sqlite"}, {}, ask)


def postgres_books(server: PostgresServer) -> Books:
    """In a new database of `server`."""
    url = server.new_database()

    def ask(sql: str) -> Sequence[Sequence[Any]]:
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()

    database = {"kind": "postgres", "url": {"env": "DATABASE_URL"}}
    return Books("postgres", database, {"DATABASE_URL": url}, ask)
