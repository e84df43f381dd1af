"""The embedded store: one SQLite file with numbered migrations (S-13..S-16)."""

from nexusflow.store.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnreachable,
    NotADatabase,
    SchemaTooNew,
    StoreError,
)
from nexusflow.store.sqlite import Database, open_database

__all__ = [
    "Database",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseFull",
    "DatabaseReadOnly",
    "DatabaseUnreachable",
    "NotADatabase",
    "SchemaTooNew",
    "StoreError",
    "open_database",
]
