"""Deadlines of a call in flight, with time as an argument (C-07, C-11, U-05, U-07, R-21, R-26, R-33)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from nexusflow.flow.exchange import QUIET_SECONDS, Exchange, Phase, Watchdog
from nexusflow.flow.stream import expired
from nexusflow.ir.errors import Kind

Task = asyncio.Task[object]


def served(steps: Callable[[Exchange], Awaitable[object]]) -> object:
    """Run `steps` as the task of an exchange and return what they give."""

    async def run() -> object:
        return await steps(Exchange(cast("Task", asyncio.current_task())))

    return asyncio.run(run())


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("phase", [Phase.BODY, Phase.FIRST_BYTE, Phase.IDLE, Phase.WRITE])
def test_a_wait_that_is_too_long_is_ended_and_says_which(phase: Phase) -> None:
    async def steps(exchange: Exchange) -> Phase | None:
        watchdog = Watchdog()
        watchdog.exchanges.add(exchange)
        exchange.enter(phase, 10)
        now = time.monotonic()
        watchdog.sweep(now + 9)
        assert exchange.expired is None
        asyncio.get_running_loop().call_soon(watchdog.sweep, now + 11)
        with pytest.raises(asyncio.CancelledError):
            await for_ever()
        await exchange.absorb_cancel()
        watchdog.sweep(now + 1000)  # once is enough
        await asyncio.sleep(0)
        return exchange.expired

    assert served(steps) is phase


def test_the_total_bounds_every_phase() -> None:
    async def steps(exchange: Exchange) -> float:
        exchange.limit_total(5)
        exchange.enter(Phase.IDLE, 60)
        return exchange.deadline - time.monotonic()

    assert cast("float", served(steps)) <= 5


def test_entering_a_phase_begins_its_time_anew() -> None:
    async def steps(exchange: Exchange) -> bool:
        exchange.enter(Phase.FIRST_BYTE, 1)
        first = exchange.deadline
        exchange.enter(Phase.IDLE, 50)
        return exchange.deadline > first and exchange.phase is Phase.IDLE

    assert served(steps)


def test_the_clients_leaving_ends_the_wait() -> None:
    async def steps(exchange: Exchange) -> tuple[bool, Phase | None]:
        asyncio.get_running_loop().call_soon(exchange.leave)
        with pytest.raises(asyncio.CancelledError):
            await for_ever()
        await exchange.absorb_cancel()
        return exchange.gone, exchange.expired

    assert served(steps) == (True, None)


def test_leaving_after_the_whole_answer_is_no_news() -> None:
    async def steps(exchange: Exchange) -> bool:
        exchange.answer()
        exchange.leave()
        Watchdog().sweep(float("inf"))
        await asyncio.sleep(0)
        return exchange.gone

    assert served(steps) is False


def test_cancellations_are_absorbed_whether_delivered_or_not() -> None:
    """The error must still be written afterwards, which a pending cancellation would cut short."""

    async def steps(exchange: Exchange) -> int:
        exchange.enter(Phase.IDLE, 1)
        exchange.expire()
        exchange.leave()
        await exchange.absorb_cancel()
        await asyncio.sleep(0)
        return exchange.task.cancelling()

    assert served(steps) == 0


def test_R21_quiet_streams_get_a_sign_of_life() -> None:
    async def steps(exchange: Exchange) -> int:
        signs = 0

        async def sign() -> None:
            nonlocal signs
            signs += 1

        watchdog = Watchdog()
        watchdog.exchanges.add(exchange)
        exchange.keep_alive = sign
        now = time.monotonic()
        exchange.quiet_at = now + QUIET_SECONDS
        for later in (1, QUIET_SECONDS + 1, QUIET_SECONDS + 2, 2 * QUIET_SECONDS + 2):
            watchdog.sweep(now + later)
            await asyncio.sleep(0)
        return signs

    assert served(steps) == 2


def test_R33_drain_ends_a_call_with_its_own_reason() -> None:
    async def steps(exchange: Exchange) -> Phase | None:
        exchange.enter(Phase.IDLE, 100)
        asyncio.get_running_loop().call_soon(exchange.drain)
        with pytest.raises(asyncio.CancelledError):
            await for_ever()
        await exchange.absorb_cancel()
        return exchange.expired

    assert served(steps) is Phase.DRAIN


@pytest.mark.parametrize(
    ("phase", "kind", "close"),
    [
        (Phase.BODY, Kind.CLIENT_TIMEOUT, True),
        (Phase.FIRST_BYTE, Kind.TIMEOUT, False),
        (Phase.IDLE, Kind.TIMEOUT, False),
        (Phase.DRAIN, Kind.DRAIN, True),
        (None, Kind.TIMEOUT, False),
    ],
)
def test_what_the_client_is_told(phase: Phase | None, kind: Kind, close: bool) -> None:
    problem = expired(phase)
    assert (problem.kind, problem.close) == (kind, close)


def test_the_watchdog_runs_until_cancelled() -> None:
    async def steps(exchange: Exchange) -> Phase | None:
        watchdog = Watchdog()
        watchdog.exchanges.add(exchange)
        sweeping = asyncio.create_task(watchdog.run())
        exchange.enter(Phase.WRITE, 0)
        with pytest.raises(asyncio.CancelledError):
            await for_ever()
        await exchange.absorb_cancel()
        sweeping.cancel()
        return exchange.expired

    assert served(steps) is Phase.WRITE
