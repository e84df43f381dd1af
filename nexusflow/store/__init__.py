"""The store: one SQLite file, or a PostgreSQL database that several machines share, with numbered migrations."""

from nexusflow.store.database import Database, Row, Value
from nexusflow.store.errors import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnreachable,
    NotADatabase,
    RuleBroken,
    SchemaTooNew,
    StoreError,
    TransactionSpoilt,
)
from nexusflow.store.opening import open_store
from nexusflow.store.paging import Page, in_order
from nexusflow.store.sqlite import SqliteDatabase, open_database

__all__ = [
    "Database",
    "DatabaseAway",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseFull",
    "DatabaseReadOnly",
    "DatabaseUnreachable",
    "NotADatabase",
    "Page",
    "Row",
    "RuleBroken",
    "SchemaTooNew",
    "SqliteDatabase",
    "StoreError",
    "TransactionSpoilt",
    "Value",
    "in_order",
    "open_database",
    "open_store",
]
