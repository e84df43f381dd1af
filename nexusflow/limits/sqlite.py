"""Limits of all workers of one host, in an SQLite file of their own.

Nothing in the file outlives a restart of the machine in value, so it is not synced to the disk, and a damaged one is
replaced. The clock is the system's monotonic one, which all processes of a host share and nobody sets back.
"""

import asyncio
import fcntl
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import apsw

from nexusflow.limits.batch import Batches
from nexusflow.limits.book import SCHEMA, Book
from nexusflow.limits.engine import LEASE_MS, LimitsAway
from nexusflow.limits.memory import monotonic_us
from nexusflow.limits.rule import Ask, Granted, Limit, LimitState, Refused, Ticket
from nexusflow.store.sqlite import make_private_folder
from nexusflow.store.sqlite_errors import explained
from nexusflow.store.thread import StoreThread

TIMEOUT_MS = 100
"""For a whole call, waiting for other processes included."""
_OPENING_MS = 10_000
_NAP_S = (0.000_1, 0.000_8)


class _Patience:
    """Waits for a lock by looking often. SQLite's own way sleeps ever longer, and starves whoever came first."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def __call__(self, tries: int) -> bool:
        """Whether to try again; `tries` is 0 where a wait begins."""
        now = time.monotonic()
        if tries == 0:
            self._until = now + self._seconds
        time.sleep(random.uniform(*_NAP_S))  # noqa: S311
        return now < self._until


class SqliteEngine:
    """See Engine. Exact for any number of workers on one host, on a local disk."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], int] = monotonic_us,
        lease_ms: int = LEASE_MS,
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        """Open the file at `path`, creating folder (mode 0700) and file (mode 0600) at need. Raises StoreError."""
        self._book = Book(_open(path, timeout_ms), clock, lease_ms)
        self._seconds = timeout_ms / 1000
        self.counters = self._book.counters
        self._thread = StoreThread(self._book, "nexusflow-limits")
        self._batches: Batches[Callable[[Book], object], object] = Batches(self._together)

    async def reserve(self, ask: Ask) -> Granted | Refused:
        """See Engine."""
        return cast(Granted | Refused, await self._call(partial(Book.reserve, ask=ask)))

    async def settle(self, ticket: Ticket, tokens: int | None) -> None:
        """See Engine."""
        await self._call(partial(Book.settle, ticket=ticket, tokens=tokens))

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        """See Engine."""
        await self._call(partial(Book.renew, tickets=tickets))

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """See Engine."""
        return cast(list[LimitState], await self._call(partial(Book.peek, limits=limits)))

    async def close(self) -> None:
        """See Engine."""
        await self._batches.close()
        self._thread.close()
        self._book.close()

    async def _call(self, work: Callable[[Book], object]) -> object:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._batches.call(work)
        except (apsw.Error, TimeoutError) as error:
            raise LimitsAway(f"The file of limits failed: {error or 'it is locked'}.") from error

    async def _together(self, works: Sequence[Callable[[Book], object]]) -> Sequence[object]:
        return await self._thread.run(Book.together, works)


def _open(path: Path, timeout_ms: int) -> apsw.Connection:
    make_private_folder(path.parent)
    with explained(path), _alone(path):
        try:
            return _connect(path, timeout_ms)
        except (apsw.NotADBError, apsw.CorruptError):
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            return _connect(path, timeout_ms)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process opens at a time: two that replace a damaged file would each count in one of their own."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _connect(path: Path, timeout_ms: int) -> apsw.Connection:
    path.touch(mode=0o600)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(_OPENING_MS)
        for setting in ("journal_mode = WAL", "synchronous = OFF", "mmap_size = 0"):
            connection.execute(f"PRAGMA {setting}")
        if list(connection.execute("PRAGMA quick_check(1)")) != [("ok",)]:
            raise apsw.CorruptError
        connection.execute(SCHEMA)
        connection.set_busy_handler(_Patience(timeout_ms / 1000))
    except BaseException:
        connection.close()
        raise
    return connection
