"""Following a database: a view in memory that is never more than a moment behind what others commit (SEC-55)."""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

from nexusflow.store.database import Database
from nexusflow.store.errors import StoreError

INTERVAL = 0.25
"""Seconds between two looks."""


class Follower(ABC):
    """Base of such views. Reads over a connection of its own, which is told only of what other connections commit."""

    def __init__(self, database: Database, log: logging.Logger, subject: str) -> None:
        """`subject` is what an operator reads in the log, such as `keys`. Raises StoreError."""
        self._reader = database.reader()
        self._log = log
        self._subject = subject
        self._version: int | None = None

    @abstractmethod
    def _take(self, reader: Database) -> bool:
        """Take over what `reader` shows, inside a snapshot; True when anything changed."""

    def refresh(self) -> bool:
        """Take over what other connections committed; True when anything changed. Microseconds when nobody committed.

        Raises StoreError, and then keeps the view as it was.
        """
        reader = self._reader
        version = reader.data_version()
        if version == self._version:
            return False
        with reader.snapshot():
            changed = self._take(reader)
        self._version = version
        return changed

    async def watch(self, stop: asyncio.Event, interval: float = INTERVAL) -> None:
        """Refresh every `interval` seconds until `stop` is set (SEC-55), in a thread, because a store may block.

        A failing store is logged once per outage and leaves the last view in force.
        """
        failing = False
        while not stop.is_set():
            try:
                if failing:
                    await asyncio.to_thread(self._reconnect)
                await asyncio.to_thread(self.refresh)
            except StoreError as error:
                if not failing:
                    self._log.error(
                        "%s are no longer followed, the last known ones stay in force: %s", self._subject, error
                    )
                failing = True
            else:
                if failing:
                    self._log.info("%s are followed again", self._subject)
                failing = False
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), interval)

    def _reconnect(self) -> None:
        """Read over a new connection: the old one may go on serving a page that it once read wrongly."""
        fresh = self._reader.reader()
        self._reader.close()
        self._reader, self._version = fresh, None

    def close(self) -> None:
        """Give the connection back; the view stays usable. Raises StoreError."""
        self._reader.close()
