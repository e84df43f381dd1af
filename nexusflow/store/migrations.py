"""Numbered SQL files, applied once each and in order, whichever process comes first."""

import time
from importlib.resources import files

from msgspec import Struct

from nexusflow.store.database import Database
from nexusflow.store.errors import NotADatabase, SchemaTooNew

_VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    applied_ms INTEGER NOT NULL
) STRICT
"""


class Migration(Struct, frozen=True):
    """One step of the schema: `0001_keys.sql` is version 1, named `keys`."""

    version: int
    name: str
    sql: str


def known_migrations() -> list[Migration]:
    """The steps that this version of the program carries as package data, in order."""
    # The folder has the name of this module, which wins as an import; as a resource both are reachable.
    folder = files("nexusflow.store").joinpath("migrations")
    steps = []
    for entry in folder.iterdir():
        number, _, name = entry.name.removesuffix(".sql").partition("_")
        steps.append(Migration(int(number), name, entry.read_text(encoding="utf-8")))
    return sorted(steps, key=lambda step: step.version)


def migrate(database: Database) -> None:
    """Apply the steps that `database` lacks, all or none, under the write lock.

    A process that comes second waits for the lock and then finds nothing to do. Raises, before changing anything,
    SchemaTooNew when a newer NexusFlow was here and NotADatabase when it is another program's; else StoreError.
    """
    steps = known_migrations()
    newest = steps[-1].version
    with database.migrating():
        tables = database.tables()
        if tables and "schema_version" not in tables:
            raise NotADatabase(f"The database {database.label} belongs to another program.", "Name another one.")
        database.execute(database.dialect(_VERSION_TABLE))
        [(found,)] = database.execute("SELECT coalesce(max(version), 0) FROM schema_version")
        current = int(found or 0)
        if current > newest:
            raise SchemaTooNew(
                f"The database {database.label} has schema {current}, but this NexusFlow knows only {newest}.",
                "Start the newer version again, or restore the backup made before the upgrade.",
            )
        for step in steps:
            if step.version > current:
                database.execute(database.dialect(step.sql))
                database.execute(
                    "INSERT INTO schema_version (version, name, applied_ms) VALUES ($1, $2, $3)",
                    (step.version, step.name, time.time_ns() // 1_000_000),
                )
