"""What a worker's ledger does by the clock: return idle leases, renew the others, recover the journals of the dead."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from nexusflow.ledger import book
from nexusflow.ledger.clerk import Clerk
from nexusflow.ledger.leases import TICK_MS, Leases
from nexusflow.ledger.poster import Poster
from nexusflow.ledger.reserving import Reservations
from nexusflow.store import Database, StoreError

RENEW_S = 20.0
RECOVER_S = 5.0
SWEEP_S = 60.0
_log = logging.getLogger("nexusflow.ledger")


class Upkeep:
    """Loops on the event loop, from `start` to `stop`; a database that fails is asked again the next time."""

    def __init__(
        self,
        *,
        clerk: Clerk,
        leases: Leases,
        poster: Poster,
        reservations: Reservations,
        worker: str,
        ttl_ms: int,
        register: Callable[[Database], None],
        recover: Callable[[], object],
        registered: bool,
    ) -> None:
        self._clerk = clerk
        self._leases = leases
        self._poster = poster
        self._reservations = reservations
        self._worker = worker
        self._ttl_ms = ttl_ms
        self._register = register
        self._recover = recover
        self._registered = registered
        self._failing = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, on the running event loop."""
        works = (
            (self.tick, TICK_MS / 1000),
            (self.renew, RENEW_S),
            (self.recover, RECOVER_S),
            (self.sweep, SWEEP_S),
        )
        self._tasks = [asyncio.ensure_future(self._every(seconds, work)) for work, seconds in works]

    async def stop(self) -> None:
        """End; what a thread is doing by then it finishes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tick(self) -> None:
        """Return what nobody used for two seconds."""
        for lease in self._leases.tick(time.time_ns() // 1_000_000):
            self._poster.put_lease(lease)

    async def renew(self) -> None:
        """Say that this worker lives and keeps its leases; and after an outage, return those it never heard of."""
        leases = self._leases.ids
        await self._clerk.ask(lambda database: book.renew(database, self._worker, leases, self._ttl_ms))
        if self._reservations.doubtful:
            self._reservations.doubtful = False
            # The clerk answers in order, so a lease that was granted before this question is known here by now.
            known = await self._clerk.ask(self._open_leases)
            for lease in known.difference(self._leases.ids):
                self._poster.put_lease(lease)

    async def recover(self) -> None:
        """Take over what dead workers left, and register again if that did not work at the start."""
        if not self._registered:
            await self._clerk.ask(self._register)
            self._registered = True
        await asyncio.to_thread(self._recover)

    async def sweep(self) -> None:
        """End what ran out and nobody will end: leases of workers that are gone, old rows of the logs."""
        await self._clerk.ask(book.sweep)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except (StoreError, OSError) as error:
                if not self._failing:
                    _log.error("the ledger's upkeep fails and is tried again: %s", error)
                self._failing = True
            else:
                self._failing = False

    def _open_leases(self, database: Database) -> set[str]:
        rows = database.execute("SELECT id FROM lease WHERE worker = $1 AND state = 'open'", (self._worker,))
        return {str(lease) for (lease,) in rows}
