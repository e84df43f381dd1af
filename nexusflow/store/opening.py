"""From the plan's words to an open store."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nexusflow.ir.plan import CredentialRef, DatabaseAt
from nexusflow.ir.secret import Secret, read_secret
from nexusflow.store.database import Database
from nexusflow.store.errors import DatabaseUnreachable
from nexusflow.store.sqlite import open_database


def open_store(at: DatabaseAt, root: Path, environ: Mapping[str, str] = os.environ) -> Database:
    """The store that `at` names, migrated. Relative paths are meant from `root`. Raises StoreError."""
    if at.kind == "sqlite":
        return open_database(root / at.path)
    # psycopg costs time and memory that users of SQLite need not pay.
    from nexusflow.store.postgres import open_postgres

    return open_postgres(_address(at.url, root, environ), at.pool_max)


def _address(reference: CredentialRef | None, root: Path, environ: Mapping[str, str]) -> Secret:
    if reference is None:
        raise DatabaseUnreachable("The PostgreSQL database has no address.", "Set `stores.database.url`.")
    if reference.source == "file":
        reference = msgspec.structs.replace(reference, name=str(root / reference.name))
    url = read_secret(reference, environ)
    if url is None:
        where = "environment variable" if reference.source == "env" else "file"
        raise DatabaseUnreachable(
            f"The {where} {reference.name}, which should hold the database's address, is missing or empty.",
            "Let it hold a URL such as postgresql://user:password@host:5432/nexusflow.",
        )
    return url
