"""The hot path's view of the keys: a dict in memory that follows the database within a second."""

import logging
import secrets
from collections.abc import Callable
from hmac import compare_digest

from msgspec.structs import replace

from nexusflow.keys.model import Key, wall_ms
from nexusflow.keys.pepper import bind_pepper
from nexusflow.keys.rows import COLUMNS, key_of
from nexusflow.store import Database
from nexusflow.store.follow import Follower

LONGEST_CREDENTIAL = 200  # bytes; anything longer is not worth a hash
_FOREVER_MS = 1 << 62
_log = logging.getLogger("nexusflow.keys")

_Entry = tuple[bytes, int, Key]


class KeyCache(Follower):
    """Customer keys by digest, for one process. `lookup` never touches the database; `refresh` follows it."""

    def __init__(self, database: Database, pepper: bytes, clock: Callable[[], int] = wall_ms) -> None:
        """Load every key of `database`. `clock` gives milliseconds since 1970. Raises PepperProblem and StoreError."""
        self._digest = bind_pepper(database, pepper)
        super().__init__(database, _log, "keys")
        self._clock = clock
        self._table: dict[bytes, _Entry] = {}
        self._change = 0
        nobody = Key(id="", name="", prefix="", last4="", created_ms=0)
        self._unknown: _Entry = (secrets.token_bytes(32), 0, nobody)
        self.refresh()

    def __len__(self) -> int:
        return len(self._table)

    def lookup(self, credential: bytes | str) -> Key | None:
        """The active key that `credential` is a secret of, or None. About 2 µs, no I/O.

        Malformed, unknown, revoked and expired credentials all take the path of a valid one (SEC-52, C-21): a digest,
        one dict lookup, one comparison in constant time, one look at the clock.
        """
        raw = credential if isinstance(credential, bytes) else credential.encode("utf-8", "surrogatepass")
        if len(raw) > LONGEST_CREDENTIAL:
            return None
        digest = self._digest(raw)
        stored, ends_ms, key = self._table.get(digest, self._unknown)
        # `&`, not `and`: both questions are always asked.
        return key if compare_digest(stored, digest) & (self._clock() < ends_ms) else None

    def _take(self, reader: Database) -> bool:
        [(newest, count)] = reader.execute("SELECT coalesce(max(change), 0), count(*) FROM api_key")
        before = self._table
        changed = _load(reader, since=self._change)
        table = before | changed if changed else before
        # A restored backup has fewer changes or other rows than we remember: then only a whole load is right.
        if int(newest or 0) < self._change or len(table) != count:
            table = _load(reader, since=0)
        self._table, self._change = table, int(newest or 0)
        return table is not before


def _load(reader: Database, since: int) -> dict[bytes, _Entry]:
    """The rows written after change number `since`."""
    rows = reader.execute(f"SELECT digest, {COLUMNS} FROM api_key WHERE change > $1", (since,))  # noqa: S608
    table = {}
    for digest, *columns in rows:
        key = key_of(columns)
        ends_ms = 0 if key.revoked_ms is not None else _FOREVER_MS if key.expires_ms is None else key.expires_ms
        if key.replaced_by is not None:
            key = replace(key, id=key.replaced_by)  # a former secret speaks for the key that it belongs to
        assert isinstance(digest, bytes)
        table[digest] = (digest, ends_ms, key)
    return table
