"""What the request flow uses: one limiter per worker, over any engine."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence

from nexusflow.limits.engine import LEASE_MS, Engine
from nexusflow.limits.guard import Guard, GuardCounters
from nexusflow.limits.memory import monotonic_us
from nexusflow.limits.rule import Ask, Granted, Limit, LimitState, Refused, Ticket

_REMEMBERED = 10_000
_log = logging.getLogger("nexusflow.limits")


class Limiter:
    """Admits requests and holds their slots until they end. All methods belong to one event loop.

    `workers` tells how many live workers share the limits, for when the store is away.
    """

    def __init__(
        self,
        engine: Engine,
        workers: Callable[[], int] = lambda: 1,
        renew_ms: int = LEASE_MS // 3,
        clock: Callable[[], int] = monotonic_us,
    ) -> None:
        self.guard = Guard(engine, workers)
        self.rejections: dict[tuple[str, str], int] = {}
        """By name and scope of the limit."""
        self._renew_s = renew_ms / 1000
        self._clock = clock
        self._ending: set[asyncio.Task[None]] = set()
        self._full_until: dict[tuple[str, int], tuple[int, int]] = {}
        """By key and amount: when there is room again, and when all of it is there."""
        self._renewing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew leases; needs a running event loop."""
        self._renewing = asyncio.create_task(self._renew())

    def early(self, limits: Iterable[Limit]) -> Refused | None:
        """A refusal that needs no store and no body (R-30), from an earlier one on requests that still holds."""
        now = self._clock()
        for limit in limits:
            until, full = self._full_until.get((limit.key, limit.amount), (0, 0))
            if until > now:
                state = LimitState(limit, 0, -((now - full) // 1000))
                return self._count(Refused(limit, -((now - until) // 1000), (state,)))
        return None

    async def reserve(self, ask: Ask) -> Granted | Refused:
        """Take all of `ask`, or nothing. A grant must be ended by `settle` or `release`."""
        # No coroutine where nothing is waited for: it would be the dearest part of the whole.
        answer = self.guard.reserve_at_once(ask) or await self.guard.reserve(ask)
        if isinstance(answer, Refused):
            if answer.limit.kind == "requests" and answer.states:
                self._remember(answer)
            return self._count(answer)
        return answer

    async def settle(self, ticket: Ticket, tokens: int) -> None:
        """The call ended and used `tokens`. Twice is once."""
        await self.guard.settle(ticket, tokens)

    async def release(self, ticket: Ticket) -> None:
        """The call was refused later on and never sent: it counts for nothing."""
        for limit in ticket.ask.limits:
            self._full_until.pop((limit.key, limit.amount), None)
        await self.guard.settle(ticket, None)

    def end(self, ticket: Ticket, tokens: int | None) -> None:
        """`settle`, or `release` where `tokens` is None, for who must not wait. `close` waits for it."""
        if tokens is not None and self.guard.settle_at_once(ticket, tokens):
            return
        task = asyncio.create_task(self.release(ticket) if tokens is None else self.settle(ticket, tokens))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """The state of each limit, for people. Raises LimitsAway."""
        return await self.guard.peek(limits)

    @property
    def counters(self) -> GuardCounters:
        """Of the guard; those of the engine are `guard.counters`."""
        return self.guard.guarded

    async def close(self) -> None:
        """Stop renewing and let go of the store. Slots still held come back when their lease ends."""
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
        await asyncio.gather(*self._ending)
        await self.guard.close()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renew_s)
            try:
                await self.guard.renew()
            except Exception:
                # Without this loop every slot in use would be given to somebody else.
                _log.exception("leases of slots were not renewed")

    def _remember(self, refused: Refused) -> None:
        now = self._clock()
        if len(self._full_until) >= _REMEMBERED:
            self._full_until = {key: times for key, times in self._full_until.items() if times[0] > now}
        if len(self._full_until) < _REMEMBERED:
            full = next(state.reset_ms for state in refused.states if state.limit == refused.limit)
            room = refused.retry_after_ms
            self._full_until[refused.limit.key, refused.limit.amount] = (now + room * 1000, now + full * 1000)

    def _count(self, refused: Refused) -> Refused:
        name = (refused.limit.name, refused.limit.scope)
        self.rejections[name] = self.rejections.get(name, 0) + 1
        return refused
