"""Everything of one worker that outlives an artifact: keys, connections, deadlines, and what is live."""

import asyncio
import hashlib
import logging
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from nexusflow import __version__
from nexusflow.accounts.directory import Directory
from nexusflow.flow.checker import Checker
from nexusflow.flow.desk import Desk
from nexusflow.flow.exchange import Exchange, Watchdog
from nexusflow.flow.gate import Gate
from nexusflow.flow.health import Fleet
from nexusflow.flow.load import Load
from nexusflow.flow.losses import LossCount
from nexusflow.flow.served import ByName, serve_models
from nexusflow.flow.signatures import Signatures
from nexusflow.flow.usual import Usual
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.plan import Overload, Provider, Server
from nexusflow.ir.secret import read_secret
from nexusflow.keys.cache import KeyCache
from nexusflow.keys.pepper import pepper_of, pepper_path
from nexusflow.ledger import book
from nexusflow.ledger.ledger import Ledger, LedgerSettings
from nexusflow.limits import Limiter
from nexusflow.limits.opening import open_engine
from nexusflow.pricing import canonical, price_id
from nexusflow.responses.store import ResponseStore
from nexusflow.responses.table import ResponseTable
from nexusflow.results.opening import open_results
from nexusflow.results.results import Results, ResultsError
from nexusflow.results.signing import results_key
from nexusflow.settings import Settings
from nexusflow.stock import Stock
from nexusflow.store import Database, StoreError, open_store
from nexusflow.store.thread import StoreThread
from nexusflow.tasks.accepting import WORKER, TaskDesk
from nexusflow.tasks.engine import Engine, Policy
from nexusflow.tasks.lanes import Workshop, open_workshop
from nexusflow.telemetry import catalogue
from nexusflow.telemetry.access_log import AccessLog
from nexusflow.telemetry.meter import Meter, open_board
from nexusflow.telemetry.sender import open_sender
from nexusflow.telemetry.tracer import Tracer
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.pool import Pool
from nexusflow.upstream.transport import Transport
from nexusflow.upstream.webhook import signing_key
from nexusflow.wire.ids import request_id

DRAIN_POLL_SECONDS = 0.1
SAMPLE_SECONDS = 1.0
LOG_SECONDS = 0.1
DAY_MS = 86_400_000
EXPIRY_SECONDS = 600.0
JOURNAL_FOLDER = "journal"

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
    ledger: Ledger
    directory: Directory
    books: StoreThread[Database]
    limiter: Limiter
    results: Results
    results_key: bytes
    engine: Engine
    meter: Meter
    journals: Path
    watchdog: Watchdog = field(default_factory=Watchdog)
    swaps: Swaps = field(default_factory=Swaps)
    signatures: Signatures = field(default_factory=Signatures)
    losses: LossCount = field(default_factory=LossCount)
    fetcher: Fetcher = field(default_factory=Fetcher)
    fleet: Fleet = field(default_factory=Fleet)
    overload: Overload = field(default_factory=Overload)
    drain_seconds: float = 30.0
    draining: bool = False
    _catalogue: tuple[Artifact, ByName] | None = None
    _call_log_ms: int = 0
    _build: tuple[str, str] | None = None
    _drains: set[Exchange] = field(default_factory=set)
    _usual: Usual = field(default_factory=Usual)
    _pool: Pool = field(default_factory=Pool)
    _workshop: tuple[Artifact, Workshop] | None = None
    load: Load = field(init=False)
    _checker: Checker = field(init=False)
    _stock: Stock = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._checker = Checker(self.fleet)
        self.load = Load(self.overload, self.watchdog.exchanges)
        self._stock = Stock(self.books, self.directory, self.meter, self.journals)

    def catalogue(self, artifact: Artifact) -> ByName:
        """The models of `artifact`, ready to serve; its surfaces share them."""
        if self._catalogue is None or self._catalogue[0] is not artifact:
            self._catalogue = (artifact, serve_models(artifact, self))
        return self._catalogue[1]

    def desk(self, artifact: Artifact) -> Desk:
        """Where the calls of `artifact` get their bills."""
        policy = artifact.plan.server.billing
        return Desk(
            ledger=self.ledger,
            directory=self.directory,
            plan=hashlib.sha256(artifact.plan.canonical()).hexdigest()[:12],
            default_output=policy.default_output_reserve,
            funds_status=policy.funds_status,
            drains=self._drains,
            books=self.books,
            gate=Gate(self.limiter, self.directory, artifact.plan.limits, self._usual, self.load),
        )

    def workshop(self, artifact: Artifact) -> Workshop:
        """What `artifact` can have made, ready to be asked for; its surfaces share it."""
        if self._workshop is None or self._workshop[0] is not artifact:
            self._workshop = (artifact, open_workshop(artifact, self))
        return self._workshop[1]

    def task_desk(self, artifact: Artifact) -> TaskDesk:
        """Where the tasks of `artifact` are accepted."""
        desk = self.desk(artifact)
        return TaskDesk(
            ledger=self.ledger,
            directory=self.directory,
            gate=desk.gate,
            engine=self.engine,
            plan=desk.plan,
            funds_status=desk.funds_status,
            deadline_ms=artifact.plan.server.tasks.deadline_ms,
        )

    async def adopt(self, artifact: Artifact) -> None:
        """Take over what an artifact that goes live brings along, and put its prices on record (I-09)."""
        plan = artifact.plan
        self._checker.adopt(plan.providers, self)
        self.engine.adopt(self.workshop(artifact))
        self.directory.set_config_budgets(plan.budgets)
        self._call_log_ms = plan.server.billing.call_log_days * DAY_MS
        self._note_build(hashlib.sha256(plan.canonical()).hexdigest())
        prices = {price_id(price): canonical(price).decode() for price in plan.prices}
        try:
            await self.books.run(book.remember_prices, prices)
        except StoreError:
            _log.exception("the prices of the artifact are not on record yet")

    def _note_build(self, plan: str) -> None:
        if self._build is not None:
            self.meter.keep(catalogue.BUILD, 0, *self._build)
        self._build = (__version__, plan[:12])
        self.meter.keep(catalogue.BUILD, 1, *self._build)

    def connect(self, provider: Provider) -> Transport:
        """A pooled transport to `provider`."""
        return self._pool.connect(provider)

    def base_url(self, provider: Provider) -> str:
        """The provider's address. A simulated provider, and only that, may have been started elsewhere."""
        moved = self.settings.simulator_url if provider.simulated else None
        return moved or provider.base_url

    async def start(self) -> None:
        """Settle what dead workers left, and start the background work of this one. Raises `StoreError`, `OSError`."""
        await self.ledger.start()
        self.limiter.start()
        self.engine.start()
        self._tasks = [
            asyncio.create_task(self.watchdog.run()),
            asyncio.create_task(self.load.watch()),
            asyncio.create_task(self.keys.watch(self._stop)),
            asyncio.create_task(self.directory.watch(self._stop)),
            asyncio.create_task(self._expire()),
            asyncio.create_task(self._sample()),
            asyncio.create_task(self._stock.watch()),
        ]
        if self.meter.log is not None:
            self._tasks.append(asyncio.create_task(self._log(self.meter.log)))
        if self.settings.drain_file is not None:
            self._tasks.append(asyncio.create_task(self._drain(self.settings.drain_file)))

    async def _expire(self) -> None:
        """Stored responses and lines of the call log go when their time is over."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            now_ms = time.time_ns() // 1_000_000
            try:
                await self.responses.run(ResponseTable.expire, now_ms)
                await self.engine.forget(now_ms)
                await self.books.run(book.forget_calls, now_ms - self._call_log_ms)
            except StoreError:
                _log.exception("what is out of date could not be removed; trying again")

    async def _sample(self) -> None:
        """Put what is counted elsewhere on the board, every second."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            keep = self.meter.keep
            keep(catalogue.LOOP_LAG, max(loop.time() - due, 0.0))
            keep(catalogue.DRAINING, self.draining)
            keep(catalogue.JOURNAL_BACKLOG, self.ledger.backlog)
            keep(catalogue.JOURNAL_AGE, self.ledger.oldest_s)
            keep(catalogue.WORKERS, 1)
            keep(catalogue.OVERLOAD, self.load.level)
            for (priority, reason), count in self.load.shed.items():
                keep(catalogue.SHED, count, priority, reason)
            if self.meter.tracer is not None:
                keep(catalogue.EXPORT_DROPPED, self.meter.tracer.sender.dropped)
            self._sample_limits()
            self._sample_fleet()
            for provider, until in self._pool.certificates():
                keep(catalogue.CERTIFICATE, until, provider)
            losses: Counter[str] = Counter()
            for name, count in self.losses.found.items():
                losses[name.partition(" ")[0]] += count
            for kind, count in losses.items():
                keep(catalogue.LOSSES, count, kind)

    def _sample_fleet(self) -> None:
        keep, fleet = self.meter.keep, self.fleet
        for one, rank in fleet.ranks():
            name = f"{one.provider}/{one.model}"
            keep(catalogue.DEPLOYMENT_STATE, rank, name)
            for result, count in one.results.items():
                keep(catalogue.ATTEMPTS, count, one.provider, name, result)
        for (model, reason), count in fleet.turns.items():
            keep(catalogue.FAILOVERS, count, model, reason)
        for model, budget in fleet.budgets.items():
            keep(catalogue.RETRIES_REFUSED, budget.exhausted, model)

    def _sample_limits(self) -> None:
        keep, limiter = self.meter.keep, self.limiter
        for (name, scope), count in limiter.rejections.items():
            keep(catalogue.REJECTIONS, count, name, scope)
        guarded = limiter.counters
        keep(catalogue.LIMITS_DEGRADED, guarded.degraded)
        for op in ("reserve", "settle", "renew"):
            keep(catalogue.LIMIT_ERRORS, getattr(guarded, f"{op}_errors"), op)
        keep(catalogue.LEASES_EXPIRED, limiter.guard.counters.leases_expired)

    async def _log(self, log: AccessLog) -> None:
        while True:
            await asyncio.sleep(LOG_SECONDS)
            log.flush()
            self.meter.keep(catalogue.LOG_DROPPED, log.dropped)

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
        await self._checker.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.stop()
        await self.results.close()
        await self.limiter.close()
        await self.ledger.stop()
        self.responses.close()
        self.books.close()
        await self._pool.close()
        self.meter.close()


def _raised(flag: Path) -> bool:
    return flag.exists()


def prove_store(settings: Settings, server: Server) -> None:
    """Open and close the store once, before any worker does. Raises the store's own typed errors, `TracesRefused`."""
    database, keys, pepper = _open_store(settings, server)
    open_results(server.results, settings.root, pepper)
    task_policy(settings, server)
    _tracer(server)
    book.register(database, WORKER, "", "")
    keys.close()
    database.close()


def open_runtime(settings: Settings, server: Server) -> Runtime:
    """Open the store and build the runtime. Raises the store's own typed errors."""
    database, keys, pepper = _open_store(settings, server)
    results = open_results(server.results, settings.root, pepper)
    responses = ResponseStore(ResponseTable(database))
    allowed = server.media_fetch
    fetcher = Fetcher(frozenset(allowed.allow_hosts), http=allowed.allow_http)
    log = AccessLog() if server.telemetry.access_log else None
    meter = Meter(open_board(settings.metrics), log, _tracer(server))
    policy, worker = task_policy(settings, server), f"worker_{request_id()}"
    return Runtime(
        settings=settings,
        keys=keys,
        responses=responses,
        ledger=_ledger(settings, server, database, meter),
        directory=Directory(database),
        books=StoreThread(database.another(), "books"),
        results=results,
        results_key=results_key(pepper),
        engine=Engine(database.another, results, fetcher, worker, policy, meter.closed),
        meter=meter,
        journals=journal_folder(settings, server),
        limiter=Limiter(open_engine(server.counters, settings.root), lambda: server.workers * server.hosts),
        fetcher=fetcher,
        overload=server.overload,
        drain_seconds=server.drain_ms / 1000,
    )


def _tracer(server: Server) -> Tracer | None:
    traces = server.telemetry.traces
    return Tracer(traces, open_sender(traces, server.name)) if traces is not None else None


def task_policy(settings: Settings, server: Server) -> Policy:
    """How tasks are carried to their end. Raises `ResultsError` for a webhook secret that cannot sign."""
    webhooks, policy = server.webhooks, server.tasks
    secret = read_secret(webhooks.secret, os.environ) if webhooks.secret is not None else None
    if secret is not None:
        try:
            signing_key(secret)
        except ValueError as error:
            raise ResultsError(f"webhooks.secret: {error}") from None
    return Policy(
        lease_ms=settings.task_lease_ms,
        keep_ms=policy.keep_ms,
        store_results=policy.store_results,
        webhook_secret=secret,
        webhook_hosts=webhooks.allow_hosts,
    )


def journal_folder(settings: Settings, server: Server) -> Path:
    """Where the journals of this machine's workers lie."""
    return pepper_path(server.database, settings.root).parent / JOURNAL_FOLDER


def _ledger(settings: Settings, server: Server, database: Database, meter: Meter) -> Ledger:
    policy = server.billing
    chosen = LedgerSettings(outage_amount=policy.outage_amount, outage_ms=policy.outage_ms)
    return Ledger(database.another, journal_folder(settings, server), chosen, meter.closed)


def _open_store(settings: Settings, server: Server) -> tuple[Database, KeyCache, bytes]:
    """The store, its keys, and the pepper that both are guarded by."""
    database = open_store(server.database, settings.root)
    pepper = pepper_of(database, pepper_path(server.database, settings.root))
    return database, KeyCache(database, pepper), pepper
