"""Stored responses in the database. Every method blocks on the disk: call them from a thread.

Owner isolation: each statement names the key, so a foreign id is an unknown id. Times are milliseconds since 1970.
"""

import contextlib
from collections.abc import Collection
from contextlib import AbstractContextManager

from msgspec import Raw

from nexusflow.responses.items import item_id
from nexusflow.responses.model import DAY_MS, Retention, StoredResponse
from nexusflow.store import Database, Value

EXPIRED_AT_ONCE = 50
"""Conversations of its key removed by one save, so that no save waits for a long clean-up."""

_ALL = 1 << 31


class ResponseTable:
    """The responses of one database. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database, retention: Retention | None = None) -> None:
        self._database = database
        self.retention = retention if retention is not None else Retention()

    def save(self, stored: StoredResponse, now_ms: int) -> bool:
        """Keep a response, and the conversation it continues for as long. False when there is no room for it: it is too
        large, or its own conversation already takes all that its key may store.

        Saving an id again changes nothing: ids are ours or the provider's, and one is never used twice for a key.
        """
        size = stored.size
        if size > self.retention.context_bytes:
            return False
        expires = now_ms + self.retention.days * DAY_MS
        with contextlib.suppress(_NoRoom), self._alone(stored.key_id):
            owned = (stored.id, stored.key_id)
            if self._database.execute("SELECT 1 FROM response WHERE id = $1 AND key_id = $2", owned):
                return True
            thread = self._thread(stored, expires)
            self._database.execute(
                "INSERT INTO response (id, thread, key_id, model, previous, created_ms, expires_ms, bytes, body)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                (
                    *(stored.id, thread, stored.key_id, stored.model, stored.previous),
                    *(stored.created_ms, expires, size, stored.body),
                ),
            )
            self._save_items(stored)
            self._remove_expired(stored.key_id, now_ms, EXPIRED_AT_ONCE)
            self._make_room(stored.key_id, thread)
            return True
        return False

    def load(self, id_: str, key_id: str, now_ms: int) -> bytes | None:
        """The whole response as JSON."""
        rows = self._database.execute(
            "SELECT body FROM response WHERE id = $1 AND key_id = $2 AND expires_ms > $3", (id_, key_id, now_ms)
        )
        return _blob(rows[0][0]) if rows else None

    def chain(self, id_: str, key_id: str, now_ms: int) -> list[Raw] | None:
        """Every item of the conversation up to and including this response's output, the oldest first.

        None when the response, or one that it continues, is unknown, expired or deleted: half a conversation would
        silently be another one. Raises `ContextTooLarge`.
        """
        found = self._walk(id_, key_id, now_ms, "")
        return None if found is None else [item for _, item in found]

    def input_items(self, id_: str, key_id: str, now_ms: int) -> list[tuple[str, Raw]] | None:
        """Every item that this response was made from, with its id: the conversation before it and its own input."""
        return self._walk(id_, key_id, now_ms, "AND NOT (i.output = 1 AND chain.depth = 0)")

    def items(self, ids: Collection[str], key_id: str, now_ms: int) -> dict[str, Raw]:
        """Stored items by id, for `item_reference`; those that the key does not have are missing."""
        found: dict[str, Raw] = {}
        for id_ in ids:
            rows = self._database.execute(
                "SELECT i.body FROM response_item i JOIN response r ON r.key_id = i.key_id AND r.id = i.response_id"
                " WHERE i.item_id = $1 AND i.key_id = $2 AND r.expires_ms > $3 ORDER BY i.seq DESC LIMIT 1",
                (id_, key_id, now_ms),
            )
            if rows:
                found[id_] = Raw(_blob(rows[0][0]))
        return found

    def delete(self, id_: str, key_id: str, now_ms: int) -> bool:
        """Remove a response and its items. False when the key has none with this id."""
        with self._alone(key_id):
            rows = self._database.execute(
                "DELETE FROM response WHERE id = $1 AND key_id = $2 AND expires_ms > $3 RETURNING thread",
                (id_, key_id, now_ms),
            )
            for (thread,) in rows:
                self._database.execute(
                    "DELETE FROM response_thread WHERE id = $1"
                    " AND NOT EXISTS (SELECT 1 FROM response WHERE thread = $1)",
                    (thread,),
                )
        return bool(rows)

    def expire(self, now_ms: int) -> int:
        """Remove every conversation whose time is over; how many these were. For a timer: each save removes some."""
        keys = self._database.execute("SELECT DISTINCT key_id FROM response_thread WHERE expires_ms <= $1", (now_ms,))
        removed = 0
        for (key_id,) in keys:
            with self._alone(str(key_id)):
                removed += self._remove_expired(str(key_id), now_ms, _ALL)
        return removed

    def _alone(self, key_id: str) -> AbstractContextManager[None]:
        """A transaction that nothing else of this key runs beside: conversations and their sum change together."""
        return self._database.transaction(alone=f"responses:{key_id}")

    def _thread(self, stored: StoredResponse, expires: int) -> Value:
        """The conversation that `stored` continues, kept as long as it from now on, or a new one."""
        rows = self._database.execute(
            "UPDATE response_thread SET expires_ms ="
            " CASE WHEN expires_ms < $3 THEN $3 ELSE expires_ms END"
            " WHERE id = (SELECT thread FROM response WHERE id = $1 AND key_id = $2) RETURNING id",
            (stored.previous, stored.key_id, expires),
        ) or self._database.execute(
            "INSERT INTO response_thread (key_id, expires_ms) VALUES ($1, $2) RETURNING id", (stored.key_id, expires)
        )
        return rows[0][0]

    def _save_items(self, stored: StoredResponse) -> None:
        for output, items in ((0, stored.input), (1, stored.output)):
            for position, item in enumerate(items):
                self._database.execute(
                    "INSERT INTO response_item (key_id, response_id, output, position, item_id, body)"
                    " VALUES ($1, $2, $3, $4, $5, $6)",
                    (
                        *(stored.key_id, stored.id, output, position),
                        *(item_id(item, stored.id, position), bytes(item)),
                    ),
                )

    def _walk(self, id_: str, key_id: str, now_ms: int, condition: str) -> list[tuple[str, Raw]] | None:
        with self._database.snapshot():
            found = self._database.execute(
                f"{_CHAIN}SELECT sum(bytes), count(*) FILTER (WHERE previous IS NULL) FROM chain",  # noqa: S608
                (id_, key_id, now_ms),
            )
            size, whole = found[0]
            if not whole:
                return None
            if int(size or 0) > self.retention.context_bytes:
                raise ContextTooLarge
            rows = self._database.execute(
                f"{_CHAIN}SELECT i.item_id, i.body FROM chain JOIN response_item i"  # noqa: S608
                f" ON i.key_id = $2 AND i.response_id = chain.id WHERE TRUE {condition}"
                " ORDER BY chain.depth DESC, i.output, i.position",
                (id_, key_id, now_ms),
            )
        return [(str(item), Raw(_blob(body))) for item, body in rows]

    def _remove_expired(self, key_id: str, now_ms: int, most: int) -> int:
        return len(
            self._database.execute(
                "DELETE FROM response_thread WHERE id IN (SELECT id FROM response_thread"
                " WHERE key_id = $1 AND expires_ms <= $2 ORDER BY expires_ms LIMIT $3) RETURNING id",
                (key_id, now_ms, most),
            )
        )

    def _make_room(self, key_id: str, keep: Value) -> None:
        """Remove the key's longest unused conversations, never the current one, until it is within its bound."""
        while True:
            rows = self._database.execute("SELECT bytes FROM response_volume WHERE key_id = $1", (key_id,))
            if not rows or int(rows[0][0] or 0) <= self.retention.key_bytes:
                return
            removed = self._database.execute(
                "DELETE FROM response_thread WHERE id = (SELECT id FROM response_thread"
                " WHERE key_id = $1 AND id <> $2 ORDER BY expires_ms, id LIMIT 1) RETURNING id",
                (key_id, keep),
            )
            if not removed:
                raise _NoRoom


class _NoRoom(Exception):
    """Rolls a save back."""


class ContextTooLarge(Exception):
    """The stored conversation exceeds `Retention.context_bytes`."""


# The response itself must be within its time; what it continues is context, which its thread keeps as long.
_CHAIN = (
    "WITH RECURSIVE chain (id, previous, bytes, depth) AS ("
    " SELECT id, previous, bytes, 0 FROM response WHERE id = $1 AND key_id = $2 AND expires_ms > $3"
    " UNION ALL"
    " SELECT r.id, r.previous, r.bytes, chain.depth + 1 FROM chain JOIN response r"
    " ON r.id = chain.previous AND r.key_id = $2) "
)


def _blob(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""
