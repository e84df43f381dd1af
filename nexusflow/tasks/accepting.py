"""Accepting a task: may it be made, on whose account, and is the money there; written together or not at all."""

import time
import uuid
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from nexusflow.accounts.directory import Directory
from nexusflow.flow.admit import permit
from nexusflow.flow.client import Header
from nexusflow.flow.estimate import Size
from nexusflow.flow.gate import Gate
from nexusflow.flow.order import Order
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.task import Brief
from nexusflow.keys.model import Key
from nexusflow.ledger.ledger import Ledger
from nexusflow.ledger.reserving import Trust
from nexusflow.limits.rule import Limit
from nexusflow.protocols.common.demand import Demand
from nexusflow.store import Database
from nexusflow.tasks import table
from nexusflow.tasks.costs import most
from nexusflow.tasks.engine import Engine
from nexusflow.tasks.lanes import MediaLane, MediaModel
from nexusflow.tasks.model import DAY_MS, Task

WORKER = "tasks"
"""Whose the leases of tasks are, in place of a worker: they outlive all of them."""
RETRIED_MS = 900_000
"""For how long an SDK's own retry of a request finds the task that the request made."""


class Wish(Struct, frozen=True, kw_only=True):
    """A task that somebody wants. `retry`: the SDK says that it sends the same request again.

    `waits`: its client waits for the end, so that this worker begins with it at once.
    """

    key: Key
    address: str | None
    media: MediaModel
    face: str
    endpoint: str
    brief: Brief
    fingerprint: bytes
    base_url: str
    name: str | None = None
    retry: bool = False
    webhook_url: str | None = None
    waits: bool = False


class _Known(Exception):
    """The task was made before."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.id)
        self.task = task


@dataclass(frozen=True, slots=True)
class TaskDesk:
    """What accepting needs of the worker and of the artifact. `plan` is the plan's digest."""

    ledger: Ledger
    directory: Directory
    gate: Gate
    engine: Engine
    plan: str
    funds_status: int
    deadline_ms: int

    async def accept(self, wish: Wish, request: str, headers: list[Header]) -> tuple[Task, bool]:
        """The task, and whether it is new: the same `Idempotency-Key` names the same task (G38).

        What is left of limits goes into `headers`. Raises `RequestRefused`: not allowed, not possible, over a limit,
        no funds, no ledger.
        """
        model, now_ms = wish.media.model, time.time_ns() // 1_000_000
        permit(wish.key, model.id, wish.face, wish.endpoint, wish.address)
        lane = self._first(wish)
        payer = self.directory.payer(wish.key, model.id, wish.brief.user, now_ms)
        held = max(
            [most(wish.brief, one.price, now_ms) for one in wish.media.lanes if one.price is not None], default=0
        )
        taken = await self.gate.enter(_order(wish), _size(wish.brief), request, headers)
        task = self._task(wish, lane, payer.user, held, now_ms)
        trust = Trust(WORKER, task.id, self.deadline_ms + 7 * DAY_MS, f"tasks:{payer.org}")
        limits = [limit for limit in (*self.gate.limits(wish.key, model), *lane.limits) if limit.kind == "tasks"]

        def also(database: Database) -> None:
            _enqueue(database, task, wish, limits, now_ms)

        try:
            await self.ledger.entrust(payer, held, trust, also)
        except _Known as known:
            return known.task, False
        except RequestRefused as refused:
            if refused.problem.kind is Kind.FUNDS:
                raise RequestRefused(msgspec.structs.replace(refused.problem, status=self.funds_status)) from None
            raise
        finally:
            if taken is not None:
                taken.end(_size(wish.brief).input)
        if wish.waits:
            self.engine.take(task)
        else:
            self.engine.hurry()
        return task, True

    def _first(self, wish: Wish) -> MediaLane:
        """The first lane whose provider can do what is wanted, found out before anything is promised."""
        if not wish.media.lanes:
            model, reason = wish.media.model.id, wish.media.reason
            message = f"the model `{model}` is not available: {reason}"
            raise RequestRefused(Problem(kind=Kind.UNAVAILABLE, message=message, param="model", should_retry=False))
        refusals = []
        for lane in wish.media.lanes:
            try:
                lane.maker.submit(wish.brief, lane.destination, "task")
            except RequestRefused as refused:
                refusals.append(refused)
                continue
            except ValueError:
                pass  # it wants the bytes of what is given by URL, which are fetched later
            return lane
        raise refusals[0]

    def _task(self, wish: Wish, lane: MediaLane, user: str | None, held: int, now_ms: int) -> Task:
        key, (provider, upstream_model) = wish.key, lane.name
        return Task(
            id=f"task_{uuid.uuid4()}",
            owner=key.owner or key.id,
            org=key.org,
            team=key.team,
            key_id=key.id,
            user_tag=user,
            face=wish.face,
            type=wish.media.type,
            model=wish.media.model.id,
            provider=provider,
            upstream_model=upstream_model,
            worker=self.engine.worker if wish.waits else None,
            next_ms=now_ms + self.engine.lease_ms if wish.waits else now_ms,
            created_ms=now_ms,
            deadline_ms=now_ms + self.deadline_ms,
            expires_ms=now_ms + self.deadline_ms + 7 * DAY_MS,
            brief=wish.brief,
            price=lane.price_id,
            plan=self.plan,
            held=held,
            webhook_url=wish.webhook_url,
            base_url=wish.base_url,
            name=wish.name,
            fingerprint=wish.fingerprint,
        )


def _enqueue(database: Database, task: Task, wish: Wish, limits: list[Limit], now_ms: int) -> None:
    if wish.name is not None or wish.retry:
        known = table.same(database, task.owner, wish.name, wish.fingerprint, now_ms - RETRIED_MS)
        if known is not None:
            if known.fingerprint != wish.fingerprint:
                message = "This `Idempotency-Key` was used for another request."
                raise refuse(Kind.REUSE, message, code="idempotency_key_reused")
            raise _Known(known)
    for limit in limits:
        if table.running(database, limit.scope, limit.subject, limit.model) >= limit.amount:
            message = f"The limit of {limit.amount:,} tasks at once of this {limit.scope} is reached."
            raise RequestRefused(Problem(kind=Kind.RATE, message=message, retry_after=5))
    table.insert(database, task)


def _order(wish: Wish) -> Order:
    return Order(
        key=wish.key,
        address=wish.address,
        model=wish.media.model,
        lanes=(),
        asked=wish.media.model.id,
        protocol=wish.face,
        endpoint=wish.endpoint,
        body=b"",
        demand=Demand(0, user=wish.brief.user),
        stream=False,
    )


def _size(brief: Brief) -> Size:
    return Size(input=64 + len(brief.prompt) * 2 // 7, output=0, answers=0, media=len(brief.images))
