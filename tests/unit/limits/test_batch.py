"""Calls that are made while the store is busy go together; one that is taken back in time is not made."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from nexusflow.limits.batch import MOST, Batches


class Store:
    """Answers a batch when it is let, with each call doubled; 13 is bad luck."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = asyncio.Event()

    async def run(self, calls: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(calls))
        await self.let.wait()
        if 0 in calls:
            raise OSError("all of it failed")
        return [ValueError("13") if call == 13 else 2 * call for call in calls]


def test_calls_of_one_turn_share_a_batch_and_so_do_those_that_come_meanwhile() -> None:
    async def scenario() -> None:
        store = Store()
        batches = Batches(store.run)
        first = [asyncio.create_task(batches.call(n)) for n in (1, 2, 3)]
        await _settle(lambda: len(store.batches) == 1)
        later = [asyncio.create_task(batches.call(n)) for n in (4, 13)]
        await asyncio.sleep(0)
        store.let.set()
        assert await asyncio.gather(*first) == [2, 4, 6]
        four, bad = await asyncio.gather(*later, return_exceptions=True)
        assert four == 8
        assert isinstance(bad, ValueError)
        assert store.batches == [[1, 2, 3], [4, 13]]

    asyncio.run(scenario())


def test_a_batch_has_a_bound() -> None:
    async def scenario() -> None:
        store = Store()
        store.let.set()
        batches = Batches(store.run)
        answers = await asyncio.gather(*(batches.call(n) for n in range(1, 2 * MOST + 2)), return_exceptions=True)
        assert len(answers) == 2 * MOST + 1
        assert [len(batch) for batch in store.batches] == [MOST, MOST, 1]

    asyncio.run(scenario())


def test_a_failure_of_the_store_reaches_all_of_the_batch_and_no_other() -> None:
    async def scenario() -> None:
        store = Store()
        store.let.set()
        batches = Batches(store.run)
        answers = await asyncio.gather(batches.call(0), batches.call(1), return_exceptions=True)
        assert all(isinstance(answer, OSError) for answer in answers)
        assert await batches.call(2) == 4

    asyncio.run(scenario())


def test_a_caller_that_leaves_before_its_batch_is_sent_takes_the_call_back() -> None:
    async def scenario() -> None:
        store = Store()
        batches = Batches(store.run)
        first = asyncio.create_task(batches.call(1))
        await _settle(lambda: len(store.batches) == 1)
        leaving, staying = (asyncio.create_task(batches.call(n)) for n in (2, 3))
        await asyncio.sleep(0)
        leaving.cancel()
        first.cancel()
        store.let.set()
        assert await staying == 6
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert store.batches == [[1], [3]]

    asyncio.run(scenario())


def test_close_waits_for_what_is_under_way() -> None:
    async def scenario() -> None:
        store = Store()
        batches = Batches(store.run)
        await batches.close()
        call = asyncio.create_task(batches.call(1))
        await _settle(lambda: len(store.batches) == 1)
        closing = asyncio.create_task(batches.close())
        await asyncio.sleep(0)
        assert not closing.done()
        store.let.set()
        await closing
        assert await call == 2

    asyncio.run(scenario())


async def _settle(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")
