"""Reservations of many callers in one worker."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nexusflow.ir.account import Payer
from nexusflow.ledger.clerk import Clerk
from nexusflow.ledger.leases import Hold, Leases
from nexusflow.ledger.outage import OutageAllowance
from nexusflow.ledger.reserving import Reservations
from nexusflow.store import Database
from tests.support.book import TTL_MS, WORKER, Book
from tests.support.stores import Store

NEED = 1_000
_T = TypeVar("_T")


class HeldClerk(Clerk):
    """Its answers arrive when the gate is opened."""

    def __init__(self, open_store: Callable[[], Database]) -> None:
        super().__init__(open_store)
        self.there = asyncio.Event()
        self.gate = asyncio.Event()

    async def ask(self, question: Callable[[Database], _T]) -> _T:
        answer = await super().ask(question)
        self.there.set()
        await self.gate.wait()
        return answer


class CountedLeases(Leases):
    """A search that never ends is an error, not a test that never ends."""

    takes = 0

    def take(self, payer: Payer, amount: int) -> Hold | None:
        self.takes += 1
        assert self.takes < 50, "a reservation is looked for again and again without letting the loop turn"
        return super().take(payer, amount)


async def crowd(store: Store, payer: Payer) -> list[Hold]:
    """One caller waits for a grant; two more come in the very turn of the loop in which it arrives."""
    clerk = HeldClerk(store.open)
    outage = OutageAllowance(0, 0)
    leases = CountedLeases()

    async def nothing(_: str) -> bool:
        return False

    reservations = Reservations(clerk, leases, outage, WORKER, TTL_MS, nothing, lambda _: None)
    first = asyncio.create_task(reservations.from_database(payer, NEED))
    await clerk.there.wait()
    clerk.gate.set()
    later = [asyncio.create_task(reservations.from_database(payer, NEED)) for _ in range(2)]
    holds = await asyncio.gather(first, *later)
    await clerk.close()
    return holds


def test_AT01_who_comes_as_a_grant_arrives_asks_anew(store: Store, books: Book) -> None:
    """Each grant covers one call only, as the wallet is nearly empty: the third caller finds neither money nor rest."""
    org, _ = books.organisation("crowd", 10 * NEED)
    holds = asyncio.run(crowd(store, Payer(org=org, team=None, key="key-1")))
    assert [hold.amount for hold in holds] == [NEED] * 3
    assert len({hold.lease for hold in holds}) == 3
