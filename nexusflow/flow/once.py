"""`Idempotency-Key`: a request that is sent twice is made once, and charged once (ID-1 … ID-8).

Its record begins in the transaction that holds the money and ends with the answer, before the client has all of it. A
call that was never sent, cost nothing, or lost its client leaves no record: the next one with its key is made.
"""

import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import msgspec

from nexusflow.accounts.audit import SYSTEM
from nexusflow.accounts.money import Money, MoneyRefused
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ledger import idempotency
from nexusflow.ledger.idempotency import Found, Fresh, Replay, Reused, Running, TooLarge
from nexusflow.store import Database, StoreError
from nexusflow.store.thread import StoreThread

HEADER = b"idempotency-key"
_log = logging.getLogger("nexusflow.request")


class Replayed(Exception):
    """The request was made before: this is its answer."""

    def __init__(self, replay: Replay) -> None:
        super().__init__(replay.request)
        self.replay = replay


@dataclass(slots=True)
class Once:
    """The record of one request. `worker` is who makes it, for the case that it dies."""

    books: StoreThread[Database]
    scope: str
    name: str
    fingerprint: bytes
    request: str
    worker: str
    now_ms: int
    previous: str | None = None

    def begin(self, database: Database) -> None:
        """In the transaction of the hold. Raises `Replayed`, and `RequestRefused` (409, 422)."""
        found = idempotency.begin(
            database, self.scope, self.name, self.fingerprint, self.request, self.worker, self.now_ms
        )
        if not isinstance(found, Fresh):
            raise _known(found)
        self.previous = found.previous

    async def finish(self, status: int, content_type: bytes, body: bytes) -> None:
        """Keep the answer. What a dead worker charged for the same request is given back."""
        kind = content_type.decode("latin-1")
        keep = partial(idempotency.finish, status=status, content_type=kind, body=body)
        try:
            await self.books.run(keep, self.scope, self.name, self.request)
            if self.previous is not None:
                await self.books.run(_give_back, self.previous)
        except StoreError:
            _log.exception("request %s: its answer cannot be given again", self.request)

    async def forget(self) -> None:
        """The next request with this key is made anew."""
        try:
            await self.books.run(idempotency.forget, self.scope, self.name, self.request)
        except StoreError:
            _log.exception("request %s: its idempotency key stays taken until its worker ends", self.request)


def name_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What the client calls its request. Raises `RequestRefused` (400) for a name that is none (ID-1)."""
    value = dict(headers).get(HEADER)
    if value is None:
        return None
    name = value.decode("latin-1")
    if not idempotency.is_name(name):
        message = "`Idempotency-Key` must be 1 to 255 printable ASCII characters."
        raise refuse(Kind.PARAM, message, param="Idempotency-Key")
    return name


def fingerprint(route: str, body: bytes) -> bytes:
    """What tells one request from another, however its JSON is spelled (ID-2)."""
    canonical = msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    return idempotency.fingerprint(route, canonical)


def _known(found: Found) -> Exception:
    if isinstance(found, Replay):
        return Replayed(found)
    if isinstance(found, Reused):
        return refuse(Kind.REUSE, "This `Idempotency-Key` was used for another request.", code="idempotency_key_reused")
    if isinstance(found, Running):
        return refuse(Kind.CONFLICT, "The same request is under way.", code="idempotency_in_progress")
    code = "idempotency_result_too_large" if isinstance(found, TooLarge) else "outcome_unknown"
    what = "its answer was too large to keep" if isinstance(found, TooLarge) else "nobody knows how it ended"
    message = f"The same request was made before as {found.request}, and {what}."
    return RequestRefused(Problem(kind=Kind.CONFLICT, message=message, code=code, should_retry=False))


def _give_back(database: Database, request: str) -> None:
    with contextlib.suppress(MoneyRefused):  # it was never charged, or this has been done
        Money(database).refund(request, None, "made again after its worker died", SYSTEM, id=f"{request}/again")
