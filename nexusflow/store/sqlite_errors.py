"""From what SQLite reports to a typed error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from nexusflow.store.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnreachable,
    NotADatabase,
    RuleBroken,
    StoreError,
)

_RESTORE = "Stop every process that uses it, keep a copy, and restore the file from a backup; it was not changed."

# The first matching row wins, so a subclass must come before its base.
_MEANINGS: tuple[tuple[type[apsw.Error], type[StoreError], str, str], ...] = (
    (apsw.NotADBError, NotADatabase, "is not a NexusFlow database.", f"Name another file, or: {_RESTORE}"),
    (apsw.CorruptError, DatabaseCorrupt, "is damaged.", _RESTORE),
    (apsw.ReadOnlyError, DatabaseReadOnly, "cannot be written.", "Let this user write to the file and its folder."),
    (apsw.FullError, DatabaseFull, "cannot grow, because its disk is full.", "Free disk space and try again."),
    (apsw.ConstraintError, RuleBroken, "refuses a row that breaks a rule of its table.", "Change what is stored."),
    (apsw.BusyError, DatabaseBusy, "stayed locked by another process.", "Find what holds it and try again."),
    (
        apsw.CantOpenError,
        DatabaseUnreachable,
        "cannot be opened.",
        "Check that it is a file, and that this user may read and write it and create files in its folder.",
    ),
)


def explain(error: apsw.Error, path: Path) -> StoreError:
    """The typed error for what SQLite reported about the file at `path`."""
    for raised, typed, sentence, remedy in _MEANINGS:
        if isinstance(error, raised):
            return typed(f"The database {path} {sentence}", remedy)
    return StoreError(f"The database {path} failed: {error}.", "Check the disk and the log of the operating system.")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise a StoreError in place of any SQLite error of the block."""
    try:
        yield
    except apsw.Error as error:
        raise explain(error, path) from error
