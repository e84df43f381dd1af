"""One thread with a database connection of its own, for the questions that a reservation has to ask."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from nexusflow.store import Database

_T = TypeVar("_T")


class Clerk:
    """Does one thing after another, in the order they were asked for."""

    def __init__(self, open_store: Callable[[], Database]) -> None:
        self._open = open_store
        self._thread = ThreadPoolExecutor(1, "ledger-clerk")
        self._database: Database | None = None

    async def ask(self, question: Callable[[Database], _T]) -> _T:
        """The answer of `question`, asked in the thread. Raises what it raises, and StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    async def close(self) -> None:
        """Finish what was asked and give the connection back."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _answer(self, question: Callable[[Database], _T]) -> _T:
        if self._database is None:
            self._database = self._open()
        return question(self._database)

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
