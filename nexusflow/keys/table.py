"""The keys in the database: create, list, find, revoke. Not for the hot path; see KeyCache for that."""

import base64
import secrets
from collections.abc import Sequence

import msgspec

from nexusflow.keys.model import Key, KeyAmbiguous, KeyInvalid, KeyUnknown, wall_ms
from nexusflow.keys.pepper import bind_pepper
from nexusflow.keys.secret import PREFIX_LENGTH, is_well_formed, new_secret
from nexusflow.store import Database
from nexusflow.store.sqlite import Value

COLUMNS = "id, name, prefix, last4, created_ms, expires_ms, revoked_ms"
Keys = list[Key]  # a name outside the class, where `list` is a method
NAME_LENGTH = 100  # characters
_ID_SCHEME = "key_"
_SHORTEST_PREFIX = 8  # characters, so that a slip of the finger names no key


class KeyTable:
    """The keys of one database. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        """Raises PepperProblem when `database` was made with another pepper."""
        self._database = database
        self._digest = bind_pepper(database, pepper)

    def create(self, name: str, expires_ms: int | None = None) -> tuple[Key, str]:
        """A new key and its secret, which exists nowhere else (SEC-51, SEC-53).

        `name` is 1 to 100 printable characters and need not be unique; `expires_ms` is a time in the future,
        milliseconds since 1970, or None for no end. Raises KeyInvalid.
        """
        now = wall_ms()
        if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable() or name.isspace():
            raise KeyInvalid(f"A key's name has 1 to {NAME_LENGTH} printable characters.")
        if expires_ms is not None and expires_ms <= now:
            raise KeyInvalid("A key's expiry must lie in the future.")
        secret = new_secret()
        key = Key(
            id=_ID_SCHEME + base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower(),
            name=name,
            prefix=secret[:PREFIX_LENGTH],
            last4=secret[-4:],
            created_ms=now,
            expires_ms=expires_ms,
        )
        with self._database.transaction():
            self._database.execute(
                f"INSERT INTO api_key ({COLUMNS}, digest, change) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"  # noqa: S608
                " (SELECT coalesce(max(change), 0) + 1 FROM api_key))",
                (*msgspec.structs.astuple(key), self._digest(secret.encode("ascii"))),
            )
        return key, secret

    def list(self) -> Keys:
        """All keys, the oldest first, with those revoked or expired."""
        return self._select("ORDER BY created_ms, id")

    def find(self, handle: str) -> Key:
        """The key with this id, secret, name, masked form, or beginning (8 characters or more) of its id or prefix.

        Keys not yet revoked are preferred, so that a name may be used again. Raises KeyUnknown and KeyAmbiguous.
        """
        if is_well_formed(handle):
            matches = self._select("WHERE digest = $1", (self._digest(handle.encode("ascii")),))
        else:
            matches = self._select("WHERE id = $1", (handle,)) or self._matching(handle)
        current = [key for key in matches if key.revoked_ms is None]
        candidates = current or matches
        if not candidates:
            raise KeyUnknown("No key has this id, name or prefix. `nexusflow keys list` shows all keys.")
        if len(candidates) > 1:
            ids = ", ".join(key.id for key in candidates[:5])
            raise KeyAmbiguous(f"{len(candidates)} keys match, use an id: {ids}{', …' if len(candidates) > 5 else ''}")
        return candidates[0]

    def revoke(self, handle: str) -> Key:
        """End the key that `find` names, at once and for good; a key already revoked is returned as it is.

        Raises KeyUnknown and KeyAmbiguous.
        """
        with self._database.transaction():
            key = self.find(handle)
            if key.revoked_ms is not None:
                return key
            revoked = msgspec.structs.replace(key, revoked_ms=wall_ms())
            self._database.execute(
                "UPDATE api_key SET revoked_ms = $1, change = (SELECT max(change) + 1 FROM api_key) WHERE id = $2",
                (revoked.revoked_ms, revoked.id),
            )
        return revoked

    def _matching(self, handle: str) -> Keys:
        """Keys named or shown as `handle`, or whose id or prefix begins with it."""
        # substr, because LIKE ignores case and gives "_" a meaning.
        return self._select(
            "WHERE name = $1 OR prefix || '…' || last4 = $1 OR length($1) >= $2"
            " AND (substr(id, 1, length($1)) = $1 OR substr(prefix, 1, length($1)) = $1)",
            (handle, _SHORTEST_PREFIX),
        )

    def _select(self, condition: str, params: Sequence[Value] = ()) -> Keys:
        rows = self._database.execute(f"SELECT {COLUMNS} FROM api_key {condition}", params)  # noqa: S608
        return [key_of(row) for row in rows]


def key_of(row: Sequence[Value]) -> Key:
    """The key in one row of COLUMNS."""
    return msgspec.convert(dict(zip(Key.__struct_fields__, row, strict=True)), Key)
