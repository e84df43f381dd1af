"""What every engine of limits does (engines.md D, S-06): one suite, run on memory, an SQLite file and a real Redis."""

import asyncio

import pytest

from nexusflow.limits import Engine, Granted, Ticket
from tests.support.limits import LEASE_MS, Site, ask, granted, limit, refused, remaining

MINUTE = 60_000


def test_a_burst_passes_up_to_the_amount_and_not_one_more(site: Site) -> None:
    five = limit("requests", 5)

    async def scenario(engine: Engine) -> None:
        for left in (4, 3, 2, 1, 0):
            answer = await engine.reserve(ask(five))
            assert isinstance(answer, Granted)
            assert answer.states[0].remaining == left
        assert (await refused(engine.reserve(ask(five)))).limit == five

    site.run(scenario)


@pytest.mark.parametrize("amount", [7, 90, 7777])
def test_an_amount_that_does_not_divide_its_window_passes_whole(site: Site, amount: int) -> None:
    requests, tokens = limit("requests", amount), limit("tokens", amount)

    async def scenario(engine: Engine) -> None:
        if amount < 100:
            for left in reversed(range(amount)):
                answer = await engine.reserve(ask(requests))
                assert isinstance(answer, Granted)
                assert answer.states[0].remaining == left
            await refused(engine.reserve(ask(requests)))
        for _ in range(7):
            await granted(engine.reserve(ask(tokens, tokens=amount // 7)))
        rest = amount % 7
        await granted(engine.reserve(ask(tokens, tokens=rest)))
        await refused(engine.reserve(ask(tokens, tokens=1)))

    site.run(scenario)


def test_a_bucket_refills_evenly(site: Site) -> None:
    sixty = limit("requests", 60)

    async def scenario(engine: Engine) -> None:
        for _ in range(60):
            await granted(engine.reserve(ask(sixty)))
        for _ in range(3):
            site.clock.advance(1000)
            await granted(engine.reserve(ask(sixty)))
            await refused(engine.reserve(ask(sixty)))
        site.clock.advance(30_000)
        assert await remaining(engine, sixty) == [30]
        site.clock.advance(3 * MINUTE)
        assert await remaining(engine, sixty) == [60]

    site.run(scenario)


@pytest.mark.parametrize(("amount", "window_ms"), [(60, MINUTE), (7, MINUTE), (1, 1000), (2_000_000, MINUTE)])
def test_retry_after_is_exact_to_the_millisecond(site: Site, amount: int, window_ms: int) -> None:
    tokens = limit("tokens", amount, window_ms=window_ms)
    size = -(-amount // 5)

    async def scenario(engine: Engine) -> None:
        await granted(engine.reserve(ask(tokens, tokens=amount)))
        site.clock.advance(window_ms // 10)
        answer = await refused(engine.reserve(ask(tokens, tokens=size)))
        site.clock.advance(answer.retry_after_ms - 1)
        assert (await refused(engine.reserve(ask(tokens, tokens=size)))).retry_after_ms == 1
        site.clock.advance(1)
        await granted(engine.reserve(ask(tokens, tokens=size)))

    site.run(scenario)


def test_a_reset_is_when_all_is_there_again(site: Site) -> None:
    ten = limit("requests", 10)

    async def scenario(engine: Engine) -> None:
        for _ in range(4):
            await granted(engine.reserve(ask(ten)))
        (state,) = await engine.peek([ten])
        assert (state.remaining, state.reset_ms) == (6, 24_000)
        site.clock.advance(23_999)
        (state,) = await engine.peek([ten])
        assert (state.remaining, state.reset_ms) == (9, 1)
        site.clock.advance(1)
        (state,) = await engine.peek([ten])
        assert (state.remaining, state.reset_ms) == (10, 0)

    site.run(scenario)


def test_a_refusal_takes_nothing_of_any_limit(site: Site) -> None:
    wide, narrow, slots = limit("requests", 10), limit("tokens", 100), limit("concurrency", 3)
    shared = limit("requests", 10, scope="deployment", subject="d")

    async def scenario(engine: Engine) -> None:
        await granted(engine.reserve(ask(wide, slots, narrow, shared, tokens=80)))
        before = await remaining(engine, wide, narrow, slots, shared)
        for _ in range(20):
            answer = await refused(engine.reserve(ask(wide, slots, narrow, shared, tokens=30)))
            assert answer.limit == narrow
            assert [state.remaining for state in answer.states] == [9, 2, 20, 9]
        assert await remaining(engine, wide, narrow, slots, shared) == before == [9, 20, 2, 9]

    site.run(scenario)


def test_a_limit_of_another_tag_that_refuses_takes_nothing_of_the_first(site: Site) -> None:
    own, shared = limit("requests", 10), limit("concurrency", 1, scope="deployment", subject="d")

    async def scenario(engine: Engine) -> None:
        first = await granted(engine.reserve(ask(own, shared)))
        name = "asked again"
        assert (await refused(engine.reserve(ask(own, shared, name=name)))).limit == shared
        assert await remaining(engine, own, shared) == [9, 0]
        await engine.settle(first, 0)
        await granted(engine.reserve(ask(own, shared, name=name)))
        assert await remaining(engine, own, shared) == [8, 0]

    site.run(scenario)


def test_of_several_that_refuse_the_one_that_binds_longest_is_told(site: Site) -> None:
    short, long = limit("requests", 60), limit("requests", 2, scope="team", subject="t")

    async def scenario(engine: Engine) -> None:
        for _ in range(2):
            await granted(engine.reserve(ask(short, long)))
        for _ in range(58):
            await granted(engine.reserve(ask(short)))
        answer = await refused(engine.reserve(ask(short, long)))
        assert (answer.limit, answer.retry_after_ms, answer.unsatisfiable) == (long, 30_000, False)

    site.run(scenario)


def test_a_request_larger_than_the_whole_bucket_can_never_pass(site: Site) -> None:
    small, nothing = limit("tokens", 100), limit("requests", 0)

    async def scenario(engine: Engine) -> None:
        assert (await refused(engine.reserve(ask(small, tokens=101)))).unsatisfiable
        await granted(engine.reserve(ask(small, tokens=100)))
        answer = await refused(engine.reserve(ask(nothing)))
        assert (answer.unsatisfiable, answer.states[0].remaining) == (True, 0)

    site.run(scenario)


def test_an_id_that_was_granted_is_granted_again_and_takes_nothing(site: Site) -> None:
    two, slots = limit("requests", 2), limit("concurrency", 1)
    same = ask(two, slots)

    async def scenario(engine: Engine) -> None:
        ticket = await granted(engine.reserve(same))
        for _ in range(3):
            again = await engine.reserve(same)
            assert isinstance(again, Granted)
            assert [state.remaining for state in again.states] == [1, 0]
        assert await remaining(engine, two, slots) == [1, 0]
        await engine.settle(ticket, 0)
        await granted(engine.reserve(same))
        assert await remaining(engine, two, slots) == [1, 1]

    site.run(scenario)


def test_a_repeated_ticket_refunds_nothing_that_others_use_now(site: Site) -> None:
    tokens = limit("tokens", 60)
    first, second = ask(tokens, tokens=60), ask(tokens, tokens=60)

    async def scenario(engine: Engine) -> None:
        await granted(engine.reserve(first))
        site.clock.advance(MINUTE)
        await granted(engine.reserve(second))
        again = await granted(engine.reserve(first))
        await engine.settle(again, None)
        assert await remaining(engine, tokens) == [0]

    site.run(scenario)


@pytest.mark.parametrize(("used", "left"), [(10, 90), (50, 50), (90, 10), (130, 0)])
def test_settlement_corrects_the_estimate_up_and_down(site: Site, used: int, left: int) -> None:
    tokens, requests = limit("tokens", 100), limit("requests", 10)

    async def scenario(engine: Engine) -> None:
        ticket = await granted(engine.reserve(ask(tokens, requests, tokens=50)))
        await engine.settle(ticket, used)
        assert await remaining(engine, tokens, requests) == [left, 9]

    site.run(scenario)


def test_a_debt_delays_the_next_call(site: Site) -> None:
    tokens = limit("tokens", 60)

    async def scenario(engine: Engine) -> None:
        await engine.settle(await granted(engine.reserve(ask(tokens, tokens=10))), 90)
        assert (await refused(engine.reserve(ask(tokens, tokens=1)))).retry_after_ms == 31_000

    site.run(scenario)


def test_what_has_refilled_meanwhile_is_not_refunded_again(site: Site) -> None:
    tokens = limit("tokens", 60)

    async def scenario(engine: Engine) -> None:
        first = await granted(engine.reserve(ask(tokens, tokens=30)))
        site.clock.advance(20_000)
        await granted(engine.reserve(ask(tokens, tokens=50)))
        await engine.settle(first, None)
        assert await remaining(engine, tokens) == [10]
        site.clock.advance(MINUTE)
        late = await granted(engine.reserve(ask(tokens, tokens=60)))
        site.clock.advance(MINUTE)
        await granted(engine.reserve(ask(tokens, tokens=60)))
        await engine.settle(late, 0)
        assert await remaining(engine, tokens) == [0]

    site.run(scenario)


def test_the_first_settlement_counts(site: Site) -> None:
    tokens, slots = limit("tokens", 100), limit("concurrency", 2)

    async def scenario(engine: Engine) -> None:
        ticket = await granted(engine.reserve(ask(tokens, slots, tokens=50)))
        other = await granted(engine.reserve(ask(slots)))
        await engine.settle(ticket, 20)
        for used in (None, 0, 100, 20):
            await engine.settle(ticket, used)
        assert await remaining(engine, tokens, slots) == [80, 1]
        await engine.settle(other, 0)
        assert await remaining(engine, slots) == [2]

    site.run(scenario)


def test_a_release_gives_everything_back(site: Site) -> None:
    limits = (limit("requests", 5), limit("tokens", 100), limit("concurrency", 2), limit("streams", 1))
    shared = limit("tokens", 100, scope="model", subject="m")

    async def scenario(engine: Engine) -> None:
        await engine.settle(await granted(engine.reserve(ask(*limits, shared, tokens=70))), None)
        assert await remaining(engine, *limits, shared) == [5, 100, 2, 1, 100]

    site.run(scenario)


def test_a_settlement_of_what_nobody_asked_for_changes_nothing(site: Site) -> None:
    tokens, slots = limit("tokens", 100), limit("concurrency", 1)

    async def scenario(engine: Engine) -> None:
        await granted(engine.reserve(ask(tokens, slots, tokens=60)))
        unknown = ask(tokens, slots, tokens=50)
        for used in (None, 0, 90):
            await engine.settle(Ticket(unknown, (2**52, 2**52)), used)
        assert await remaining(engine, tokens, slots) == [40, 0]

    site.run(scenario)


def test_slots_are_held_until_the_call_ends(site: Site) -> None:
    slots = limit("concurrency", 2)

    async def scenario(engine: Engine) -> None:
        first, _ = [await granted(engine.reserve(ask(slots))) for _ in range(2)]
        answer = await refused(engine.reserve(ask(slots)))
        assert (answer.limit, answer.retry_after_ms, answer.states[0].reset_ms) == (slots, 1000, 0)
        await engine.settle(first, 0)
        await granted(engine.reserve(ask(slots)))
        await refused(engine.reserve(ask(slots)))

    site.run(scenario)


def test_S06_a_slot_whose_holder_died_is_free_when_its_lease_ends(site: Site) -> None:
    slots = limit("concurrency", 1)

    async def scenario(engine: Engine) -> None:
        dead = await granted(engine.reserve(ask(slots)))
        site.clock.advance(LEASE_MS - 1)
        await refused(engine.reserve(ask(slots)))
        site.clock.advance(1)
        await granted(engine.reserve(ask(slots)))
        assert engine.counters.leases_expired == 1
        await engine.settle(dead, 0)
        await refused(engine.reserve(ask(slots)))

    site.run(scenario)


def test_a_renewed_lease_lasts(site: Site) -> None:
    slots, streams = limit("concurrency", 1), limit("streams", 1)

    async def scenario(engine: Engine) -> None:
        ticket = await granted(engine.reserve(ask(slots, streams, limit("requests", 9))))
        for _ in range(5):
            site.clock.advance(LEASE_MS - 1)
            await engine.renew([ticket])
        assert await remaining(engine, slots, streams, limit("requests", 9)) == [0, 0, 9]
        assert engine.counters.slots_restored == 0
        site.clock.advance(LEASE_MS)
        assert await remaining(engine, slots, streams) == [1, 1]

    site.run(scenario)


def test_a_renewal_takes_lost_slots_again_whatever_the_bound(site: Site) -> None:
    slots = limit("concurrency", 1)

    async def scenario(engine: Engine) -> None:
        first = await granted(engine.reserve(ask(slots)))
        site.clock.advance(LEASE_MS)
        second = await granted(engine.reserve(ask(slots)))
        await engine.renew([first, second])
        assert engine.counters.slots_restored == 1
        await engine.settle(second, 0)
        await refused(engine.reserve(ask(slots)))
        await engine.settle(first, 0)
        await granted(engine.reserve(ask(slots)))

    site.run(scenario)


def test_a_renewal_after_the_settlement_takes_nothing(site: Site) -> None:
    slots = limit("concurrency", 1)

    async def scenario(engine: Engine) -> None:
        ticket = await granted(engine.reserve(ask(slots)))
        await engine.settle(ticket, 0)
        await engine.renew([ticket])
        assert await remaining(engine, slots) == [1]

    site.run(scenario)


def test_a_changed_amount_keeps_the_level(site: Site) -> None:
    before, after = limit("tokens", 100), limit("tokens", 1000)

    async def scenario(engine: Engine) -> None:
        await granted(engine.reserve(ask(before, tokens=50)))
        assert await remaining(engine, after) == [500]
        await granted(engine.reserve(ask(after, tokens=250)))
        assert await remaining(engine, before) == [25]
        slots = limit("concurrency", 3)
        tickets = [await granted(engine.reserve(ask(slots))) for _ in range(3)]
        fewer = limit("concurrency", 1)
        assert await remaining(engine, fewer) == [0]
        for ticket in tickets[:2]:
            await engine.settle(ticket, 0)
            await refused(engine.reserve(ask(fewer)))

    site.run(scenario)


def test_limits_of_different_things_do_not_touch(site: Site) -> None:
    apart = (
        limit("requests", 1),
        limit("requests", 1, subject="other"),
        limit("requests", 1, org="p"),
        limit("requests", 1, org=""),
        limit("requests", 1, model="m"),
        limit("requests", 1, scope="user"),
        limit("requests", 1, window_ms=1000),
        limit("tokens", 1),
        limit("requests", 1, subject="a:b", model="c"),
        limit("requests", 1, subject="a", model="b:c"),
        limit("requests", 1, scope="model", subject="k"),
        limit("requests", 1, scope="deployment", subject="k"),
    )

    async def scenario(engine: Engine) -> None:
        for one in apart:
            await granted(engine.reserve(ask(one, tokens=1)))
            await refused(engine.reserve(ask(one, tokens=1)))

    site.run(scenario)


def test_an_ask_without_limits_passes(site: Site) -> None:
    async def scenario(engine: Engine) -> None:
        ticket = await granted(engine.reserve(ask()))
        await engine.renew([ticket])
        await engine.settle(ticket, 5)
        assert await engine.peek([]) == []

    site.run(scenario)


def test_workers_share_one_store(site: Site) -> None:
    ten, slots = limit("requests", 10), limit("concurrency", 2)

    async def scenario(engine: Engine) -> None:
        other = site.open()
        ticket = await granted(engine.reserve(ask(ten, slots)))
        await granted(other.reserve(ask(ten, slots)))
        await refused(engine.reserve(ask(ten, slots)))
        await other.settle(ticket, None)
        await granted(engine.reserve(ask(ten, slots)))
        assert await remaining(other, ten, slots) == [8, 0]

    site.run(scenario)


def test_many_at_once_get_exactly_the_amount(site: Site) -> None:
    ten, slots, shared = limit("requests", 30), limit("concurrency", 7), limit("tokens", 100, scope="model")

    async def scenario(engine: Engine) -> None:
        other = site.open()
        calls = [(engine, other)[n % 2].reserve(ask(ten, slots, shared, tokens=10)) for n in range(300)]
        answers = await asyncio.gather(*calls)
        assert sum(isinstance(answer, Granted) for answer in answers) == 7
        assert await remaining(engine, ten, slots, shared) == [23, 0, 30]

    site.run(scenario)


def test_a_repeated_limit_is_one_limit(site: Site) -> None:
    one = limit("requests", 5)

    async def scenario(engine: Engine) -> None:
        await granted(engine.reserve(ask(one, one)))
        assert await remaining(engine, one) == [4]

    site.run(scenario)
