"""One run: processes that hammer one store, one of which is killed, and what must be true of it."""

import asyncio
import multiprocessing
import time

from msgspec import Struct

from nexusflow.limits import Engine, Limit
from tests.exactness.store import (
    HELD,
    HELD_LEASE_MS,
    LEDGER,
    REQUESTS,
    SHARED,
    SLOTS,
    TOKENS,
    EngineKind,
    Store,
    new_store,
)
from tests.exactness.worker import Gauge, Tally, hammer, run, run_holder

_GRACE_S = 30.0
_PROCESSES = multiprocessing.get_context("spawn")


class Found(Struct, frozen=True):
    """What a run showed. `freed_s` is how long the slots of the killed holder were missing; None: they still were."""

    asked: int
    granted: int
    requests: int
    allowed_requests: int
    tokens: int
    allowed_tokens: int
    most_slots: int
    leaked_slots: int
    leaked_requests: int
    freed_s: float | None

    @property
    def over(self) -> int:
        """Units of any limit that passed beyond what it allows."""
        return max(self.requests - self.allowed_requests, self.tokens - self.allowed_tokens, 0)

    @property
    def wrong(self) -> tuple[str, ...]:
        """Every promise that was broken."""
        checks = (
            (self.over == 0, f"{self.over} units too many"),
            (self.most_slots <= SLOTS.amount, f"{self.most_slots} slots at once"),
            (not self.leaked_slots, f"{self.leaked_slots} slots leaked"),
            (not self.leaked_requests, f"{self.leaked_requests} requests leaked"),
            (self.freed_s is not None, "slots of a killed holder never came back"),
            (0 < self.granted < self.asked, "nothing was granted, or nothing refused"),
        )
        return tuple(word for right, word in checks if not right)


def play(kind: EngineKind, seconds: float, processes: int, seed: int) -> Found:
    """Hammer a new store. Memory belongs to one process, so there all clients are its tasks."""
    gauge = Gauge(_PROCESSES.Value("i", 0), _PROCESSES.Value("i", 0))
    with new_store(kind) as store:
        if kind == "memory":
            return asyncio.run(_alone(store.open(), seconds, seed, gauge))
        return _together(store, seconds, processes, seed, gauge)


async def _alone(engine: Engine, seconds: float, seed: int, gauge: Gauge) -> Found:
    began = time.monotonic()
    tally = await hammer(engine, seconds, seed, gauge)
    # Nobody else could be killed.
    return await _found(engine, [tally], time.monotonic() - began, gauge, freed=0)


def _together(store: Store, seconds: float, processes: int, seed: int, gauge: Gauge) -> Found:
    ours, theirs = _PROCESSES.Pipe()
    holder = _PROCESSES.Process(target=run_holder, args=(store, theirs))
    holder.start()
    assert ours.recv() == HELD.amount
    workers = []
    began = time.monotonic()
    for number in range(processes):
        answers, sending = _PROCESSES.Pipe()
        worker = _PROCESSES.Process(target=run, args=(store, seconds, seed + number, gauge, sending))
        worker.start()
        workers.append((worker, answers))

    async def finish() -> Found:
        engine = store.open()
        try:
            await asyncio.sleep(seconds / 2)
            # A lease has ended since, so that it must have been renewed.
            assert await _seconds_until(engine, 0) is not None
            holder.kill()
            freed = await _seconds_until(engine, HELD.amount)
            tallies = [await asyncio.to_thread(answers.recv) for _, answers in workers]
            return await _found(engine, tallies, time.monotonic() - began, gauge, freed)
        finally:
            await engine.close()

    try:
        return asyncio.run(finish())
    finally:
        for process in (holder, *(worker for worker, _ in workers)):
            process.kill()
            process.join()


async def _seconds_until(engine: Engine, remaining: int) -> float | None:
    """After how many seconds so many slots of HELD are free; None if that takes far longer than a lease."""
    began = time.monotonic()
    while time.monotonic() < began + HELD_LEASE_MS / 1000 + _GRACE_S:
        if (await engine.peek([HELD]))[0].remaining == remaining:
            return time.monotonic() - began
        await asyncio.sleep(0.01)
    return None


async def _found(engine: Engine, tallies: list[Tally], lasted: float, gauge: Gauge, freed: float | None) -> Found:
    slots, ledger = [state.remaining for state in await engine.peek([SLOTS, LEDGER])]
    requests = sum(tally.requests for tally in tallies)
    return Found(
        asked=sum(tally.asked for tally in tallies),
        granted=sum(tally.granted for tally in tallies),
        requests=requests,
        allowed_requests=_allowed(REQUESTS, lasted),
        tokens=sum(tally.tokens for tally in tallies),
        allowed_tokens=min(_allowed(TOKENS, lasted), _allowed(SHARED, lasted)),
        most_slots=gauge.most,
        leaked_slots=SLOTS.amount - slots,
        leaked_requests=LEDGER.amount - ledger - requests,
        freed_s=freed,
    )


def _allowed(limit: Limit, seconds: float) -> int:
    """A full bucket, and what flows into it."""
    return int(limit.amount * (1 + seconds * 1000 / limit.window_ms))
