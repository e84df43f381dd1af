"""Group commit: one thread makes a file durable for everybody who waits at that moment."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue


class SyncFailed(Exception):
    """The disk refused to make the journal durable; what was written may be lost with the machine."""


class GroupSync:
    """Waits for positions of a journal. All of it but `sync` itself runs on the event loop; not to be shared by two."""

    def __init__(self, sync: Callable[[], int]) -> None:
        """`sync` makes everything durable that is written by then and returns up to where; it may raise OSError."""
        self._sync = sync
        self._reached = 0
        self._failure: OSError | None = None
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._busy = False
        self._wake: SimpleQueue[asyncio.AbstractEventLoop | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    async def wait(self, position: int) -> None:
        """Return when everything up to `position` is durable. Raises SyncFailed."""
        if position <= self._reached:
            return
        if self._failure is not None:
            raise SyncFailed from self._failure
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((position, future))
        if not self._busy:
            self._busy = True
            self._wake.put(loop)
        await future

    def close(self) -> None:
        """End the thread, after the sync that it may be in."""
        self._wake.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (loop := self._wake.get()) is not None:
            reached, failure = 0, None
            try:
                reached = self._sync()
            except OSError as error:
                failure = error
            try:
                loop.call_soon_threadsafe(self._arrive, loop, reached, failure)
            except RuntimeError:
                return  # the event loop is closed: nobody waits any more

    def _arrive(self, loop: asyncio.AbstractEventLoop, reached: int, failure: OSError | None) -> None:
        self._failure = self._failure or failure
        self._reached = max(self._reached, reached)
        waiting = self._waiting
        while waiting and (self._failure is not None or waiting[0][0] <= self._reached):
            _, future = waiting.popleft()
            if future.done():
                continue
            if self._failure is None:
                future.set_result(None)
            else:
                future.set_exception(SyncFailed(str(self._failure)))
        self._busy = bool(waiting)
        if waiting:
            self._wake.put(loop)
