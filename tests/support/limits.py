"""The same test on every engine of limits, with a clock that stands still until it is moved."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from nexusflow.ir.quota import Fail
from nexusflow.ir.secret import Secret
from nexusflow.limits import Ask, Engine, Granted, Limit, MemoryEngine, Refused, Ticket, functions
from nexusflow.limits.redis import RedisEngine
from nexusflow.limits.rule import Kind, Scope
from nexusflow.limits.sqlite import SqliteEngine
from tests.support.redis import RedisServer

T = TypeVar("T")
START_US = 1_750_000_000_000_000
PATIENCE_MS = 20_000
"""Tests of what engines count must not end because a busy machine is slow."""
LEASE_MS = 30_000
_CLOCK_KEY = "clock of the tests"
_numbers = itertools.count()


class Clock:
    """Microseconds that only `advance` moves."""

    def __init__(self) -> None:
        self.us = START_US

    def __call__(self) -> int:
        return self.us

    def advance(self, ms: float) -> None:
        """Later by so many milliseconds."""
        self.us += round(ms * 1000)


class RedisClock(Clock):
    """The same for functions in Redis, which ask a key for the time."""

    def __init__(self, client: "redis.Redis") -> None:
        super().__init__()
        self._client = client
        self.advance(0)

    def advance(self, ms: float) -> None:
        super().advance(ms)
        self._client.set(_CLOCK_KEY, self.us)


class Site:
    """One store of limits, which any number of workers open."""

    def __init__(self, clock: Clock, opening: Callable[[], Engine]) -> None:
        self.clock = clock
        self._opening = opening
        self._opened: list[Engine] = []

    def open(self) -> Engine:
        """A worker's handle; `run` closes it."""
        engine = self._opening()
        self._opened.append(engine)
        return engine

    def run(self, scenario: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        """What `scenario` returns, played with one worker."""

        async def play() -> T:
            try:
                return await scenario(self.open())
            finally:
                for engine in self._opened:
                    await engine.close()
                self._opened.clear()

        return asyncio.run(play())


def memory_site() -> Site:
    """One process: all who open it share one engine."""
    clock = Clock()
    engine = MemoryEngine(clock, LEASE_MS)
    return Site(clock, lambda: engine)


def sqlite_site(folder: Path) -> Site:
    """A new file."""
    clock = Clock()
    path = folder / secrets.token_hex(4) / "limits.db"
    return Site(clock, lambda: SqliteEngine(path, clock, LEASE_MS, PATIENCE_MS))


def redis_site(server: RedisServer) -> Site:
    """New names in Redis. `stop_time` must have been called."""
    prefix = secrets.token_hex(4)
    url = Secret(server.url)
    return Site(RedisClock(server.client), lambda: RedisEngine(url, prefix, LEASE_MS, PATIENCE_MS))


def stop_time(patch: pytest.MonkeyPatch) -> None:
    """Let the functions in Redis ask the tests for the time, and keep keys while that stands still."""
    clock = "local time = redis.call('TIME')\n  return time[1] * 1000000 + time[2]"
    stopped = f"return tonumber(redis.call('GET', '{_CLOCK_KEY}'))"
    expiry = "whole(math.ceil((full - now) / 1000))"
    library = functions._LIBRARY
    assert (library.count(clock), library.count(expiry)) == (1, 1)
    library = library.replace(clock, stopped).replace(expiry, "'600000'")
    patch.setattr(functions, "_LIBRARY", library.replace(functions._VERSION, "stopped"))
    patch.setattr(functions, "_VERSION", "stopped")


def limit(
    kind: Kind,
    amount: int,
    *,
    subject: str = "k",
    scope: Scope = "key",
    window_ms: int = 60_000,
    fail: Fail = "local",
    org: str = "o",
    model: str = "",
) -> Limit:
    """A limit of an organisation's key, unless told otherwise."""
    return Limit(
        name=f"{scope} {kind}", kind=kind, scope=scope, subject=subject, amount=amount, window_ms=window_ms, fail=fail,
        org=org, model=model,
    )  # fmt: skip


def ask(*limits: Limit, tokens: int = 0, name: str = "") -> Ask:
    """A request of its own, or the one called `name`."""
    return Ask(name or f"call-{next(_numbers)}", limits, tokens)


async def granted(answer: Awaitable[Granted | Refused]) -> Ticket:
    """The ticket; fails where there is none."""
    found = await answer
    assert isinstance(found, Granted), found
    return found.ticket


async def refused(answer: Awaitable[Granted | Refused]) -> Refused:
    """The refusal; fails where there is none."""
    found = await answer
    assert isinstance(found, Refused), found
    return found


async def remaining(engine: Engine, *limits: Limit) -> list[int]:
    """Whole units left of each."""
    return [state.remaining for state in await engine.peek(limits)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait, for as long as it takes."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)
