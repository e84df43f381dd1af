"""Redis that is gone, slow, emptied, full, restarted, demoted or without our functions (S-01 to S-05)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from nexusflow.ir.quota import Fail
from nexusflow.ir.secret import Secret
from nexusflow.limits import Ask, Granted, LimitsAway, Refused, Ticket
from nexusflow.limits.guard import CLOSED_RETRY_MS, FAILURES, Guard
from nexusflow.limits.redis import RedisEngine
from nexusflow.limits.rule import Limit
from nexusflow.testing.ports import free_port
from tests.support.limits import PATIENCE_MS, ask, granted, limit, refused, remaining, until
from tests.support.proxy import running_proxy
from tests.support.redis import RedisServer, running_redis

HOUR_MS = 3_600_000
"""A window in which nothing refills while a test runs."""
SOON_MS = 200
PROBE_MS = 20


class Counted(RedisEngine):
    """Counts what it was asked for."""

    def __init__(self, url: str, timeout_ms: int) -> None:
        super().__init__(Secret(url), timeout_ms=timeout_ms)
        self.asked = 0

    async def reserve(self, ask: Ask) -> Granted | Refused:
        self.asked += not ask.id.startswith("probe-")
        return await super().reserve(ask)


@asynccontextmanager
async def guarded(url: str, workers: int = 1, timeout_ms: int = PATIENCE_MS) -> AsyncIterator[tuple[Guard, Counted]]:
    engine = Counted(url, timeout_ms)
    guard = Guard(engine, lambda: workers, PROBE_MS)
    try:
        yield guard, engine
    finally:
        await guard.close()


async def passed(guard: Guard, calls: int, *limits: Limit) -> int:
    answers = [await guard.reserve(ask(*limits)) for _ in range(calls)]
    return sum(isinstance(answer, Granted) for answer in answers)


def hourly(amount: int, fail: Fail = "local") -> Limit:
    return limit("requests", amount, window_ms=HOUR_MS, fail=fail)


def test_S01_while_redis_is_gone_each_worker_has_its_share_and_no_new_burst(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        ten, unheard = hourly(10), limit("requests", 10, subject="unheard", window_ms=HOUR_MS)
        hundred = limit("requests", 100, subject="hundred", window_ms=HOUR_MS)
        async with guarded(own_redis.url, workers=2) as (guard, engine):
            assert await passed(guard, 40, hundred) == 40
            assert await passed(guard, 99, ten) == 10
            own_redis.stop()
            assert await passed(guard, 20, hundred) == 5
            assert await passed(guard, 20, unheard) == 1
            assert await passed(guard, 20, ten) == 0
            assert engine.asked == 40 + 99 + FAILURES
            counters = guard.guarded
            assert (counters.reserve_errors, counters.outages, counters.degraded) == (FAILURES, 1, 1)
            assert counters.local_grants == 6
            own_redis.start()
            await until(lambda: not guard.degraded)
            assert guard.guarded.degraded == 0
            assert await passed(guard, 20, ten) == 10
            assert engine.asked == 40 + 99 + FAILURES + 20

    asyncio.run(scenario())


def test_AT32_all_workers_together_let_a_tenth_more_through_at_most(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        hundred = hourly(100)
        async with AsyncExitStack() as stack:
            url = own_redis.url
            guards = [(await stack.enter_async_context(guarded(url, 4)))[0] for _ in range(4)]
            through = [sum([await passed(guard, 40, hundred) for guard in guards])]
            own_redis.stop()
            through.append(sum([await passed(guard, 40, hundred) for guard in guards]))
            assert through[0] == 100
            assert sum(through) <= 110

    asyncio.run(scenario())


@pytest.mark.parametrize(("fail", "through"), [("local", 4), ("open", 20), ("closed", 0)])
def test_S01_each_limit_says_what_happens_while_redis_is_gone(own_redis: RedisServer, fail: Fail, through: int) -> None:
    async def scenario() -> None:
        some = hourly(40, fail)
        own_redis.stop()
        async with guarded(own_redis.url) as (guard, _):
            assert await passed(guard, 20, some) == through
            if fail == "closed":
                answer = await refused(guard.reserve(ask(hourly(1000), some)))
                assert (answer.limit, answer.retry_after_ms, answer.states) == (some, CLOSED_RETRY_MS, ())

    asyncio.run(scenario())


def test_S02_a_slow_redis_is_waited_for_by_a_few_calls_and_then_by_none(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        many = hourly(1000, "open")
        async with (
            running_proxy(own_redis.port) as proxy,
            guarded(f"redis://127.0.0.1:{proxy.port}", timeout_ms=SOON_MS) as (guard, engine),
        ):
            # Not every call need be in time on a busy machine, but one is.
            while not engine.asked or guard.guarded.local_grants == engine.asked:
                await passed(guard, 1, many)
            before = engine.asked
            proxy.stall()
            assert await passed(guard, 200, many) == 200
            assert guard.degraded
            assert engine.asked <= before + FAILURES
            proxy.flow()
            await until(lambda: not guard.degraded)
            await passed(guard, 1, many)
            assert engine.asked == before + FAILURES + 1

    asyncio.run(scenario())


def test_S02_calls_under_way_when_redis_stops_answering_are_answered(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        many = hourly(1000, "open")
        async with (
            running_proxy(own_redis.port) as proxy,
            guarded(f"redis://127.0.0.1:{proxy.port}", timeout_ms=SOON_MS) as (guard, _),
        ):
            proxy.stall()
            answers = await asyncio.gather(*(guard.reserve(ask(many)) for _ in range(100)))
            assert all(isinstance(answer, Granted) and answer.ticket.local for answer in answers)
            assert guard.guarded.outages == 1

    asyncio.run(scenario())


def test_S01_what_redis_missed_is_told_once_it_is_back(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        slots, tokens = limit("concurrency", 3), limit("tokens", 100, window_ms=HOUR_MS)
        async with running_proxy(own_redis.port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with guarded(url) as (guard, engine):
                before = await granted(guard.reserve(ask(slots, tokens, tokens=50)))
                proxy.cut()
                await guard.settle(before, 20)
                during = [await granted(guard.reserve(ask(slots, tokens, tokens=5))) for _ in range(2)]
                while not guard.degraded:
                    await guard.renew()
                proxy.mend()
                await until(lambda: not guard.degraded)
                assert await remaining(engine, slots, tokens) == [1, 80]
                assert guard.held == 2
                for ticket in during:
                    await guard.settle(ticket, 5)
                assert await remaining(engine, slots, tokens) == [3, 80]

    asyncio.run(scenario())


def test_S01_slots_of_calls_that_run_count_in_the_share(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        slots = limit("concurrency", 4)
        async with guarded(own_redis.url) as (guard, _):
            running = [await granted(guard.reserve(ask(slots))) for _ in range(3)]
            own_redis.stop()
            assert await passed(guard, 10, slots) == 1
            await guard.renew()
            assert await passed(guard, 10, slots) == 0
            await guard.settle(running[0], 0)
            assert await passed(guard, 10, slots) == 1

    asyncio.run(scenario())


def test_a_caller_that_leaves_while_redis_is_asked_holds_no_slot(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        slots = limit("concurrency", 1)
        async with (
            running_proxy(own_redis.port) as proxy,
            guarded(f"redis://127.0.0.1:{proxy.port}") as (guard, engine),
        ):
            await guard.peek([slots])
            proxy.stall()
            leaving = asyncio.create_task(guard.reserve(ask(slots)))
            await asyncio.sleep(0.05)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            proxy.flow()
            await until(lambda: bool(own_redis.client.keys("*concurrency*")))
            assert await remaining(engine, slots) == [0]
            await guard.renew()
            assert await remaining(engine, slots) == [1]

    asyncio.run(scenario())


def test_S03_after_a_flush_limits_start_from_zero_and_running_calls_hold_their_slots(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        ten, slots = hourly(10), limit("concurrency", 2)
        async with guarded(own_redis.url) as (guard, engine):
            ticket = await granted(guard.reserve(ask(ten, slots)))
            own_redis.client.flushall()
            assert await remaining(engine, ten, slots) == [10, 2]
            await guard.renew()
            assert await remaining(engine, ten, slots) == [10, 1]
            assert guard.counters.slots_restored == 1
            await guard.settle(ticket, 0)
            assert await remaining(engine, ten, slots) == [10, 2]
            assert guard.guarded.outages == 0

    asyncio.run(scenario())


def test_functions_that_are_gone_are_loaded_again(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        ten = hourly(10)
        async with guarded(own_redis.url) as (guard, engine):
            assert await passed(guard, 2, ten) == 2
            assert guard.counters.functions_loaded == 1
            own_redis.client.function_flush()
            assert await passed(guard, 2, ten) == 2
            assert await remaining(engine, ten) == [6]
            assert (guard.counters.functions_loaded, guard.guarded.local_grants) == (2, 0)

    asyncio.run(scenario())


def test_S03_a_restart_between_two_calls_is_no_outage(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        ten = hourly(10)
        async with guarded(own_redis.url) as (guard, _):
            assert await passed(guard, 8, ten) == 8
            own_redis.stop()
            own_redis.start()
            assert await passed(guard, 1, ten) == 1
            assert not guard.degraded
            assert own_redis.client.keys("*requests*") or guard.guarded.local_grants

    asyncio.run(scenario())


def test_S04_after_a_failover_the_same_call_goes_to_the_new_primary(own_redis: RedisServer) -> None:
    async def scenario(primary: RedisServer) -> None:
        ten, other = hourly(10), limit("requests", 5, scope="model", subject="m", window_ms=HOUR_MS)
        async with (
            running_proxy(own_redis.port) as proxy,
            guarded(f"redis://127.0.0.1:{proxy.port}") as (guard, _),
        ):
            assert await passed(guard, 3, ten, other) == 3
            own_redis.client.slaveof("127.0.0.1", own_redis.port)
            proxy.target = primary.port
            assert await passed(guard, 20, ten, other) == 5
            assert (guard.guarded.reserve_errors, guard.guarded.local_grants) == (0, 0)

    with running_redis() as primary:
        asyncio.run(scenario(primary))


def test_S04_a_replica_that_nobody_replaces_is_an_outage(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        own_redis.client.slaveof("127.0.0.1", own_redis.port)
        async with guarded(own_redis.url) as (guard, _):
            assert await passed(guard, 20, hourly(3)) == 1
            assert guard.degraded
            own_redis.client.slaveof()
            await until(lambda: not guard.degraded)
            assert await passed(guard, 20, hourly(3)) == 3

    asyncio.run(scenario())


def test_S05_a_full_redis_is_an_outage_until_it_has_room(own_redis: RedisServer) -> None:
    async def scenario() -> None:
        ten = hourly(10)
        async with guarded(own_redis.url, workers=5) as (guard, _):
            await guard.peek([ten])
            own_redis.client.config_set("maxmemory", 1)
            assert await passed(guard, 20, ten) == 1
            assert guard.degraded
            own_redis.client.config_set("maxmemory", 0)
            await until(lambda: not guard.degraded)
            assert await passed(guard, 20, ten) == 10

    asyncio.run(scenario())


def test_a_redis_before_7_runs_the_same_text_as_a_script() -> None:
    async def scenario(server: RedisServer) -> None:
        slots, tokens = limit("concurrency", 2), limit("tokens", 100, window_ms=HOUR_MS)
        async with guarded(server.url) as (guard, engine):
            first = await granted(guard.reserve(ask(slots, tokens, tokens=50)))
            await granted(guard.reserve(ask(slots, tokens, tokens=10)))
            await refused(guard.reserve(ask(slots)))
            server.client.script_flush()
            await guard.renew()
            await guard.settle(first, 30)
            assert await remaining(engine, slots, tokens) == [1, 60]
            assert (guard.counters.functions_loaded, guard.guarded.reserve_errors) == (2, 0)

    with running_redis("--rename-command", "FCALL", "", "--rename-command", "FUNCTION", "") as server:
        asyncio.run(scenario(server))


def test_a_cluster_takes_every_call_for_its_keys_share_a_hash_tag() -> None:
    async def scenario(server: RedisServer) -> None:
        limits = [
            limit(kind, 100, org=org, subject="a{b}") for kind in ("requests", "tokens") for org in ("", "}", "o")
        ]
        limits += [limit("requests", 9, scope="model", subject="}{"), limit("tasks", 9, scope="deployment", subject="")]
        async with guarded(server.url) as (guard, engine):
            ticket = await granted(guard.reserve(ask(*limits, tokens=10)))
            await guard.renew()
            await guard.settle(ticket, 30)
            assert await remaining(engine, *limits) == [99, 99, 99, 70, 70, 70, 8, 9]
            with pytest.raises(LimitsAway, match=r"(?i)crossslot|same slot"):
                await _without_tags(engine, ticket)

    # Its second port would otherwise be 10,000 higher, where there may be none.
    options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", str(free_port()))
    with running_redis(*options) as server:
        server.become_cluster()
        asyncio.run(scenario(server))


async def _without_tags(engine: RedisEngine, ticket: Ticket) -> Sequence[Sequence[int]]:
    """All limits in one call, which shows that this server does enforce slots."""
    keys = tuple(one.key for one in ticket.ask.limits)
    return await engine._together([("peek", keys, tuple(int(one.slots) for one in ticket.ask.limits))])
