"""A store behind a thread of its own: a request's task never waits on the disk or the network."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Generic, ParamSpec, TypeVar

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


class StoreThread(Generic[S]):
    """Runs one operation on `subject`, such as a table of the store, after the other."""

    def __init__(self, subject: S, name: str) -> None:
        self._subject = subject
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[Concatenate[S, P], T], *args: P.args, **more: P.kwargs) -> T:
        """`work(subject, ...)`, with whatever it returns or raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._subject, *args, **more))

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.shutdown()
