"""Limits of one process, in its memory. Nothing here waits, so a call is atomic within the event loop."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from nexusflow.limits.engine import CLOSED_TICKET_MS, LEASE_MS, OPEN_TICKET_MS, Counters
from nexusflow.limits.rule import (
    Ask,
    Granted,
    Limit,
    LimitState,
    Refused,
    Ticket,
    corrections,
    grant,
    grant_again,
    refuse,
    settled,
    state,
)

_SWEEP_US = 10_000_000


def monotonic_us() -> int:
    """Microseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1000


class MemoryEngine:
    """See Engine. Exact for one worker on one host."""

    def __init__(self, clock: Callable[[], int] = monotonic_us, lease_ms: int = LEASE_MS) -> None:
        self.counters = Counters()
        self._clock = clock
        self._lease_us = lease_ms * 1000
        self._full: dict[str, int] = {}
        # Leases are all of one length and renewed at the end, so that the oldest are always first.
        self._slots: dict[str, dict[str, int]] = {}
        self._open: dict[str, int] = {}
        self._closed: set[str] = set()
        self._closings: deque[tuple[int, str]] = deque()
        self._sweep_us = clock() + _SWEEP_US

    async def reserve(self, ask: Ask) -> Granted | Refused:
        """See Engine."""
        return self.reserve_now(ask)

    def reserve_now(self, ask: Ask) -> Granted | Refused:
        """As `reserve`, for who cannot wait."""
        now = self._clock()
        self._sweep(now)
        needs = ask.needs()
        levels, after, room = [], [], True
        for limit, need in zip(ask.limits, needs, strict=True):
            level = self._level(limit, now)
            levels.append(level)
            after.append(level + need)
            room = room and level + need <= limit.capacity
        if ask.id in self._open or ask.id in self._closed:
            return grant_again(ask, levels)
        if not room:
            return refuse(ask, needs, levels)
        for limit, level in zip(ask.limits, after, strict=True):
            if limit.slots:
                self._slots.setdefault(limit.key, {})[ask.id] = now + self._lease_us
            else:
                self._full[limit.key] = now + level
        self._open[ask.id] = now + OPEN_TICKET_MS * 1000
        return grant(ask, after, now)

    async def settle(self, ticket: Ticket, tokens: int | None) -> None:
        """See Engine."""
        self.settle_now(ticket, tokens)

    def settle_now(self, ticket: Ticket, tokens: int | None) -> None:
        """As `settle`, for who cannot wait."""
        now = self._clock()
        asked = ticket.ask
        known = self._open.pop(asked.id, None) is not None
        if asked.id not in self._closed:
            self._closed.add(asked.id)
            self._closings.append((now + CLOSED_TICKET_MS * 1000, asked.id))
        changes = corrections(ticket, tokens)
        for limit, change, end in zip(asked.limits, changes, ticket.ends_us, strict=True):
            if limit.slots:
                self._slots.get(limit.key, {}).pop(asked.id, None)
            elif known and change:
                self._full[limit.key] = settled(self._full.get(limit.key, 0), change, end, now)

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        """See Engine."""
        self.renew_now(tickets)

    def renew_now(self, tickets: Sequence[Ticket]) -> None:
        """As `renew`, for who cannot wait."""
        now = self._clock()
        for ticket in tickets:
            if ticket.ask.id in self._closed:
                continue
            for limit in ticket.ask.limits:
                if limit.slots:
                    held = self._slots.setdefault(limit.key, {})
                    self.counters.slots_restored += held.pop(ticket.ask.id, None) is None
                    held[ticket.ask.id] = now + self._lease_us

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """See Engine."""
        now = self._clock()
        return [state(limit, self._level(limit, now)) for limit in limits]

    async def close(self) -> None:
        """See Engine. There is nothing to let go of."""

    def raise_to(self, limit: Limit, level_us: int) -> None:
        """The level of the bucket of `limit` is at least one that was seen elsewhere."""
        if level_us:
            self._full[limit.key] = max(self._full.get(limit.key, 0), self._clock() + level_us)

    def _level(self, limit: Limit, now: int) -> int:
        if not limit.slots:
            left = self._full.get(limit.key, 0) - now
            return left if left > 0 else 0
        held = self._slots.get(limit.key)
        if not held:
            return 0
        while held and held[oldest := next(iter(held))] <= now:
            del held[oldest]
            self.counters.leases_expired += 1
        return len(held)

    def _sweep(self, now: int) -> None:
        """Forget what no longer matters: old ids, and now and then full buckets and unused slots."""
        # Of these there are many, so that all at once would hold up whoever comes then.
        while self._closings and self._closings[0][0] <= now:
            self._closed.discard(self._closings.popleft()[1])
        if now < self._sweep_us:
            return
        self._sweep_us = now + _SWEEP_US
        self._full = {key: full for key, full in self._full.items() if full > now}
        self._slots = {key: held for key, held in self._slots.items() if held}
        self._open = {key: end for key, end in self._open.items() if end > now}
