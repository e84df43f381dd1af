"""The ledger as one worker uses it: reserve, open, close. Everything else happens behind it."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from nexusflow.ir.account import Payer
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ledger import book
from nexusflow.ledger.clerk import Clerk
from nexusflow.ledger.failpoints import reach
from nexusflow.ledger.journal import Journal, JournalFull, JournalLimits, SyncFailed
from nexusflow.ledger.leases import Hold, Leases
from nexusflow.ledger.outage import OutageAllowance
from nexusflow.ledger.poster import Poster
from nexusflow.ledger.records import Closed, Opened, Progress
from nexusflow.ledger.recovery import OnCrash, recover_all
from nexusflow.ledger.reserving import Also, Reservations, Trust
from nexusflow.ledger.upkeep import Upkeep
from nexusflow.store import Database, DatabaseAway, StoreError

_log = logging.getLogger("nexusflow.ledger")


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """`ttl_ms`: life of a lease that is not renewed. `outage_*`: what a wallet may spend while the database is away.

    `on_crash`: what an open call costs whose worker died. `stop_s`: how long a stop waits for the database.
    """

    ttl_ms: int = 60_000
    outage_amount: int = 0
    outage_ms: int = 0
    journal: JournalLimits = JournalLimits()
    on_crash: OnCrash = "progress"
    stop_s: float = 10.0


class Ledger:
    """`start` it on the event loop that uses it. `folder` holds the journals of all workers of this machine."""

    def __init__(
        self,
        open_store: Callable[[], Database],
        folder: Path,
        settings: LedgerSettings,
        closed: Callable[[Closed], None] = lambda record: None,
    ) -> None:
        """`closed` is told of every call that ends here, on the event loop, once."""
        self._closed = closed
        self._open = open_store
        self._folder = folder
        self._settings = settings
        self._leases = Leases()
        self._outage = OutageAllowance(settings.outage_amount, settings.outage_ms)

    async def start(self) -> None:
        """Recover what dead workers left, and begin a journal. Raises StoreError, OSError.

        A database that is only away is no reason to stay down: it is asked again until it answers.
        """
        self._loop = asyncio.get_running_loop()
        self._journal = await asyncio.to_thread(Journal.create, self._folder, self._settings.journal)
        self._clerk = Clerk(self._open)
        self._reservations = Reservations(
            self._clerk,
            self._leases,
            self._outage,
            self._journal.worker,
            self._settings.ttl_ms,
            self._give_back_idle,
            self.cancel,
        )
        registered = await self._begin()
        self._poster = Poster(self._open, self._mark, self._loop)
        self._upkeep = Upkeep(
            clerk=self._clerk,
            leases=self._leases,
            poster=self._poster,
            reservations=self._reservations,
            worker=self._journal.worker,
            ttl_ms=self._settings.ttl_ms,
            register=self._register,
            recover=self._recover,
            registered=registered,
        )
        self._upkeep.start()

    async def stop(self) -> None:
        """Post what is left, return the leases and remove the journal; what cannot be done in time stays in it."""
        reach("stop")
        await self._upkeep.stop()
        drained = await asyncio.to_thread(self._poster.stop, self._settings.stop_s)
        drained = drained and not self._journal.open_calls
        try:
            if drained:
                await self._clerk.ask(self._leave)
            await self._clerk.close()
        except StoreError as error:
            drained = False
            _log.error("the ledger's leases could not be returned; the next worker does it: %s", error)
        await asyncio.to_thread(self._journal.close, keep=not drained)

    async def reserve(self, payer: Payer, amount: int, also: Also | None = None) -> Hold:
        """Hold `amount` of the wallet and of every bound of `payer`; 0 holds nothing. About a microsecond if leased.

        `also` runs in the transaction that takes the money (ID-3); then the database is always asked. Raises
        RequestRefused FUNDS, INFLIGHT or STORE, and what `also` raises.
        """
        if also is not None:
            hold = await self._reservations.alone(payer, amount, also)
        elif not amount:
            return Hold(None, 0, payer)
        else:
            hold = self._leases.take(payer, amount) or await self._reservations.from_database(payer, amount)
        reach("after-reserve")
        return hold

    async def entrust(self, payer: Payer, amount: int, trust: Trust, also: Also) -> None:
        """Hold `amount` for longer than this process may live; see `Reservations.entrust`."""
        await self._reservations.entrust(payer, amount, trust, also)
        reach("after-entrust")

    def cancel(self, hold: Hold) -> None:
        """The call of `hold` is not made after all: its money is free again. Only before `open`."""
        self._give_back(hold, 0)

    def open(self, record: Opened) -> None:
        """Journal a call before its first byte goes out. Raises RequestRefused STORE; then it must not be made."""
        try:
            self._journal.append(record)
        except JournalFull as error:
            _log.error("a call is refused, for it cannot be recorded: %s", error)
            raise refuse(Kind.STORE, "The call cannot be recorded now, so it was not made. Try again later.") from error
        reach("after-open")

    def progress(self, record: Progress) -> None:
        """Journal how far an open call has come. Without room it is left out: the call's close is what counts."""
        with suppress(JournalFull):
            self._journal.append(record)
        reach("after-progress")

    async def close(self, record: Closed, hold: Hold | None) -> None:
        """End a call: journalled, handed on for posting, its hold released. Returns when it cannot be lost any more.

        Cancelling it while it waits changes nothing but that the caller does not learn the end.
        """
        reach("before-close")
        position: int | None = None
        try:
            position = self._journal.append(record)
        except JournalFull as error:
            _log.critical("the journal cannot take the end of a call, it is posted without: %s", error)
        self._poster.put(position or 0, record)
        self._closed(record)
        if hold is not None:
            self._give_back(hold, record.charged)
        reach("after-close-append")
        if position is None or not await self._is_durable(position):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poster.flush(), self._settings.stop_s)
        reach("after-durable")

    def note(self, record: Closed) -> None:
        """The log line of a call that was refused before it reserved anything; lost when the process dies."""
        self._poster.note(record)
        self._closed(record)

    def balance(self, org: str) -> int | None:
        """About what is left in a wallet, as far as this worker knows; other workers' calls of the last seconds are
        not in it. None for one that cannot run out, or was not asked for yet."""
        return self._leases.balances.get(org)

    @property
    def worker(self) -> str:
        """The id of this worker, as idempotency records name it."""
        return self._journal.worker

    @property
    def backlog(self) -> int:
        """Records that are not posted yet."""
        return self._poster.backlog

    @property
    def oldest_s(self) -> float:
        """For how many seconds the oldest of them waits."""
        return self._poster.oldest_s

    async def _begin(self) -> bool:
        """Register and recover; False when the database is away."""
        try:
            await self._clerk.ask(self._register)
            await asyncio.to_thread(self._recover)
        except DatabaseAway as error:
            self._outage.lost()
            _log.error("the ledger starts without its database: %s", error)
            return False
        return True

    async def _is_durable(self, position: int) -> bool:
        try:
            await self._journal.durable(position)
        except SyncFailed as error:
            _log.critical("the journal's disk fails, calls are posted before they are answered: %s", error)
            return False
        return True

    def _give_back(self, hold: Hold, charged: int) -> None:
        if hold.source is None:
            if hold.amount and not hold.settled:
                hold.settled = True
                self._outage.give_back(hold.payer.org, hold.amount - charged)
            return
        returned = self._leases.give_back(hold, charged)
        if returned is not None:
            self._poster.put_lease(returned)

    async def _give_back_idle(self, org: str) -> bool:
        """Return the leases of a wallet that is short and that no call uses; wait until the database has them."""
        idle = self._leases.reclaim(org)
        for lease in idle:
            self._poster.put_lease(lease)
        if idle:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poster.flush(), 1.0)
        return bool(idle)

    def _mark(self, through: int) -> None:
        try:
            self._journal.posted(through)
        except JournalFull as error:
            _log.error("the journal cannot note what is posted: %s", error)
        reach("after-mark")

    def _recover(self) -> None:
        recover_all(self._folder, self._open, self._settings.on_crash, self._found)

    def _found(self, ends: Sequence[Closed]) -> None:
        """From another thread: how calls ended whose worker died."""
        for end in ends:
            self._loop.call_soon_threadsafe(self._closed, end)

    def _register(self, database: Database) -> None:
        book.register(database, self._journal.worker, socket.gethostname(), str(self._journal.folder))

    def _leave(self, database: Database) -> None:
        book.release(database, self._journal.worker)
        book.mark(database, self._journal.worker, "drained")
