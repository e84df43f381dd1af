"""What the handlers of the admin API work with. None of it runs on the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from litestar.di import NamedDependency

from nexusflow.accounts import AccountTable, BudgetTable, Money
from nexusflow.accounts.quotas import QuotaTable
from nexusflow.keys import KeyTable, pepper_of
from nexusflow.ledger.verify import Proof, verify
from nexusflow.store import Database
from nexusflow.store.thread import StoreThread
from nexusflow.telemetry.meter import Meter

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Books:
    """The tables of one database."""

    database: Database
    pepper: Path

    @property
    def accounts(self) -> AccountTable:
        """Organisations, teams and users."""
        return AccountTable(self.database)

    @property
    def budgets(self) -> BudgetTable:
        """Bounds on spending."""
        return BudgetTable(self.database)

    @property
    def quotas(self) -> QuotaTable:
        """What was agreed beside the plans, and requests for more."""
        return QuotaTable(self.database)

    @property
    def money(self) -> Money:
        """Movements of money."""
        return Money(self.database)

    @property
    def keys(self) -> KeyTable:
        """Keys. Raises PepperProblem."""
        return KeyTable(self.database, pepper_of(self.database, self.pepper))


@dataclass(frozen=True, slots=True)
class Office:
    """The way to the books of one gateway; `journals` is the folder of this machine's journals."""

    thread: StoreThread[Database]
    pepper: Path
    journals: Path
    currency: str
    meter: Meter
    _studying: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, work: Callable[[Books], T]) -> T:
        """Something quick: calls to models may be waiting for the same thread."""
        return await self.thread.run(lambda database: work(Books(database, self.pepper)))

    async def prove(self) -> Proof:
        """The proof that the money adds up. What is broken is counted, so that an alert can watch it."""
        journals = self.journals if self.journals.is_dir() else None
        proof = await self.study(lambda database: verify(database, journals))
        for invariant in sorted(proof.failed()):
            self.meter.violated(invariant)
        return proof

    async def study(self, work: Callable[[Database], T]) -> T:
        """Something that may read for long: in a thread and over a connection of its own, one such after the other."""
        database = await self.thread.run(_itself)
        async with self._studying:
            return await asyncio.to_thread(_read, database, work)


Desk = NamedDependency[Office]
"""The office, as handlers are given it."""
Actor = NamedDependency[str]
"""Who asks, for the audit log."""


def _itself(database: Database) -> Database:
    return database


def _read(database: Database, work: Callable[[Database], T]) -> T:
    with database.reader() as reader:
        return work(reader)
