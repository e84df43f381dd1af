"""What the request flow uses: early refusals, renewal, counting, and ends that nobody waits for (R-30, S-06)."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from nexusflow.limits import Ask, Engine, Granted, Limit, Limiter, LimitsAway, LimitState, MemoryEngine, Refused, Ticket
from nexusflow.limits.engine import Counters
from nexusflow.limits.guard import FAILURES, Guard
from tests.support.limits import Clock, ask, granted, limit, refused, remaining, until


class Flaky:
    """An engine that is away while told so; it may do what it is asked nevertheless."""

    def __init__(self, within: Engine) -> None:
        self.within = within
        self.away = False
        self.does = False
        self.renewed: list[list[str]] = []

    @property
    def counters(self) -> Counters:
        return self.within.counters

    @counters.setter
    def counters(self, value: Counters) -> None:
        raise NotImplementedError

    async def reserve(self, ask: Ask) -> Granted | Refused:
        answer: Granted | Refused = await self._do(self.within.reserve(ask))
        return answer

    async def settle(self, ticket: Ticket, tokens: int | None) -> None:
        await self._do(self.within.settle(ticket, tokens))

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        self.renewed.append([ticket.ask.id for ticket in tickets])
        await self._do(self.within.renew(tickets))

    async def peek(self, limits: Sequence[Limit]) -> list[LimitState]:
        return await self.within.peek(limits)

    async def close(self) -> None:
        await self.within.close()

    async def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        await asyncio.sleep(0)
        if self.away and not self.does:
            work.close()
        else:
            done = await work
        if self.away:
            raise LimitsAway("It is away.")
        return done


def test_R30_an_early_refusal_says_what_the_store_would_say() -> None:
    async def scenario() -> None:
        clock = Clock()
        limiter = Limiter(MemoryEngine(clock), clock=clock)
        two, other = limit("requests", 2), limit("requests", 9, scope="team")
        assert limiter.early([two, other]) is None
        for _ in range(2):
            await granted(limiter.reserve(ask(two, other)))
        assert limiter.early([two, other]) is None
        clock.advance(1000)
        late = await refused(limiter.reserve(ask(two, other)))
        for wait in (0, 1000, 27_999):
            clock.advance(wait)
            early = limiter.early([other, two])
            assert early is not None
            exact = await refused(limiter.reserve(ask(two)))
            assert (early.limit, early.retry_after_ms, early.states) == (two, exact.retry_after_ms, exact.states)
        assert late.retry_after_ms == 29_000
        clock.advance(1)
        assert limiter.early([other, two]) is None
        await granted(limiter.reserve(ask(two, other)))
        assert limiter.rejections == {("key requests", "key"): 7}

    asyncio.run(scenario())


def test_R30_an_early_refusal_never_tells_a_time_that_is_too_early() -> None:
    async def scenario() -> None:
        clock = Clock()
        limiter = Limiter(MemoryEngine(clock), clock=clock)
        one = limit("requests", 1)
        await granted(limiter.reserve(ask(one)))
        await refused(limiter.reserve(ask(one)))
        clock.advance(0.5)
        early = limiter.early([one])
        assert early is not None
        assert early.retry_after_ms == 60_000
        clock.advance(59_999.5)
        assert limiter.early([one]) is None

    asyncio.run(scenario())


def test_R30_a_changed_amount_and_a_release_end_an_early_refusal() -> None:
    async def scenario() -> None:
        clock = Clock()
        limiter = Limiter(MemoryEngine(clock), clock=clock)
        one = limit("requests", 1)
        ticket = await granted(limiter.reserve(ask(one)))
        await refused(limiter.reserve(ask(one)))
        assert limiter.early([one]) is not None
        assert limiter.early([limit("requests", 5)]) is None
        await limiter.release(ticket)
        assert limiter.early([one]) is None
        await granted(limiter.reserve(ask(one)))

    asyncio.run(scenario())


def test_only_refusals_on_requests_are_early() -> None:
    async def scenario() -> None:
        limiter = Limiter(MemoryEngine())
        tokens, slots = limit("tokens", 10), limit("concurrency", 1)
        await granted(limiter.reserve(ask(tokens, slots, tokens=10)))
        await refused(limiter.reserve(ask(tokens, tokens=1)))
        await refused(limiter.reserve(ask(slots)))
        assert limiter.early([tokens, slots]) is None

    asyncio.run(scenario())


def test_S06_leases_are_renewed_while_calls_run_even_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    class Stumbling(Flaky):
        async def renew(self, tickets: Sequence[Ticket]) -> None:
            await super().renew(tickets)
            if len(self.renewed) == 1:
                raise RuntimeError("once")

    async def scenario() -> None:
        engine = Stumbling(MemoryEngine())
        limiter = Limiter(engine, renew_ms=1)
        first = await granted(limiter.reserve(ask(limit("concurrency", 9), name="first")))
        await granted(limiter.reserve(ask(limit("requests", 9), name="without slots")))
        limiter.start()
        await until(lambda: len(engine.renewed) >= 3)
        assert engine.renewed == [["first"]] * len(engine.renewed)
        await limiter.settle(first, 0)
        count = len(engine.renewed)
        await limiter.guard.renew()
        # One may have been under way.
        assert len(engine.renewed) <= count + 1
        assert limiter.guard.held == 0
        await limiter.close()

    with caplog.at_level(logging.ERROR, "nexusflow.limits"):
        asyncio.run(scenario())
    assert [record.message for record in caplog.records] == ["leases of slots were not renewed"]


def test_many_leases_are_renewed_in_portions() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        guard = Guard(engine)
        names = [f"call-of-many-{n}" for n in range(250)]
        for name in names:
            await granted(guard.reserve(ask(limit("concurrency", 999), name=name)))
        await guard.renew()
        assert [len(portion) for portion in engine.renewed] == [100, 100, 50]
        assert [name for portion in engine.renewed for name in portion] == names

    asyncio.run(scenario())


def test_ends_that_nobody_waits_for_are_done_before_the_limiter_is_closed() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        limiter = Limiter(engine)
        tokens, slots = limit("tokens", 100), limit("concurrency", 5)
        used, unused = [await granted(limiter.reserve(ask(tokens, slots, tokens=40))) for _ in range(2)]
        limiter.end(used, 10)
        limiter.end(unused, None)
        limiter.end(used, 40)
        await limiter.close()
        assert await remaining(engine, tokens, slots) == [90, 5]

    asyncio.run(scenario())


def test_what_may_have_been_granted_holds_no_slot_for_nobody() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        guard = Guard(engine, probe_ms=1)
        slots = limit("concurrency", 1, fail="closed")
        engine.away = engine.does = True
        await refused(guard.reserve(ask(slots)))
        assert await remaining(engine, slots) == [0]
        engine.away = False
        await guard.renew()
        assert await remaining(engine, slots) == [1]

    asyncio.run(scenario())


def test_a_call_granted_alone_and_perhaps_by_the_store_counts_once_and_keeps_its_slot() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        guard = Guard(engine, probe_ms=1)
        slots, opened = limit("concurrency", 2), limit("streams", 2, fail="open")
        engine.away = engine.does = True
        ticket = await granted(guard.reserve(ask(slots, opened)))
        assert ticket.local
        engine.away = False
        await guard.renew()
        assert await remaining(engine, slots, opened) == [1, 1]
        await guard.settle(ticket, 0)
        assert await remaining(engine, slots, opened) == [2, 2]

    asyncio.run(scenario())


def test_a_failure_now_and_then_is_no_outage() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        guard = Guard(engine)
        many = limit("requests", 1000)
        for _ in range(5):
            engine.away = True
            for _ in range(FAILURES - 1):
                assert (await granted(guard.reserve(ask(many)))).local
            engine.away = False
            assert not (await granted(guard.reserve(ask(many)))).local
        assert (guard.guarded.outages, guard.guarded.reserve_errors) == (0, 5 * (FAILURES - 1))

    asyncio.run(scenario())


def test_two_that_pay_what_is_owed_lose_none_of_it() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        guard = Guard(engine)
        slots = limit("concurrency", 2)
        tickets = [await granted(guard.reserve(ask(slots))) for _ in range(2)]
        engine.away = True
        for ticket in tickets:
            await guard.settle(ticket, 0)
        engine.away = False
        await asyncio.gather(guard.renew(), guard.renew())
        assert await remaining(engine, slots) == [2]

    asyncio.run(scenario())


def test_every_worker_has_at_least_one_call_but_of_nothing_there_is_no_share() -> None:
    async def scenario() -> None:
        engine = Flaky(MemoryEngine())
        engine.away = True
        guard = Guard(engine, workers=lambda: 100)
        await granted(guard.reserve(ask(limit("requests", 7))))
        await refused(guard.reserve(ask(limit("requests", 7))))
        assert (await refused(guard.reserve(ask(limit("requests", 0, subject="none"))))).unsatisfiable
        await guard.close()

    asyncio.run(scenario())
