"""The keys in the database: create, list, find, change, rotate, revoke. Not for the hot path; see KeyCache for that."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from nexusflow.accounts.audit import SYSTEM, Change, change
from nexusflow.accounts.model import new_id
from nexusflow.ir.account import DEFAULT_ORG
from nexusflow.keys.checks import check_end, check_whole, placed
from nexusflow.keys.model import Changes, Key, KeyAmbiguous, KeyInvalid, KeyUnknown, KeyUse, Priority
from nexusflow.keys.pepper import bind_pepper
from nexusflow.keys.rows import COLUMNS, key_of
from nexusflow.keys.scopes import OPEN, Scopes
from nexusflow.keys.secret import PREFIX_LENGTH, is_well_formed, new_secret
from nexusflow.store import Database, Page, Value, in_order

KEY_ID = "key_"
LONGEST_GRACE_MS = 90 * 86_400_000
Keys = list[Key]  # a name outside the class, where `list` is a method
_SHORTEST_PREFIX = 8  # characters, so that a slip of the finger names no key
_NEXT = "(SELECT coalesce(max(change), 0) + 1 FROM api_key)"
_SHOWN = ("name", "org", "team", "owner", "plan", "rpm", "priority", "expires_ms")


class KeyTable:
    """The keys of one database. Every method raises StoreError when the database fails.

    Each change is one transaction with its row in the audit log, in the name of `actor`.
    """

    def __init__(self, database: Database, pepper: bytes) -> None:
        """Raises PepperProblem when `database` was made with another pepper."""
        self._database = database
        self._digest = bind_pepper(database, pepper)

    def create(
        self,
        name: str,
        expires_ms: int | None = None,
        *,
        org: str = DEFAULT_ORG,
        team: str | None = None,
        owner: str | None = None,
        plan: str | None = None,
        rpm: int | None = None,
        priority: Priority = "default",
        scopes: Scopes = OPEN,
        actor: str = SYSTEM,
    ) -> tuple[Key, str]:
        """A new key and its secret, which exists nowhere else (SEC-51, SEC-53).

        `name` is 1 to 100 printable characters and need not be unique; `expires_ms` is a time in the future,
        milliseconds since 1970, or None for no end. `org`, `team` and `owner` are ids or names. Raises KeyInvalid and
        AccountUnknown.
        """
        with change(self._database, actor) as under_way:
            org, team, owner = placed(self._database, org, team, owner)
            secret = new_secret()
            key = Key(
                id=new_id(KEY_ID),
                name=name,
                prefix=secret[:PREFIX_LENGTH],
                last4=secret[-4:],
                created_ms=under_way.at_ms,
                expires_ms=expires_ms,
                org=org,
                team=team,
                owner=owner,
                plan=plan,
                rpm=rpm,
                priority=priority,
                scopes=scopes,
            )
            self._insert(check_whole(key, under_way.at_ms), self._digest(secret.encode("ascii")))
            under_way.note("key.create", key.id, key=key.masked, scopes=key.scopes, **_shown(key))
        return key, secret

    def list(self, org: str | None = None, page: Page | None = None) -> Keys:
        """All keys, or those of the organisation with the id `org`, the oldest first, with those revoked or expired."""
        return self._select(*in_order("api_key", {} if org is None else {"org": org}, page))

    def uses(self) -> dict[str, KeyUse]:
        """What each key that was ever used was used for, by its id."""
        rows = self._database.execute("SELECT key_id, calls, last_used_ms FROM key_use")
        return {str(id_): KeyUse(int(calls or 0), int(last or 0)) for id_, calls, last in rows}

    def find(self, handle: str) -> Key:
        """The key with this id, secret, name, masked form, or beginning (8 characters or more) of its id or prefix.

        Keys not yet revoked are preferred, so that a name may be used again, and to the secrets before a rotation those
        after it. Raises KeyUnknown and KeyAmbiguous.
        """
        if is_well_formed(handle):
            matches = self._select("WHERE digest = $1", (self._digest(handle.encode("ascii")),))
        else:
            matches = self._select("WHERE id = $1", (handle,)) or self._matching(handle)
        current = [key for key in matches if key.revoked_ms is None]
        candidates = [key for key in current if key.replaced_by is None] or current or matches
        if not candidates:
            raise KeyUnknown("No key has this id, name or prefix. `nexusflow keys list` shows all keys.")
        if len(candidates) > 1:
            ids = ", ".join(key.id for key in candidates[:5])
            raise KeyAmbiguous(f"{len(candidates)} keys match, use an id: {ids}{', …' if len(candidates) > 5 else ''}")
        return candidates[0]

    def revoke(self, handle: str, *, actor: str = SYSTEM) -> Key:
        """End the key that `find` names, with all its secrets, at once and for good; or only a secret before the last.

        A key already revoked is returned as it is. Raises KeyUnknown and KeyAmbiguous.
        """
        with change(self._database, actor) as under_way:
            key = self.find(handle)
            if key.revoked_ms is not None:
                return key
            for row in (key, *self._before(key)):
                if row.revoked_ms is None:
                    self._set(row.id, "revoked_ms = $2", under_way.at_ms)
            under_way.note("key.revoke", key.id, key=key.masked, name=key.name)
        return replace(key, revoked_ms=under_way.at_ms)

    def rotate(self, handle: str, grace_ms: int, *, actor: str = SYSTEM) -> tuple[Key, str]:
        """Give a key a new secret; the one before ends `grace_ms` milliseconds from now, or with the key (SEC-55).

        The key keeps its id, so its budgets, uses and stored responses stay its own. Raises KeyInvalid for a key that
        has ended or still has two secrets, KeyUnknown and KeyAmbiguous.
        """
        if not 0 <= grace_ms <= LONGEST_GRACE_MS:
            raise KeyInvalid("A grace period is at most 90 days.", "grace_ms")
        with change(self._database, actor) as under_way:
            key, now = self.find(handle), under_way.at_ms
            self._check_rotatable(key, now)
            ends_ms = now + grace_ms if key.expires_ms is None else min(now + grace_ms, key.expires_ms)
            [(digest,)] = self._database.execute("SELECT digest FROM api_key WHERE id = $1", (key.id,))
            secret = new_secret()
            renewed = replace(key, prefix=secret[:PREFIX_LENGTH], last4=secret[-4:])
            # First the key's own row lets go of the digest, which is unique.
            self._set(
                key.id,
                "prefix = $2, last4 = $3, digest = $4",
                renewed.prefix,
                renewed.last4,
                self._digest(secret.encode("ascii")),
            )
            former = replace(key, id=new_id(KEY_ID), expires_ms=ends_ms, replaced_by=key.id)
            self._insert(former, digest)
            under_way.note("key.rotate", key.id, key=renewed.masked, before=key.masked, before_ends_ms=ends_ms)
        return renewed, secret

    def update(self, handle: str, changes: Changes, *, actor: str = SYSTEM) -> Key:
        """Change what a key may do, also for a secret before the last. Raises KeyInvalid, KeyUnknown, KeyAmbiguous."""
        with change(self._database, actor) as under_way:
            key = self.find(handle)
            if key.replaced_by is not None:
                raise KeyInvalid(f"{key.id} is a former secret of {key.replaced_by}; change that key.")
            given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
            after = replace(key, **given)
            _, team, owner = placed(self._database, after.org, after.team, after.owner)
            after = replace(after, team=team, owner=owner)
            check_whole(replace(after, expires_ms=None), under_way.at_ms)
            if "expires_ms" in given:
                check_end(after.expires_ms, under_way.at_ms)
            self._write(after)
            for former in self._before(after):
                ends = [end for end in (former.expires_ms, after.expires_ms) if end is not None]
                self._write(replace(after, id=former.id, expires_ms=min(ends)))
            _note_update(under_way, key, after)
        return after

    def _check_rotatable(self, key: Key, now_ms: int) -> None:
        if key.replaced_by is not None:
            raise KeyInvalid(f"{key.id} is a former secret of {key.replaced_by}; rotate that key.")
        if key.status(now_ms) != "active":
            raise KeyInvalid(f"{key.id} has ended; make a new key.")
        for former in self._before(key):
            if former.status(now_ms) == "active":
                raise KeyInvalid(
                    f"{key.id} still has its secret from before the last rotation. Wait until that ends, or end it "
                    f"now: nexusflow keys revoke {former.id}"
                )

    def _before(self, key: Key) -> Keys:
        """The former secrets of a key."""
        return self._select("WHERE replaced_by = $1", (key.id,))

    def _insert(self, key: Key, digest: Value) -> None:
        *plain, scopes, replaced_by = msgspec.structs.astuple(key)
        places = ", ".join(f"${number}" for number in range(1, 17))
        self._database.execute(
            f"INSERT INTO api_key ({COLUMNS}, digest, change) VALUES ({places}, {_NEXT})",  # noqa: S608
            (*plain, msgspec.json.encode(scopes).decode(), replaced_by, digest),
        )

    def _write(self, key: Key) -> None:
        """All that `update` may change."""
        self._set(
            key.id,
            "name = $2, expires_ms = $3, team = $4, owner = $5, plan = $6, rpm = $7, priority = $8, scopes = $9",
            key.name,
            key.expires_ms,
            key.team,
            key.owner,
            key.plan,
            key.rpm,
            key.priority,
            msgspec.json.encode(key.scopes).decode(),
        )

    def _set(self, id: str, assignments: str, *values: Value) -> None:
        """Change one row; the values are `$2` and so on. `change` makes other processes read it again."""
        self._database.execute(
            f"UPDATE api_key SET change = {_NEXT}, {assignments} WHERE id = $1",  # noqa: S608
            (id, *values),
        )

    def _matching(self, handle: str) -> Keys:
        """Keys named or shown as `handle`, or whose id or prefix begins with it."""
        beginning = ""
        if len(handle) >= _SHORTEST_PREFIX:
            # substr, because LIKE ignores case and gives "_" a meaning.
            beginning = " OR substr(id, 1, length($1)) = $1 OR substr(prefix, 1, length($1)) = $1"
        return self._select(f"WHERE name = $1 OR prefix || '…' || last4 = $1{beginning}", (handle,))

    def _select(self, condition: str, params: Sequence[Value] = ()) -> Keys:
        rows = self._database.execute(f"SELECT {COLUMNS} FROM api_key {condition}", params)  # noqa: S608
        return [key_of(row) for row in rows]


def _shown(key: Key) -> dict[str, object]:
    """What the audit log tells of a key, beside its masked form and its scopes."""
    return {name: value for name in _SHOWN if (value := getattr(key, name)) is not None}


def _note_update(under_way: Change, before: Key, after: Key) -> None:
    names = [name for name in (*_SHOWN, "scopes") if getattr(before, name) != getattr(after, name)]
    under_way.note(
        "key.update",
        after.id,
        before={name: getattr(before, name) for name in names},
        after={name: getattr(after, name) for name in names},
    )
