"""What only the database and the disk can tell, put on the board every few seconds: tasks, budgets, room, and whether
the database answers at all. Each worker does so, and says the same.
"""

import asyncio
import logging
import shutil
import time
from pathlib import Path

from nexusflow.accounts.budgets import fullest
from nexusflow.accounts.directory import Directory
from nexusflow.store import Database, StoreError
from nexusflow.store.thread import StoreThread
from nexusflow.tasks.table import ACTIVE, waiting
from nexusflow.telemetry import catalogue
from nexusflow.telemetry.meter import Meter

SECONDS = 2.0
_DATABASE = "database"
_log = logging.getLogger("nexusflow.stock")


class Stock:
    """One per worker. `folder` is where the journals are."""

    def __init__(self, books: StoreThread[Database], directory: Directory, meter: Meter, folder: Path) -> None:
        self._books = books
        self._directory = directory
        self._meter = meter
        self._folder = folder
        self._kinds: set[tuple[str, str]] = set()

    async def watch(self) -> None:
        """Take stock again and again."""
        while True:
            try:
                await self._ask()
                self._meter.keep(catalogue.STORE_DOWN, 0, _DATABASE)
            except StoreError:
                self._meter.keep(catalogue.STORE_DOWN, 1, _DATABASE)
            try:
                room = await asyncio.to_thread(shutil.disk_usage, self._folder)
                self._meter.keep(catalogue.DISK_FREE, room.free)
                self._meter.keep(catalogue.DISK_SIZE, room.total)
            except OSError:
                _log.exception("what is free on the disk cannot be told")
            await asyncio.sleep(SECONDS)

    async def _ask(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        found = await self._books.run(waiting)
        for state in ACTIVE:
            count, since_ms = found.get(state, (0, now_ms))
            self._meter.keep(catalogue.TASKS, count, state)
            self._meter.keep(catalogue.TASK_AGE, max(now_ms - since_ms, 0) / 1000, state)
        used = await self._books.run(fullest, self._directory.budgets, now_ms)
        self._kinds |= used.keys()
        for kind in self._kinds:
            self._meter.keep(catalogue.BUDGET_USED, used.get(kind, 0), *kind)
