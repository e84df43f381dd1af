"""What the pages of the console work with."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from litestar import Request
from litestar.di import NamedDependency

from nexusflow.admin.office import Books, Office
from nexusflow.ir.artifact import Artifact
from nexusflow.keys.pepper import bind_pepper, pepper_of
from nexusflow.operators import Operator, OperatorTable, SessionTable
from nexusflow.runtime import Runtime
from nexusflow.store import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """The way from a page to the books, to this worker, and to the artifact that it serves."""

    office: Office
    runtime: Runtime
    artifact: Artifact
    _known: dict[str, tuple[float, "asyncio.Future[Any]"]] = field(default_factory=dict)

    async def lately(self, name: str, seconds: float, work: Callable[[Database], T]) -> T:
        """What `work` read at most so many seconds ago: many may look at a page that takes long to sum up."""
        known = self._known.get(name)
        if known is None or known[0] < time.monotonic() or known[1].cancelled() or _failed(known[1]):
            made = asyncio.ensure_future(self.office.study(work))
            known = self._known[name] = (time.monotonic() + seconds, made)
        found: T = await asyncio.shield(known[1])
        return found

    async def sessions(self, work: Callable[[SessionTable, OperatorTable], T]) -> T:
        """Something about who is signed in."""

        def run(books: Books) -> T:
            pepper = pepper_of(books.database, books.pepper)
            return work(
                SessionTable(books.database, bind_pepper(books.database, pepper)), OperatorTable(books.database, pepper)
            )

        return await self.office.run(run)


def _failed(done: "asyncio.Future[Any]") -> bool:
    return done.done() and not done.cancelled() and done.exception() is not None


Console = NamedDependency[Desk]
"""The desk, as handlers are given it."""
Who = NamedDependency[Operator]
"""Who is signed in."""
Asked = Request[Any, Any, Any]
"""What a browser asks."""
