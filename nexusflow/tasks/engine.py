"""The loop that carries tasks to their end: in every worker, over one table, as long as it takes (engines A.4)."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import msgspec
from msgspec import Struct

from nexusflow.ir.plan import Price
from nexusflow.ir.secret import Secret
from nexusflow.ir.task import FINAL, Sketch
from nexusflow.ledger.failpoints import reach
from nexusflow.ledger.records import Closed
from nexusflow.results.results import Results, ResultsError
from nexusflow.store import Database, StoreError
from nexusflow.store.thread import StoreThread
from nexusflow.tasks import ending, table, webhooks
from nexusflow.tasks.lanes import MediaLane, Workshop
from nexusflow.tasks.looking import Tools, look
from nexusflow.tasks.model import Task
from nexusflow.tasks.outcome import End, GoOn, Outcome, Unknown
from nexusflow.tasks.sending import Show
from nexusflow.tasks.table import Stale, Tick
from nexusflow.upstream.fetch import Fetcher
from nexusflow.upstream.webhook import deliver

AT_ONCE, BREATH_S = 16, 0.01
"""How many tasks are claimed at once, and how long after that the next ones."""
_log = logging.getLogger("nexusflow.tasks")


class Policy(Struct, frozen=True, kw_only=True):
    """`lease_ms`: how long a claim holds without being renewed. `most` tasks are looked at at once, `most_each` of one
    provider. `pause_s`: between looks at an idle table. `back_ms`: when a failed task is asked about once more (U-39).
    `webhook_hosts` as in the plan; without a secret none is sent.
    """

    lease_ms: int = 15_000
    most: int = 256
    most_each: int = 32
    pause_s: float = 0.25
    keep_ms: int = 86_400_000
    store_results: bool = True
    back_ms: int = 600_000
    webhook_secret: Secret | None = None
    webhook_hosts: tuple[str, ...] | None = None


class Engine:
    """One per worker. `worker` is its id; `adopt` tells it what an artifact that goes live can make."""

    def __init__(
        self,
        open_store: Callable[[], Database],
        results: Results,
        fetcher: Fetcher,
        worker: str,
        policy: Policy,
        closed: Callable[[Closed], None] = lambda record: None,
    ) -> None:
        """`closed` is told of every task that ends here, on the event loop, once."""
        self._closed = closed
        self._books = StoreThread(open_store(), "tasks")
        self._results = results
        self._fetcher = fetcher
        self._worker = worker
        self._policy = policy
        self._kept = ending.Kept(policy.keep_ms, policy.back_ms, policy.webhook_secret is not None)
        self._workshop = Workshop({}, {})
        self._busy: dict[asyncio.Task[None], tuple[str, int]] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._ticks: list[Tick] = []
        self._ended: dict[str, list[asyncio.Event]] = {}
        self._shown: dict[str, Show] = {}
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def adopt(self, workshop: Workshop) -> None:
        """Send tasks by the lanes of `workshop` from now on."""
        self._workshop = workshop

    def start(self) -> None:
        """Begin, on the running event loop."""
        loops = (self._claim(), self._write_ticks(), self._renew(), self._deliver())
        self._loops = [asyncio.ensure_future(self._forever(one)) for one in loops]

    async def stop(self) -> None:
        """Leave what is under way to others, once its claim has run out."""
        under_way = (*self._loops, *self._busy)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._books.close()

    async def run(self, work: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """`work(database, ...)` on the engine's own connection."""
        return await self._books.run(work, *args, **more)

    def hurry(self) -> None:
        """There is something to do."""
        self._wake.set()

    def take(self, task: Task) -> None:
        """Work on a task that was written as claimed by this worker."""
        self._begin(task)

    async def ended(self, id_: str, seconds: float) -> None:
        """Return when the task has come to an end here, or when this worker leaves it, or after `seconds`."""
        event, waiting = asyncio.Event(), self._ended.setdefault(id_, [])
        waiting.append(event)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        finally:
            waiting.remove(event)
            if not waiting:
                self._ended.pop(id_, None)

    @contextlib.contextmanager
    def showing(self, id_: str, show: Show) -> Iterator[None]:
        """Tell `show` how the image of a task of this worker comes to be, as long as the context lasts."""
        self._shown[id_] = show
        try:
            yield
        finally:
            del self._shown[id_]

    async def forget(self, now_ms: int) -> None:
        """Remove tasks whose time is over, and what they made. Raises StoreError."""
        gone = await self._books.run(table.forget, now_ms)
        names = [one.name for task in gone for one in task.output or () if one.name is not None]
        for name in names:
            with contextlib.suppress(ResultsError):
                await self._results.delete(name)

    @property
    def worker(self) -> str:
        """The id under which this engine claims."""
        return self._worker

    @property
    def lease_ms(self) -> int:
        """How long a claim holds."""
        return self._policy.lease_ms

    async def _forever(self, loop: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await loop

    async def _claim(self) -> None:
        while True:
            # A few at a time: what is asked at once keeps the loop from everything else meanwhile.
            room = min(self._policy.most - len(self._busy), AT_ONCE)
            found: list[Task] = []
            if room > 0:
                found = await self._try(table.claim, self._worker, _now_ms(), self._policy.lease_ms, room) or []
            for task in found:
                self._begin(task)
            if len(found) == AT_ONCE:
                await asyncio.sleep(BREATH_S)
            elif len(found) < room or room <= 0:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._policy.pause_s)

    def _begin(self, task: Task) -> None:
        # By what runs and not by the task: one that is due again at once may be claimed before its last look is over.
        running = asyncio.ensure_future(self._work(task))
        self._busy[running] = (task.id, task.version)
        running.add_done_callback(self._leave)

    def _leave(self, running: asyncio.Task[None]) -> None:
        id_, _ = self._busy.pop(running)
        self._tell(id_)

    async def _work(self, task: Task) -> None:
        running = cast("asyncio.Task[None]", asyncio.current_task())
        turn = self._turns.setdefault(task.provider, asyncio.Semaphore(self._policy.most_each))
        try:
            async with turn:
                await self._look(task, running)
        except Stale:
            _log.warning("task %s went on elsewhere", task.id)
        except StoreError:
            _log.exception("task %s cannot be written; it is looked at again", task.id)
        except Exception:
            _log.exception("task %s could not be looked at", task.id)
            await self._put_off(task)

    async def _look(self, task: Task, running: asyncio.Task[None]) -> None:
        latest = [task]

        async def record(task: Task, changes: dict[str, Any]) -> Task:
            claimed = {"submitted_ms": _now_ms(), "next_ms": _now_ms() + self._policy.lease_ms, **changes}
            await self._books.run(table.change, latest[0], claimed)
            latest[0] = msgspec.structs.replace(latest[0], version=latest[0].version + 1, **claimed)
            self._busy[running] = (task.id, latest[0].version)
            reach("task-submitting")
            return msgspec.structs.replace(latest[0], brief=task.brief)

        def show(sketch: Sketch) -> None:
            if task.id in self._shown:
                self._shown[task.id](sketch)

        tools = Tools(self._results, self._fetcher, record, show, self._policy.store_results)
        if task.state in FINAL:
            await self._look_back(task)
            return
        outcome = await look(task, self._lanes(task), tools, _now_ms())
        reach("task-submitted")
        await self._write(latest[0], outcome)

    async def _write(self, task: Task, outcome: Outcome) -> None:
        now = _now_ms()
        if isinstance(outcome, End):
            await self._end(task, outcome, now)
        elif isinstance(outcome, Unknown):
            next_ms = None if outcome.wait_s is None else now + int(outcome.wait_s * 1000)
            changes = {
                "state": "unknown",
                "error": outcome.message,
                "error_code": "outcome_unknown",
                "next_ms": next_ms,
            }
            await self._books.run(table.change, task, changes)
            _log.error("task %s: nobody knows what became of it at %s", task.id, task.provider)
            self._tell(task.id)
        else:
            await self._go_on(task, outcome, now)

    async def _go_on(self, task: Task, outcome: GoOn, now: int) -> None:
        next_ms, errors = now + int(outcome.wait_s * 1000), task.errors + 1 if outcome.failed else 0
        polls = task.polls + (task.state == "waiting")
        changes = {**outcome.changes, "errors": errors}
        same = all(changes[name] == getattr(task, name) for name in ("state", "handle") if name in changes)
        if same and changes.keys() <= {"state", "handle", "progress", "errors"}:
            self._ticks.append(Tick(task, next_ms, changes.get("progress", -1), polls, errors))
            return
        await self._books.run(table.change, task, {**changes, "polls": polls, "next_ms": next_ms})
        if not outcome.wait_s:
            self.hurry()

    async def _end(self, task: Task, end: End, now: int) -> None:
        reach("task-kept")
        price = await self._price(task)
        finish = partial(
            ending.finish, task=task, end=end, price=price, results=self._results, now_ms=now, kept=self._kept
        )
        self._closed(await self._books.run(lambda database: finish(database)))
        reach("task-ended")
        self._tell(task.id)

    async def _look_back(self, task: Task) -> None:
        """A failed task is asked about once more, later: some providers charge for what they said was lost (U-39)."""
        lanes = self._lanes(task)
        made = await ending.look_back(task, lanes[0] if lanes else None)
        price = await self._price(task)
        await self._books.run(lambda database: ending.close(database, task, price, made))

    def _lanes(self, task: Task) -> list[MediaLane]:
        """The task's own lane and those after it."""
        found = self._workshop.models.get(task.model)
        lanes = list(found.lanes) if found is not None else []
        names = [lane.name for lane in lanes]
        own = (task.provider, task.upstream_model)
        if own in names:
            return lanes[names.index(own) :]
        lane = self._workshop.lane(task.model, *own, task.type)
        return [lane] if lane is not None else []

    async def _price(self, task: Task) -> Price | None:
        """As it was when the task was accepted, whatever the artifact says now."""
        return await self._books.run(ending.price_of, task.price)

    def _tell(self, id_: str) -> None:
        for event in self._ended.get(id_, ()):
            event.set()

    async def _put_off(self, task: Task) -> None:
        await self._try(table.tick, [Tick(task, _now_ms() + 60_000, -1, task.polls, task.errors + 1)])

    async def _write_ticks(self) -> None:
        """Many tasks that go on are written together."""
        while True:
            await asyncio.sleep(0.02)
            ticks, self._ticks = self._ticks, []
            if ticks:
                await self._try(_in_one, ticks)

    async def _renew(self) -> None:
        """Claims that take long are kept, as long as this process lives."""
        while True:
            await asyncio.sleep(self._policy.lease_ms / 3000)
            held = list(self._busy.values())
            if held:
                await self._try(table.renew, held, _now_ms() + self._policy.lease_ms)

    async def _deliver(self) -> None:
        secret = self._policy.webhook_secret
        while secret is not None:
            found = await self._try(webhooks.claim, self._worker, _now_ms(), 30_000, 32) or []
            await asyncio.gather(*[self._send(one, secret) for one in found])
            if not found:
                await asyncio.sleep(self._policy.pause_s)

    async def _send(self, webhook: webhooks.Webhook, secret: Secret) -> None:
        delivery = await deliver(
            self._fetcher,
            webhook.url,
            webhook.body.encode(),
            secret=secret,
            id=webhook.id,
            timestamp_s=_now_ms() // 1000,
            allow_hosts=self._policy.webhook_hosts,
        )
        await self._try(webhooks.note, webhook, delivery, _now_ms())

    async def _try(self, work: Callable[..., Any], *args: Any) -> Any:
        """What can be done again later: a database that is away is no reason to stop."""
        try:
            return await self._books.run(work, *args)
        except StoreError as error:
            _log.error("the table of tasks: %s", error)
            await asyncio.sleep(self._policy.pause_s)
            return None


def _in_one(database: Database, ticks: list[Tick]) -> None:
    with database.transaction():
        table.tick(database, ticks)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
