"""One store of limits for all processes of a run, and the limits that they hammer."""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from msgspec import Struct

from nexusflow.ir.secret import Secret
from nexusflow.limits import Engine, MemoryEngine
from nexusflow.limits.engine import LEASE_MS
from nexusflow.limits.redis import RedisEngine
from nexusflow.limits.rule import Kind, Limit, Scope
from nexusflow.limits.sqlite import SqliteEngine
from tests.support.redis import running_redis

EngineKind = Literal["memory", "sqlite", "redis"]
ENGINES: tuple[EngineKind, ...] = ("memory", "sqlite", "redis")
HELD_LEASE_MS = 1_000
"""Of the process that is killed. Those of the others are long: a busy machine that stops one frees no slots."""
PATIENCE_MS = 20_000
"""A call that is given up may have been done or not, and could not be counted."""


class Store(Struct, frozen=True):
    """How any process opens it: a file, or the address of Redis. Neither for memory."""

    path: str = ""
    url: str = ""

    def open(self, lease_ms: int = LEASE_MS) -> Engine:
        """One process's handle."""
        if self.url:
            return RedisEngine(Secret(self.url), "exactness", lease_ms, PATIENCE_MS)
        if self.path:
            return SqliteEngine(Path(self.path), lease_ms=lease_ms, timeout_ms=PATIENCE_MS)
        return MemoryEngine()


@contextmanager
def new_store(kind: EngineKind) -> Iterator[Store]:
    """An empty one, removed on leaving."""
    with contextlib.ExitStack() as stack:
        if kind == "memory":
            yield Store()
        elif kind == "sqlite":
            yield Store(path=f"{stack.enter_context(tempfile.TemporaryDirectory())}/store/limits.db")
        else:
            yield Store(url=stack.enter_context(running_redis()).url)


def _limit(kind: Kind, scope: Scope, amount: int, window_ms: int = 10_000) -> Limit:
    return Limit(
        name=f"{scope} {kind}", kind=kind, scope=scope, subject="one", amount=amount, window_ms=window_ms, org="o"
    )


REQUESTS = _limit("requests", "key", 1_000)
TOKENS = _limit("tokens", "team", 30_000)
SLOTS = _limit("concurrency", "org", 10)
SHARED = _limit("tokens", "deployment", 28_000)
LEDGER = _limit("requests", "user", 1_000_000, 300_000_000_000)
"""Refills less than one unit in an hour: whatever is missing from it was taken."""
HAMMERED = (REQUESTS, TOKENS, SLOTS, SHARED, LEDGER)
HELD = _limit("tasks", "org", 5)
"""Slots of the process that is killed."""
