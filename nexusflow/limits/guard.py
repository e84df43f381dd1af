"""Between requests and a store of limits that can be slow, gone, full or read-only (S-01, S-02, S-04, S-05)."""

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nexusflow.limits.engine import Counters, Engine, LimitsAway
from nexusflow.limits.memory import MemoryEngine, monotonic_us
from nexusflow.limits.rule import Ask, Granted, Limit, LimitState, Refused, Ticket
from nexusflow.limits.seen import Seen

FAILURES = 3
"""So many in a row open the circuit."""
PROBE_MS = 500
"""How often an open circuit is probed; no request waits for it."""
CLOSED_RETRY_MS = 5_000
_OWED = 10_000
_BURST = 10
_PORTION = 100
_PROBE = Limit(name="probe", kind="requests", scope="deployment", subject="probe of limits", amount=1_000_000)
_log = logging.getLogger("nexusflow.limits")


class GuardCounters(Struct):
    """For metrics. `*_errors` count what the store failed to do; `degraded` is 1 while this worker counts alone."""

    degraded: int = 0
    reserve_errors: int = 0
    settle_errors: int = 0
    renew_errors: int = 0
    outages: int = 0
    local_grants: int = 0


class Guard:
    """Stands around an engine. Nothing raises LimitsAway but `peek`.

    While the circuit is open, limits are held as each one says: `local` by this worker's share, the amount divided
    by `workers`; `open` not at all; `closed` by refusing. A local bucket begins at the level that the store last
    told of, and other workers may have filled it since: at most a tenth of it, or one request, is there at once (S-01,
    AT-32). The slots of calls that run count in the share. What the store should have heard is told once it is back,
    and it learns of the slots that were given away meanwhile.
    """

    def __init__(self, engine: Engine, workers: Callable[[], int] = lambda: 1, probe_ms: int = PROBE_MS) -> None:
        self.guarded = GuardCounters()
        self._engine = engine
        self._memory = engine if isinstance(engine, MemoryEngine) else None
        self._workers = workers
        self._probe_s = probe_ms / 1000
        self._local = MemoryEngine()
        self._seen = Seen()
        self._failures = 0
        self._failing_us = 0
        """Since when the store fails."""
        self._held: dict[str, Ticket] = {}
        self._inside: dict[str, Ticket] = {}
        """What the local engine knows of a call: its share, or the slots that the store gave."""
        self._owed: deque[tuple[Ticket, int | None]] = deque(maxlen=_OWED)
        self._probing: asyncio.Task[None] | None = None

    @property
    def counters(self) -> Counters:
        """Those of the engine within."""
        return self._engine.counters

    @property
    def degraded(self) -> bool:
        """Whether the circuit is open."""
        return self._probing is not None

    @property
    def held(self) -> int:
        """How many calls hold slots."""
        return len(self._held)

    async def reserve(self, ask: Ask) -> Granted | Refused:
        """See Engine."""
        answer = self.reserve_at_once(ask)
        if answer is None:
            answer = self._alone(ask) if self.degraded else await self._shared(ask) or self._in_doubt(ask)
            self._hold(answer)
        return answer

    def reserve_at_once(self, ask: Ask) -> Granted | Refused | None:
        """As `reserve`, where there is no store to wait for; None where there is one, and nothing was taken."""
        if self._memory is None:
            return None
        answer = self._memory.reserve_now(ask)
        self._hold(answer)
        return answer

    def _hold(self, answer: Granted | Refused) -> None:
        if type(answer) is Granted and answer.ticket.holds_slots:
            self._held[answer.ticket.ask.id] = answer.ticket

    def settle_at_once(self, ticket: Ticket, tokens: int | None) -> bool:
        """As `settle`, where there is no store to wait for; False where there is one, and nothing was done."""
        if self._memory is None:
            return False
        self._held.pop(ticket.ask.id, None)
        self._memory.settle_now(ticket, tokens)
        return True

    async def settle(self, ticket: Ticket, tokens: int | None) -> None:
        """See Engine. One that fails is repeated when the store is back."""
        self._held.pop(ticket.ask.id, None)
        inside = self._inside.pop(ticket.ask.id, None)
        if inside is not None:
            self._local.settle_now(inside, tokens)
        if ticket.local and not ticket.holds_slots:
            return
        if self.degraded:
            self._owed.append((ticket, tokens))
            return
        try:
            await self._engine.settle(ticket, tokens)
        except LimitsAway as error:
            self.guarded.settle_errors += 1
            self._owed.append((ticket, tokens))
            self._failed(error)
        except asyncio.CancelledError:
            self._owed.append((ticket, tokens))
            raise

    async def renew(self) -> None:
        """Hold the slots of all calls that run for another lease."""
        self._local.renew_now([self._inside[name] for name in self._held if name in self._inside])
        if self.degraded:
            return
        try:
            await self._renew_held()
            await self._pay()
        except LimitsAway as error:
            self.guarded.renew_errors += 1
            self._failed(error)

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """See Engine. Raises LimitsAway."""
        return await self._engine.peek(limits)

    async def close(self) -> None:
        """See Engine."""
        if self._probing is not None:
            self._probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probing
        await self._engine.close()

    async def _shared(self, ask: Ask) -> Granted | Refused | None:
        """The store's answer; None where it gave none."""
        try:
            answer = await self._engine.reserve(ask)
        except LimitsAway as error:
            self.guarded.reserve_errors += 1
            self._failed(error)
            return None
        except asyncio.CancelledError:
            self._take_back(ask)
            raise
        self._failures = 0
        self._seen.note(answer.states)
        return answer

    def _in_doubt(self, ask: Ask) -> Granted | Refused:
        """This worker's answer to what the store may have granted."""
        answer = self._alone(ask)
        if isinstance(answer, Refused):
            self._take_back(ask)
        return answer

    def _take_back(self, ask: Ask) -> None:
        """Slots that may have been given must not wait for the end of their lease."""
        if any(limit.slots for limit in ask.limits):
            self._owed.append((_unshared(ask), ask.tokens))

    def _alone(self, ask: Ask) -> Granted | Refused:
        """As each limit wants it while the store is away."""
        limits = []
        workers = max(self._workers(), 1)
        for limit in ask.limits:
            if limit.fail == "closed":
                return Refused(limit, CLOSED_RETRY_MS, ())
            if limit.fail == "local":
                # Nobody's share is nothing, unless the limit itself is.
                share = replace(limit, amount=max(limit.amount // workers, min(limit.amount, 1)))
                self._local.raise_to(share, max(self._seen.level_us(limit), self._first_us(share)))
                limits.append(share)
        answer = self._local.reserve_now(Ask(ask.id, tuple(limits), ask.tokens))
        if isinstance(answer, Granted):
            self.guarded.local_grants += 1
            self._inside[ask.id] = answer.ticket
            return Granted(_unshared(ask), answer.states)
        return answer

    def _first_us(self, share: Limit) -> int:
        """The level of a bucket of which nothing was asked since the store failed."""
        if share.slots:
            return 0
        window = share.window_ms * 1000
        burst = max(window // _BURST, share.need(1))
        return max(window - burst - (monotonic_us() - self._failing_us), 0)

    def _mirror(self) -> None:
        """Let the slots that the store gave count in this worker's share."""
        unknown = [ticket for name, ticket in self._held.items() if name not in self._inside]
        self._local.renew_now(unknown)
        self._inside.update((ticket.ask.id, ticket) for ticket in unknown)

    def _failed(self, error: LimitsAway) -> None:
        self._failures += 1
        if self._failures == 1:
            self._failing_us = monotonic_us()
        if self._failures in (1, FAILURES):
            self._mirror()
        if self._failures < FAILURES or self.degraded:
            return
        _log.error("limits are held by each worker alone: %s", error)
        self.guarded.outages += 1
        self.guarded.degraded = 1
        self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        """Try the store until it takes writes again, tell it what it missed, and close the circuit."""
        while True:
            await asyncio.sleep(self._probe_s)
            try:
                answer = await self._engine.reserve(Ask(f"probe-{uuid.uuid4().hex}", (_PROBE,)))
                if isinstance(answer, Granted):
                    await self._engine.settle(answer.ticket, None)
                await self._pay()
                await self._renew_held()
            except LimitsAway:
                continue
            break
        self._failures = 0
        self.guarded.degraded = 0
        self._probing = None
        _log.warning("limits are shared again")

    async def _renew_held(self) -> None:
        """In portions: a store answers each in its time, and others have their turn between them."""
        held = list(self._held.values())
        for first in range(0, len(held), _PORTION):
            await self._engine.renew(held[first : first + _PORTION])

    async def _pay(self) -> None:
        """Settle what is owed."""
        while self._owed:
            # Taken first: two that pay at the same time must not settle one and drop another.
            owed = self._owed.popleft()
            try:
                await self._engine.settle(*owed)
            except BaseException:
                self._owed.appendleft(owed)
                raise


def _unshared(ask: Ask) -> Ticket:
    """A ticket of which the store may know or not: nothing of it is refunded there."""
    return Ticket(ask, (0,) * len(ask.limits), local=True)
