"""What each process does: many calls at once that are granted, refused, repeated, settled and released."""

import asyncio
import contextlib
import os
import random
import time
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized

from msgspec import Struct

from nexusflow.limits import Ask, Engine, Granted, Ticket
from tests.exactness.store import HAMMERED, HELD, HELD_LEASE_MS, Store

CALLS_AT_ONCE = 16
_RETRY_S = 0.004


class Tally(Struct):
    """What one process saw. `tokens` are those used; `requests` are granted ones that were not released."""

    asked: int = 0
    granted: int = 0
    requests: int = 0
    tokens: int = 0


class Gauge:
    """Slots in use over all processes, and the most there ever were. It never counts more than are really held."""

    def __init__(self, now: "Synchronized[int]", most: "Synchronized[int]") -> None:
        self._now, self._most = now, most

    def up(self) -> None:
        with self._now.get_lock():
            self._now.value += 1
            self._most.value = max(self._most.value, self._now.value)

    def down(self) -> None:
        with self._now.get_lock():
            self._now.value -= 1

    @property
    def most(self) -> int:
        return self._most.value


def run(store: Store, seconds: float, seed: int, gauge: Gauge, answers: Connection) -> None:
    """A process that hammers and sends its Tally."""

    async def play() -> Tally:
        engine = store.open()
        try:
            return await hammer(engine, seconds, seed, gauge)
        finally:
            await engine.close()

    answers.send(asyncio.run(play()))


async def hammer(engine: Engine, seconds: float, seed: int, gauge: Gauge) -> Tally:
    """Calls of CALLS_AT_ONCE clients until the time is over; all of them have ended then."""
    tally, held = Tally(), dict[str, Ticket]()
    until = time.monotonic() + seconds
    renewing = asyncio.create_task(renew(engine, held))
    clients = (_client(engine, until, random.Random(f"{seed}-{n}"), tally, gauge, held) for n in range(CALLS_AT_ONCE))
    await asyncio.gather(*clients)
    renewing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await renewing
    return tally


async def _client(
    engine: Engine, until: float, dice: random.Random, tally: Tally, gauge: Gauge, held: dict[str, Ticket]
) -> None:
    while time.monotonic() < until:
        ask = Ask(f"{os.getpid()}-{dice.random()}", HAMMERED, dice.randint(1, 100))
        tally.asked += 1
        answer = await engine.reserve(ask)
        if not isinstance(answer, Granted):
            await asyncio.sleep(dice.random() * _RETRY_S)
            continue
        gauge.up()
        held[ask.id] = answer.ticket
        await asyncio.sleep(dice.random() * _RETRY_S)
        if dice.random() < 0.1:
            await engine.reserve(ask)
        used = None if dice.random() < 0.1 else dice.randint(0, ask.tokens)
        tally.granted += 1
        tally.requests += used is not None
        tally.tokens += used or 0
        del held[ask.id]
        gauge.down()
        await engine.settle(answer.ticket, used)
        if dice.random() < 0.1:
            await engine.settle(answer.ticket, None)


async def renew(engine: Engine, held: dict[str, Ticket]) -> None:
    """Keep the leases of what is held, for ever."""
    while True:
        await asyncio.sleep(HELD_LEASE_MS / 3000)
        await engine.renew(list(held.values()))


def run_holder(store: Store, answers: Connection) -> None:
    """A process that takes all slots of HELD, says so, and renews them until it is killed."""

    async def play() -> None:
        engine = store.open(HELD_LEASE_MS)
        asked = [await engine.reserve(Ask(f"held-{n}", (HELD,))) for n in range(HELD.amount)]
        held = {answer.ticket.ask.id: answer.ticket for answer in asked if isinstance(answer, Granted)}
        answers.send(len(held))
        await renew(engine, held)

    asyncio.run(play())
