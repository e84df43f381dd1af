"""The table behind a thread of its own: a request's task never waits on the disk."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from nexusflow.responses.table import ResponseTable

P = ParamSpec("P")
T = TypeVar("T")


class ResponseStore:
    """Runs one operation on the table after the other."""

    def __init__(self, table: ResponseTable) -> None:
        self._table = table
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="responses")

    async def run(self, work: Callable[Concatenate[ResponseTable, P], T], *args: P.args, **more: P.kwargs) -> T:
        """`work(table, ...)`, with whatever it returns or raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._table, *args, **more))

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.shutdown()
