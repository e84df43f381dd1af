"""The thread that brings what the journal holds into the database, in batches, however long that takes.

Everything it posts is idempotent by id, so that any doubt is settled by posting again.
"""

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue

from msgspec import Struct

from nexusflow.ledger import book
from nexusflow.ledger.failpoints import reach
from nexusflow.ledger.records import Closed
from nexusflow.store import Database, RuleBroken, StoreError

BATCH = 1000
LONGEST_NOTES = 10_000
"""Log lines of refused calls that may wait; further ones are dropped, for nobody is billed by them."""

_GATHER_S = 0.1
"""A batch of one costs nearly as much as one of ten; nobody waits for it but those who say so (`hurry`)."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _REFUSED_PAUSE_S = 0.05, 5.0, 60.0
_log = logging.getLogger("nexusflow.ledger")


class _Item(Struct, frozen=True):
    """Something to post, or a lease to close, or somebody who waits until all before it is posted."""

    at: float
    position: int = 0
    closed: Closed | None = None
    lease: str | None = None
    waiter: "asyncio.Future[None] | None" = None


class Poster:
    """`put`, `put_lease`, `note` and `flush` on the event loop; the rest in a thread with a database of its own.

    `posted(through)` is called on the event loop once per batch: every close that was put with a position up to
    `through` is in the database.
    """

    def __init__(
        self, open_store: Callable[[], Database], posted: Callable[[int], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._open = open_store
        self._posted = posted
        self._loop = loop
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._database: Database | None = None
        self._refused: list[_Item] = []
        self._retry_at = 0.0
        self._last_position = 0
        self._since: deque[float] = deque()
        self._ends_at: float | None = None
        self._ending = threading.Event()
        self._hurry = threading.Event()
        self.dropped_notes = 0
        self._thread = threading.Thread(target=self._run, name="ledger-poster", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Records that are not posted yet."""
        return len(self._since)

    @property
    def oldest_s(self) -> float:
        """For how many seconds the oldest record waits; 0 when none does."""
        waiting = [*islice(self._since, 1), *(item.at for item in self._refused[:1])]
        return time.monotonic() - min(waiting) if waiting else 0.0

    @property
    def refused(self) -> int:
        """Records that the database does not accept although it answers. They are tried again every minute."""
        return len(self._refused)

    def put(self, position: int, closed: Closed) -> None:
        """Post `closed`, which the journal holds at `position`."""
        now = time.monotonic()
        self._since.append(now)
        self._queue.put(_Item(now, position, closed))

    def note(self, closed: Closed) -> None:
        """Post the log line of a refused call, unless very many records wait already."""
        if self.backlog >= LONGEST_NOTES:
            self.dropped_notes += 1
            return
        self.put(0, closed)

    def put_lease(self, lease: str) -> None:
        """Close `lease` once everything put before is posted."""
        self._queue.put(_Item(time.monotonic(), lease=lease))
        self._hurry.set()

    async def flush(self) -> None:
        """Return when everything put before is posted, or found to be refused."""
        waiter = self._loop.create_future()
        self._queue.put(_Item(time.monotonic(), waiter=waiter))
        self._hurry.set()
        await waiter

    def stop(self, seconds: float) -> bool:
        """Post what is left, for at most about `seconds`; True when nothing is. Blocks: call it in a thread."""
        self._ends_at = time.monotonic() + seconds
        self._queue.put(None)
        self._ending.set()
        self._hurry.set()
        # A statement that hangs must not keep the process; what it was about stands in the journal.
        self._thread.join(seconds + 1.0)
        return not self._thread.is_alive() and self._queue.empty() and not self._refused

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._gather()
            if self._refused and (not going or time.monotonic() >= self._retry_at):
                batch, self._refused = self._refused + batch, []
            if batch and not self._post_all(batch):
                # Whoever stops this learns from the queue that not everything was posted.
                self._queue.put(None)
                going = False
        if self._database is not None:
            with suppress(StoreError):
                self._database.close()

    def _gather(self) -> tuple[list[_Item], bool]:
        """The next batch, and False when it is the last one."""
        batch: list[_Item] = []
        with suppress(Empty):
            item = self._queue.get(timeout=_REFUSED_PAUSE_S if self._refused else None)
            if self._queue.qsize() < BATCH:
                self._hurry.wait(_GATHER_S)
            # Before the queue is emptied: whoever hurries from now on wants the next batch at once.
            self._hurry.clear()
            while item is not None:
                batch.append(item)
                if len(batch) == BATCH:
                    return batch, True
                item = self._queue.get_nowait()
            return batch, False
        return batch, True

    def _post_all(self, batch: list[_Item]) -> bool:
        """Post `batch`, trying for ever while the database cannot; False when the end came first."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                self._post(batch)
            except Exception as error:
                if not _is_passing(error):
                    return self._divide(batch)
                if pause == _FIRST_PAUSE_S:
                    _log.error("the ledger cannot be posted; its records wait in the journal: %s", error)
                if self._ends_at is not None and time.monotonic() >= self._ends_at:
                    return False
                self._pause(pause * random.uniform(0.8, 1.2))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                if pause != _FIRST_PAUSE_S:
                    _log.info("the ledger is posted again")
                return True

    def _divide(self, batch: list[_Item]) -> bool:
        """Somewhere in `batch` is a record that the database refuses, which must not keep the others waiting."""
        if len(batch) == 1:
            _log.exception("the database refuses a record of the ledger; it stays in the journal: %r", batch[0])
            self._refused.append(batch[0])
            self._retry_at = time.monotonic() + _REFUSED_PAUSE_S
            return True
        half = len(batch) // 2
        return self._post_all(batch[:half]) and self._post_all(batch[half:])

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the end is asked for; near the end, be quick."""
        if self._ends_at is None:
            self._ending.wait(seconds)
        else:
            time.sleep(min(seconds, _FIRST_PAUSE_S))

    def _post(self, batch: list[_Item]) -> None:
        if self._database is None:
            self._database = self._open()
        closed = [item.closed for item in batch if item.closed is not None]
        leases = [item.lease for item in batch if item.lease is not None]
        if closed or leases:
            reach("post-before-commit")
            book.post(self._database, closed, leases)
            reach("post-after-commit")
        self._last_position = max([self._last_position, *(item.position for item in batch)])
        waiters = [item.waiter for item in batch if item.waiter is not None]
        self._report(len(closed), waiters)

    def _report(self, count: int, waiters: list["asyncio.Future[None]"]) -> None:
        # The journal must keep a refused record, and with it all that follows.
        kept = [item.position for item in self._refused if item.position]
        through = min([self._last_position, *(position - 1 for position in kept)])
        with suppress(RuntimeError):  # the event loop is closed: nobody listens
            self._loop.call_soon_threadsafe(self._arrive, through, count, waiters)

    def _arrive(self, through: int, count: int, waiters: list["asyncio.Future[None]"]) -> None:
        for _ in range(count):
            self._since.popleft()
        self._posted(through)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def _is_passing(error: Exception) -> bool:
    """Whether it is the database that fails, which somebody will mend, and not the record that is wrong."""
    return isinstance(error, StoreError) and type(error) not in (StoreError, RuleBroken)
