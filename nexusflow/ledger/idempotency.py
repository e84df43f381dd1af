"""`Idempotency-Key`: the same request twice is one call and one charge (ID-1 … ID-8).

A record begins in the transaction that holds the money (`begin` as the `also` of a reservation), so a refused call
leaves none, and ends with the answer, which is given again for a day. When its worker dies it becomes `unknown`.
"""

import hashlib
import re
from typing import Literal

from msgspec import Struct

from nexusflow.store import Database

KEPT_MS = 24 * 3_600_000
LARGEST_BODY = 1 << 20
"""Bytes of an answer that is kept (ID-6)."""
_NAME = re.compile(r"[ -~]{1,255}")


class Fresh(Struct, frozen=True):
    """The call is to be made. `previous` is the request that a dead worker made of it: already settled, perhaps with a
    charge, which is to be refunded once this call is charged."""

    previous: str | None = None


class Running(Struct, frozen=True):
    """The first one is not finished (ID-4)."""

    request: str


class Reused(Struct, frozen=True):
    """The key belongs to a request with other content (ID-2)."""


class Unknown(Struct, frozen=True):
    """Nobody knows how it ended, and it must not be made again (ID-7)."""

    request: str


class TooLarge(Struct, frozen=True):
    """It is finished, but its answer was too large to keep (ID-6)."""

    request: str


class Replay(Struct, frozen=True):
    """It is finished, and this was the answer (ID-5)."""

    request: str
    status: int
    content_type: str
    body: bytes


Found = Running | Reused | Unknown | TooLarge | Replay


def is_name(text: str) -> bool:
    """Whether a client may call its key so: 1 to 255 printable ASCII characters (ID-1)."""
    return _NAME.fullmatch(text) is not None


def scope_of(org: str, route: str) -> str:
    """Where a key is unique: keys of another organisation, or on another route, never meet (ID-1)."""
    return f"{org} {route}"


def fingerprint(route: str, canonical: bytes) -> bytes:
    """What tells one request from another: a digest of its route and its body in one spelling (ID-2)."""
    return hashlib.sha256(route.encode() + b"\0" + canonical).digest()


def begin(
    database: Database,
    scope: str,
    name: str,
    fingerprint: bytes,
    request: str,
    worker: str,
    now_ms: int,
    ttl_ms: int = KEPT_MS,
    *,
    again: bool = True,
) -> Fresh | Found:
    """Begin the record of `request`, or say what there is. Inside a transaction, and before it locks anything.

    `again` says whether a call with an unknown end may be made once more (chat) or not (images, video). When another
    process begins the same one, this waits for it. Raises StoreError.
    """
    columns = ("scope", "name", "fingerprint", "request", "worker", "state", "expires_ms")
    row = (scope, name, fingerprint, request, worker, "running", now_ms + ttl_ms)
    old = "scope = $1 AND name = $2 AND expires_ms <= $3 AND state <> 'running'"
    database.execute(f"DELETE FROM idempotency WHERE {old}", (scope, name, now_ms))  # noqa: S608
    if database.insert_new("idempotency", columns, [row], "name"):
        return Fresh()
    found = find(database, scope, name, fingerprint)
    if isinstance(found, Unknown) and again:
        database.execute(
            "UPDATE idempotency SET state = 'running', request = $3, worker = $4, expires_ms = $5"
            " WHERE scope = $1 AND name = $2",
            (scope, name, request, worker, now_ms + ttl_ms),
        )
        return Fresh(found.request)
    return found or Running(request)


def find(database: Database, scope: str, name: str, fingerprint: bytes) -> Found | None:
    """What there is under this key; None when nothing is. Raises StoreError."""
    rows = database.execute(
        "SELECT fingerprint, request, state, status, content_type, body FROM idempotency"  # noqa: S608
        f" WHERE scope = $1 AND name = $2{database.for_update}",
        (scope, name),
    )
    for known, request, state, status, content_type, body in rows:
        if known != fingerprint:
            return Reused()
        if state == "running":
            return Running(str(request))
        if state == "unknown":
            return Unknown(str(request))
        if not isinstance(body, bytes):
            return TooLarge(str(request))
        return Replay(str(request), int(status or 0), str(content_type), body)
    return None


def finish(
    database: Database, scope: str, name: str, request: str, status: int, content_type: str, body: bytes
) -> Literal["kept", "too large", "gone"]:
    """Keep the answer of `request`, for a day from now. Done again, or by one that lost the key, it does nothing.

    Raises StoreError.
    """
    kept = body if len(body) <= LARGEST_BODY else None
    rows = database.execute(
        "UPDATE idempotency SET state = 'done', status = $4, content_type = $5, body = $6, expires_ms = $7"
        " WHERE scope = $1 AND name = $2 AND request = $3 AND state <> 'done' RETURNING state",
        (scope, name, request, status, content_type, kept, database.now_ms() + KEPT_MS),
    )
    if not rows:
        return "gone"
    return "kept" if kept is not None else "too large"


def forget(database: Database, scope: str, name: str, request: str) -> None:
    """`request` was not made after all: its key is free again (ID-3). Raises StoreError."""
    database.execute(
        "DELETE FROM idempotency WHERE scope = $1 AND name = $2 AND request = $3 AND state <> 'done'",
        (scope, name, request),
    )
