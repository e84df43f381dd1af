"""Limits that several hosts share, in Redis. The server's clock is the clock, so that of the hosts does not matter."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError

from nexusflow.ir.secret import Secret
from nexusflow.limits.batch import Batches
from nexusflow.limits.engine import CLOSED_TICKET_MS, LEASE_MS, OPEN_TICKET_MS, Counters, LimitsAway
from nexusflow.limits.functions import Command, Functions
from nexusflow.limits.rule import Ask, Granted, Limit, LimitState, Refused, Ticket, corrections, refuse, state

TIMEOUT_MS = 50
"""For a whole call, connecting included (S-02)."""
_TAKEN = 1
"""What the function `reserve` says where it took; 0 where there was no room, 2 where it had taken before."""


class _Part(Struct, frozen=True):
    """The limits of an ask that have one hash tag, by their places in it."""

    tag: str
    places: tuple[int, ...]


class RedisEngine:
    """See Engine. Exact for any number of hosts, as long as Redis keeps what it acknowledged."""

    def __init__(
        self, url: Secret, prefix: str = "nexusflow", lease_ms: int = LEASE_MS, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        """`url` is redis://, rediss:// or unix://; `prefix` begins all keys. Nothing is connected before it is used."""
        seconds = timeout_ms / 1000
        self.counters = Counters()
        # A retry of the client would turn an outage into latency; the functions are safe to repeat, but not here.
        self._client: Redis = Redis.from_url(
            url.reveal(),
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=3,
            max_connections=4,
        )
        self._functions = Functions(self._client)
        self._batches: Batches[Command, list[int]] = Batches(self._send)
        self._prefix = prefix
        self._lease_us = lease_ms * 1000
        self._seconds = seconds

    async def reserve(self, ask: Ask) -> Granted | Refused:
        """See Engine. Limits of several tags are several calls; one that refuses has the others undone."""
        needs = ask.needs()
        parts = _parts(ask.limits)
        replies = await self._together([self._reserving(ask, part, needs) for part in parts])
        levels, ends = [0] * len(needs), [0] * len(needs)
        for part, (answer, now, ended, *found) in zip(parts, replies, strict=True):
            self.counters.leases_expired += ended
            for place, level in zip(part.places, found, strict=True):
                levels[place] = level
                # Of what was granted before, the first ticket told.
                ends[place] = now + level + needs[place] if answer == _TAKEN else 0
        ticket = Ticket(ask, tuple(ends))
        taken = [part for part, reply in zip(parts, replies, strict=True) if reply[0] == _TAKEN]
        if not all(reply[0] for reply in replies):
            await self._undo(ticket, taken)
            return refuse(ask, needs, levels)
        for place in (place for part in taken for place in part.places):
            levels[place] += needs[place]
        return Granted(ticket, tuple(map(state, ask.limits, levels)))

    async def settle(self, ticket: Ticket, tokens: int | None) -> None:
        """See Engine."""
        changes = corrections(ticket, tokens)
        parts = _parts(ticket.ask.limits)
        await self._together([self._settling(ticket, part, changes, CLOSED_TICKET_MS) for part in parts])

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        """See Engine."""
        commands = [self._renewing(ticket, part) for ticket in tickets for part in _parts(ticket.ask.limits)]
        for (restored,) in await self._together([command for command in commands if len(command[1]) > 1]):
            self.counters.slots_restored += restored

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        """See Engine."""
        parts = _parts(limits)
        states: dict[int, LimitState] = {}
        for part, (ended, *levels) in zip(
            parts, await self._together([self._peeking(limits, part) for part in parts]), strict=True
        ):
            self.counters.leases_expired += ended
            for place, level in zip(part.places, levels, strict=True):
                states[place] = state(limits[place], level)
        return [states[place] for place in range(len(limits))]

    async def close(self) -> None:
        """See Engine."""
        await self._batches.close()
        await self._client.aclose()

    async def _undo(self, ticket: Ticket, parts: Sequence[_Part]) -> None:
        """As if these parts had never been asked for."""
        changes = corrections(ticket, None)
        if parts:
            await self._together([self._settling(ticket, part, changes, 0) for part in parts])

    def _reserving(self, ask: Ask, part: _Part, needs: Sequence[int]) -> Command:
        args: list[str | int] = [ask.id, self._lease_us, OPEN_TICKET_MS]
        for place in part.places:
            limit = ask.limits[place]
            args += (int(limit.slots), needs[place], limit.capacity)
        return "reserve", self._keys(ask, part), tuple(args)

    def _settling(self, ticket: Ticket, part: _Part, changes: Sequence[int], keep_ms: int) -> Command:
        args: list[str | int] = [ticket.ask.id, keep_ms]
        for place in part.places:
            args += (int(ticket.ask.limits[place].slots), changes[place], ticket.ends_us[place])
        return "settle", self._keys(ticket.ask, part), tuple(args)

    def _renewing(self, ticket: Ticket, part: _Part) -> Command:
        slots = tuple(place for place in part.places if ticket.ask.limits[place].slots)
        return "renew", self._keys(ticket.ask, _Part(part.tag, slots)), (ticket.ask.id, self._lease_us)

    def _peeking(self, limits: Sequence[Limit], part: _Part) -> Command:
        keys = tuple(f"{self._prefix}:{limits[place].key}" for place in part.places)
        return "peek", keys, tuple(int(limits[place].slots) for place in part.places)

    def _keys(self, ask: Ask, part: _Part) -> tuple[str, ...]:
        ticket = f"{self._prefix}:{{{part.tag}}}ticket:{ask.id}"
        return (ticket, *(f"{self._prefix}:{ask.limits[place].key}" for place in part.places))

    async def _together(self, commands: Sequence[Command]) -> list[list[int]]:
        """The replies to all commands. Raises LimitsAway, even where some were done."""
        try:
            async with asyncio.timeout(self._seconds):
                if len(commands) == 1:
                    return [await self._batches.call(commands[0])]
                return list(await asyncio.gather(*map(self._batches.call, commands)))
        except (RedisError, OSError) as error:
            raise LimitsAway(f"Redis failed: {type(error).__name__} {error}".rstrip(" .") + ".") from error

    async def _send(self, commands: Sequence[Command]) -> Sequence[list[int] | Exception]:
        try:
            replies = await self._functions.run(commands)
            demoted = any(isinstance(reply, ReadOnlyError) for reply in replies)
        except ReadOnlyError:
            demoted = True
        if demoted:
            # This one was made a replica: the name may lead to the new primary by now (S-04).
            await self._client.connection_pool.disconnect()
            replies = await self._functions.run(commands)
        self.counters.functions_loaded = self._functions.loaded
        return replies


def _parts(limits: Sequence[Limit]) -> list[_Part]:
    places: dict[str, list[int]] = {}
    for place, limit in enumerate(limits):
        places.setdefault(limit.tag, []).append(place)
    return [_Part(tag, tuple(found)) for tag, found in places.items()]
