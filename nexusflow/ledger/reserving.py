"""Reservations: from a lease in memory where one covers the call, else from the database, else refused."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from nexusflow.ir import money
from nexusflow.ir.account import Bound, Payer
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ledger import book
from nexusflow.ledger.clerk import Clerk
from nexusflow.ledger.failpoints import reach
from nexusflow.ledger.leases import Hold, Leases
from nexusflow.ledger.outage import OutageAllowance
from nexusflow.store import Database, DatabaseAway, StoreError
from nexusflow.wire.ids import request_id

_RETRY_S = 1.0  # how long after a failure the database is not asked again, so that an outage delays no request
# A server that stands still keeps its connections, and its own time limits stand still too: only our clock tells.
_PATIENCE_S = 2.0
# Longer where an idempotency key is recorded: one that is recorded too late stays taken by a call that nobody made.
_PATIENCE_ALSO_S = 20.0
_T = TypeVar("_T")
Also = Callable[[Database], None]


class _Denied(Struct, frozen=True):
    """The database refused `need`."""

    need: int
    denial: book.Denial


class Trust(Struct, frozen=True):
    """Money that is held for longer than a process lives: whose lease it is, its id, and how long it may stand.

    `alone`: see `Database.transaction`.
    """

    worker: str
    lease: str
    ttl_ms: int
    alone: str


class _Asker(Struct):
    """Whether anybody still waits for the answer: what comes too late must not be done (S-09)."""

    waits: bool = True


class _TooLate(Exception):
    """Rolls back what nobody waits for any more."""


class Reservations:
    """`give_back_idle(org)` returns this worker's unused leases of a wallet and is True when there were any;
    `leave` takes back a hold that nobody wants any more.
    """

    def __init__(
        self,
        clerk: Clerk,
        leases: Leases,
        outage: OutageAllowance,
        worker: str,
        ttl_ms: int,
        give_back_idle: Callable[[str], Awaitable[bool]],
        leave: Callable[[Hold], None],
    ) -> None:
        self._clerk = clerk
        self._leases = leases
        self._outage = outage
        self._worker = worker
        self._ttl_ms = ttl_ms
        self._give_back_idle = give_back_idle
        self._leave = leave
        self._running: dict[tuple[str, tuple[Bound, ...]], asyncio.Task[_Denied | None]] = {}
        self._away_until = 0.0
        self._unanswered: asyncio.Future[Any] | None = None
        self.doubtful = False
        """A grant ended without an answer: the database may hold a lease that nobody here knows."""

    async def from_database(self, payer: Payer, amount: int) -> Hold:
        """Reserve `amount` with a new lease, which others may share. Raises RequestRefused FUNDS, INFLIGHT, STORE."""
        reclaimed = False
        while (hold := self._leases.take(payer, amount)) is None:
            try:
                denied = await self._granting(payer, amount)
            except DatabaseAway:
                return self._trust(payer, amount)
            except StoreError as error:
                raise _unavailable() from error
            if denied is not None and amount >= denied.need:
                if not denied.denial.inflight or reclaimed or not await self._give_back_idle(payer.org):
                    raise _refusal(denied.denial, amount)
                reclaimed = True
        return hold

    async def alone(self, payer: Payer, amount: int, also: Also) -> Hold:
        """Reserve `amount` with a lease for this call alone, and run `also` in the same transaction (ID-3).

        Raises RequestRefused as above, and whatever `also` raises; then nothing is reserved.
        """
        task = asyncio.ensure_future(self._grant_alone(payer, amount, also))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._abandon)
            raise
        except StoreError as error:
            # Also when it is only away: without a record of the idempotency key the call must not be made.
            raise _unavailable() from error

    async def entrust(self, payer: Payer, amount: int, trust: Trust, also: Also) -> None:
        """Hold `amount` under a lease of `trust.worker`, which outlives this process; `also` as above.

        Raises RequestRefused FUNDS, INFLIGHT, STORE, and whatever `also` raises; then nothing is held.
        """
        asker = _Asker()
        reclaimed = False
        while True:
            try:
                question = partial(_entrust, payer=payer, amount=amount, trust=trust, also=also, asker=asker)
                answer = await self._answer(question, _PATIENCE_ALSO_S)
            except StoreError as error:
                raise _unavailable() from error
            finally:
                asker.waits = False
            if not isinstance(answer, book.Denial):
                return
            if not answer.inflight or reclaimed or not await self._give_back_idle(payer.org):
                raise _refusal(answer, amount)
            reclaimed = asker.waits = True

    async def _granting(self, payer: Payer, amount: int) -> _Denied | None:
        """One question to the database at a time for all who wait for the same money. Raises StoreError."""
        if time.monotonic() < self._away_until:
            raise DatabaseAway("The database did not answer a moment ago.", "")
        key = (payer.org, payer.bounds)
        running = self._running.get(key)
        # A question that is answered but not yet forgotten would be "answered" again at once, for ever: who arrives in
        # that turn of the loop never lets it turn on.
        if running is None or running.done():
            running = self._running[key] = asyncio.ensure_future(self._grant(payer, amount))
            running.add_done_callback(lambda task: self._granted(key, task))
        return await asyncio.shield(running)

    def _granted(self, key: tuple[str, tuple[Bound, ...]], task: "asyncio.Task[_Denied | None]") -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # everybody who waited for it may have left

    async def _grant(self, payer: Payer, amount: int) -> _Denied | None:
        answer = await self._ask(payer, amount, self._leases.want(payer, amount), None)
        if isinstance(answer, book.Denial):
            return _Denied(amount, answer)
        self._leases.add(payer, answer.id, answer.amount, tight=answer.tight)
        return None

    async def _grant_alone(self, payer: Payer, amount: int, also: Also) -> Hold:
        if not amount:
            await self._answer(lambda database: _only(database, also), _PATIENCE_ALSO_S)
            return Hold(None, 0, payer)
        answer = await self._ask(payer, amount, amount, also)
        if isinstance(answer, book.Denial):
            raise _refusal(answer, amount)
        return self._leases.add_taken(payer, answer.id, answer.amount, amount)

    async def _ask(self, payer: Payer, need: int, want: int, also: Also | None) -> book.Lease | book.Denial:
        try:
            answer = await self._answer(
                lambda database: book.grant(
                    database,
                    org=payer.org,
                    worker=self._worker,
                    bounds=payer.bounds,
                    need=need,
                    want=want,
                    ttl_ms=self._ttl_ms,
                    also=also,
                ),
                _PATIENCE_S if also is None else _PATIENCE_ALSO_S,
            )
        except DatabaseAway:
            self.doubtful = True
            self._away_until = time.monotonic() + _RETRY_S
            self._outage.lost()
            raise
        self._outage.found()
        if isinstance(answer, book.Lease):
            self._leases.learn(payer.org, answer.balance)
        reach("lease-granted")
        return answer

    async def _answer(self, question: Callable[[Database], _T], patience_s: float) -> _T:
        """The clerk's answer. Raises DatabaseAway when it is late, or when an earlier one is still awaited."""
        if self._unanswered is not None and not self._unanswered.done():
            raise DatabaseAway("The database has not answered yet.", "")
        asked = asyncio.ensure_future(self._clerk.ask(question))
        done, _ = await asyncio.wait((asked,), timeout=patience_s)
        if not done:
            # It goes on: what it grants nobody will hear of, and upkeep returns it.
            self._unanswered = asked
            asked.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise DatabaseAway("The database does not answer in time.", "")
        return asked.result()

    def _trust(self, payer: Payer, amount: int) -> Hold:
        if not self._outage.take(payer.org, amount):
            raise _unavailable()
        counters = tuple(bound.counter for bound in payer.bounds)
        return Hold(request_id() if counters else None, amount, payer, counters)

    def _abandon(self, task: "asyncio.Task[Hold]") -> None:
        """Who asked for the money has left before it came."""
        if not task.cancelled() and task.exception() is None:
            self._leave(task.result())


def _only(database: Database, also: Also) -> None:
    with database.transaction():
        also(database)


def _entrust(
    database: Database, *, payer: Payer, amount: int, trust: Trust, also: Also, asker: _Asker
) -> book.Lease | book.Denial | None:
    def wanted(database: Database) -> None:
        also(database)
        if not asker.waits:
            raise _TooLate

    if not amount:
        with database.transaction(trust.alone):
            wanted(database)
        return None
    return book.grant(
        database,
        org=payer.org,
        worker=trust.worker,
        bounds=payer.bounds,
        need=amount,
        want=amount,
        ttl_ms=trust.ttl_ms,
        also=wanted,
        lease_id=trust.lease,
        alone=trust.alone,
    )


def _unavailable() -> RequestRefused:
    return refuse(Kind.STORE, "The ledger is not available, so nothing can be charged. Try again later.")


def _refusal(denial: book.Denial, amount: int) -> RequestRefused:
    whose = "balance" if denial.level == "wallet" else f"budget of this {denial.level}"
    need, left = money.as_text(amount), money.as_text(max(denial.available, 0))
    if denial.inflight:
        return refuse(
            Kind.INFLIGHT,
            f"This call may cost {need}. The {whose} has {left} left while other calls go on. Try again shortly.",
        )
    return refuse(Kind.FUNDS, f"This call may cost {need}, but the {whose} has only {left} left.")
