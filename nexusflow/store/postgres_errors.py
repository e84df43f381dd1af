"""From what PostgreSQL and libpq report to a typed error. No message carries a password or a user."""

import psycopg

from nexusflow.store.errors import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseReadOnly,
    RuleBroken,
    StoreError,
    TransactionSpoilt,
)

_AWAY = (DatabaseAway, "went away.", "Check that the server runs and that the network lets this machine reach it.")
_BUSY = (DatabaseBusy, "was kept waiting by another process.", "Find what holds the lock and try again.")
_DENIED = (DatabaseReadOnly, "cannot be written.", "Give this user the right to write, or name the primary server.")
_DAMAGED = (DatabaseCorrupt, "is damaged.", "Stop every process that uses it and restore it from a backup.")

_IN_FAILED_TRANSACTION = "25P02"

# SQLSTATE codes (PostgreSQL documentation, appendix A) by their beginning; the first that fits wins.
_MEANINGS: tuple[tuple[str, tuple[type[StoreError], str, str]], ...] = (
    ("08", _AWAY),
    ("57P", _AWAY),
    ("25P03", _AWAY),
    ("53300", (DatabaseBusy, "has no free connection.", "Raise max_connections, or lower `stores.database.pool_max`.")),
    ("53100", (DatabaseFull, "cannot grow, because its disk is full.", "Free disk space and try again.")),
    ("55P03", _BUSY),
    ("40P01", _BUSY),
    ("40001", _BUSY),
    ("57014", _BUSY),
    ("25006", _DENIED),
    ("42501", _DENIED),
    ("23", (RuleBroken, "refuses a row that breaks a rule of its table.", "Change what is stored.")),
    ("XX001", _DAMAGED),
    ("XX002", _DAMAGED),
)


def explain(error: psycopg.Error, label: str, *, lost: bool) -> StoreError:
    """The typed error for what a statement met; `lost` when its connection did not survive it."""
    code = error.sqlstate or ""
    if code == _IN_FAILED_TRANSACTION:
        return TransactionSpoilt(label)
    found = _AWAY if lost else next((meaning for start, meaning in _MEANINGS if code.startswith(start)), None)
    if found is None:
        said = error.diag.message_primary or _first_line(error)
        return StoreError(f"The database {label} failed: {said}.", "Check the log of the server.")
    typed, sentence, remedy = found
    return typed(f"The database {label} {sentence}", remedy)


def explain_refusal(error: psycopg.Error, label: str, password: str) -> DatabaseAway:
    """The typed error for a connection that could not be made. libpq gives no code for it, only words."""
    said = _first_line(error).replace(password, "***") if password else _first_line(error)
    return DatabaseAway(
        f"The database {label} cannot be reached: {said}.",
        "Check that the server runs, and host, port, database, user and password of its URL.",
    )


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0].rstrip(".")
