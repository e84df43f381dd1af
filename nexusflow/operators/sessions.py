"""Who is signed in: sessions live in the database, so they can be ended, and have an end whatever happens (SEC-08)."""

import secrets
from collections.abc import Callable

import msgspec

from nexusflow.operators.model import Operator
from nexusflow.store import Database

LONGEST_MS = 12 * 3_600_000
IDLE_MS = 30 * 60_000
_SEEN_MS = 60_000
"""A session is written to at most this often."""
_COLUMNS = ", ".join(f"operator.{name}" for name in Operator.__struct_fields__)


class SessionTable:
    """The sessions of one database. `digest` is the keyed digest of secrets. Every method raises StoreError."""

    def __init__(self, database: Database, digest: Callable[[bytes], bytes]) -> None:
        self._database = database
        self._digest = digest

    def open(self, operator: Operator) -> str:
        """A new session's secret, for the cookie; sessions that are over go at the same time."""
        secret, now_ms = secrets.token_urlsafe(32), self._database.now_ms()
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM operator_session WHERE created_ms < $1 OR seen_ms < $2",
                (now_ms - LONGEST_MS, now_ms - IDLE_MS),
            )
            self._database.execute(
                "INSERT INTO operator_session (digest, operator, created_ms, seen_ms) VALUES ($1, $2, $3, $3)",
                (self._digest(secret.encode()), operator.id, now_ms),
            )
        return secret

    def whose(self, secret: str) -> Operator | None:
        """Who is signed in by it; None where nobody is any more."""
        digest, now_ms = self._digest(secret.encode()), self._database.now_ms()
        rows = self._database.execute(
            f"SELECT operator_session.seen_ms, {_COLUMNS} FROM operator_session"  # noqa: S608
            " JOIN operator ON operator.id = operator_session.operator"
            " WHERE operator_session.digest = $1 AND operator_session.created_ms >= $2 AND seen_ms >= $3",
            (digest, now_ms - LONGEST_MS, now_ms - IDLE_MS),
        )
        if not rows:
            return None
        [(seen_ms, *columns)] = rows
        if now_ms - int(seen_ms or 0) > _SEEN_MS:
            self._database.execute("UPDATE operator_session SET seen_ms = $2 WHERE digest = $1", (digest, now_ms))
        return msgspec.convert(dict(zip(Operator.__struct_fields__, columns, strict=True)), Operator)

    def close(self, secret: str) -> None:
        """Sign out."""
        self._database.execute("DELETE FROM operator_session WHERE digest = $1", (self._digest(secret.encode()),))
