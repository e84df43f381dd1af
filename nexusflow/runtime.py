"""Everything of one worker that outlives an artifact: keys, connections, deadlines, and what is live."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from nexusflow.flow.exchange import Watchdog
from nexusflow.flow.losses import LossCount
from nexusflow.flow.served import ByName, serve_models
from nexusflow.flow.signatures import Signatures
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.plan import Provider, Server
from nexusflow.keys.cache import KeyCache
from nexusflow.keys.pepper import load_pepper
from nexusflow.responses.store import ResponseStore
from nexusflow.responses.table import ResponseTable
from nexusflow.settings import Settings
from nexusflow.store import Database, StoreError, open_database
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.pool import Pool
from nexusflow.upstream.transport import Transport

DRAIN_POLL_SECONDS = 0.1
EXPIRY_SECONDS = 600.0

_log = logging.getLogger("nexusflow.runtime")


@dataclass(slots=True)
class Swaps:
    """What this worker serves, wants to serve, and refused, for `/readyz` and `nexusflow doctor`."""

    live: str | None = None
    wanted: str | None = None
    refused: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class Runtime:
    """One per worker. Opened by the host before its first artifact, closed after its last."""

    settings: Settings
    keys: KeyCache
    responses: ResponseStore
    watchdog: Watchdog = field(default_factory=Watchdog)
    swaps: Swaps = field(default_factory=Swaps)
    signatures: Signatures = field(default_factory=Signatures)
    losses: LossCount = field(default_factory=LossCount)
    fetcher: Fetcher = field(default_factory=Fetcher)
    drain_seconds: float = 30.0
    draining: bool = False
    _catalogue: tuple[Artifact, ByName] | None = None
    _pool: Pool = field(default_factory=Pool)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def catalogue(self, artifact: Artifact) -> ByName:
        """The models of `artifact`, ready to serve; its surfaces share them."""
        if self._catalogue is None or self._catalogue[0] is not artifact:
            self._catalogue = (artifact, serve_models(artifact, self))
        return self._catalogue[1]

    def connect(self, provider: Provider) -> Transport:
        """A pooled transport to `provider`."""
        return self._pool.connect(provider)

    def base_url(self, provider: Provider) -> str:
        """The provider's address. A simulated provider, and only that, may have been started elsewhere."""
        moved = self.settings.simulator_url if provider.simulated else None
        return moved or provider.base_url

    def start(self) -> None:
        """Start the background work of this worker."""
        self._tasks = [
            asyncio.create_task(self.watchdog.run()),
            asyncio.create_task(self.keys.watch(self._stop)),
            asyncio.create_task(self._expire_responses()),
        ]
        if self.settings.drain_file is not None:
            self._tasks.append(asyncio.create_task(self._drain(self.settings.drain_file)))

    async def _expire_responses(self) -> None:
        """Stored responses go when their time is over, whether or not anybody stores new ones."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            try:
                await self.responses.run(ResponseTable.expire, time.time_ns() // 1_000_000)
            except StoreError:
                _log.exception("stored responses could not be expired; trying again")

    async def _drain(self, flag: Path) -> None:
        """Wait for the supervisor's flag; then refuse new calls, and end those that outlast the drain time (R-33)."""
        while not _raised(flag):  # noqa: ASYNC110  # another process raises the flag, so there is no event to wait for
            await asyncio.sleep(DRAIN_POLL_SECONDS)
        self.draining = True
        await asyncio.sleep(self.drain_seconds)
        for exchange in list(self.watchdog.exchanges):
            exchange.drain()

    async def close(self) -> None:
        """Stop background work and close connections."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.responses.close()
        await self._pool.close()


def _raised(flag: Path) -> bool:
    return flag.exists()


def prove_store(settings: Settings, server: Server) -> None:
    """Open and close the embedded store once, before any worker does. Raises the store's own typed errors."""
    database, keys = _open_store(settings, server)
    keys.close()
    database.close()


def open_runtime(settings: Settings, server: Server) -> Runtime:
    """Open the embedded store and build the runtime. Raises the store's own typed errors."""
    _, keys = _open_store(settings, server)
    responses = ResponseStore(ResponseTable(open_database(settings.root / server.database)))
    return Runtime(settings=settings, keys=keys, responses=responses, drain_seconds=server.drain_ms / 1000)


def _open_store(settings: Settings, server: Server) -> tuple[Database, KeyCache]:
    path = settings.root / server.database
    database = open_database(path)
    return database, KeyCache(database, load_pepper(path.parent / "pepper"))
