"""What every engine of limits does, wherever it keeps the numbers."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from nexusflow.limits.rule import Ask, Granted, Limit, LimitState, Refused, Ticket

LEASE_MS = 30_000
"""A slot that nobody renews is free again after this (S-06)."""
OPEN_TICKET_MS = 7_200_000
"""How long a settlement is awaited: longer than any call may run."""
CLOSED_TICKET_MS = 60_000
"""How long a settled id is remembered, against requests that something on the way sends twice."""


class LimitsAway(Exception):
    """The store of limits did not answer in time, or cannot do what was asked. It may have been done or not."""


class Counters(Struct):
    """What an engine saw since it was opened, for metrics. `slots_restored` counts those a renewal found missing."""

    leases_expired: int = 0
    slots_restored: int = 0
    functions_loaded: int = 0


class Engine(Protocol):
    """Buckets and leased slots. Every method but `close` may raise LimitsAway; each can be repeated without harm."""

    counters: Counters

    async def reserve(self, ask: Ask) -> Granted | Refused:
        """Check everything, then take everything or nothing."""
        ...

    async def settle(self, ticket: Ticket, tokens: int | None) -> None:
        """The call ended and used `tokens`: free its slots, correct the estimate. The first settlement counts.

        None: the call never happened; the whole reservation is given back.
        """
        ...

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        """Their slots are held for another LEASE_MS. Slots that a store lost are taken again, whatever the bound."""
        ...

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """The state of each limit; nothing is taken."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
