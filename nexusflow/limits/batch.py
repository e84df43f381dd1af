"""Calls that are made while the store is busy go to it together, in one round trip or transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

C = TypeVar("C")
R = TypeVar("R")

MOST = 128
"""Calls in one batch: the first of them waits for the last."""


class Batches(Generic[C, R]):
    """Sends calls with `run`, one batch after the other; `run` answers each with a result or an exception.

    Calls of one turn of the event loop share a batch, and so do those that arrive while one is under way.
    """

    def __init__(self, run: Callable[[Sequence[C]], Awaitable[Sequence[R | Exception]]]) -> None:
        self._run = run
        self._waiting: list[tuple[C, asyncio.Future[R]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def call(self, call: C) -> R:
        """The result of `call`. A caller that stops waiting before its batch was sent takes the call back."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await future

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._sending is not None:
            await self._sending

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._send_one([(call, future) for call, future in batch if not future.done()])
        finally:
            self._sending = None

    async def _send_one(self, batch: list[tuple[C, "asyncio.Future[R]"]]) -> None:
        if not batch:
            return
        try:
            results = await self._run([call for call, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
