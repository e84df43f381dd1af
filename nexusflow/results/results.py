"""What the task engine needs of a place for results, whichever it is."""

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class ResultsError(Exception):
    """The place cannot be reached, is full, or refuses. The message is for the operator, never for a client."""


class Pieces(Protocol):
    """What is read, piece by piece. Raises `ResultsError` where it breaks off."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def __anext__(self) -> bytes: ...
    async def aclose(self) -> None:
        """Give up the rest, or all of it."""
        ...


class Stored(NamedTuple):
    """One result. `length` in bytes; `pieces` must be read to its end or closed."""

    mime: str
    length: int
    pieces: Pieces


class Results(Protocol):
    """A place for results. Names are those of `names.name_of`; any other raises `ValueError`.

    Every method but `url` raises `ResultsError` when the place fails.
    """

    async def put(self, name: str, pieces: AsyncIterator[bytes], mime: str) -> int:
        """Store a result and return its size in bytes.

        It is there whole or not at all: a failure of `pieces` is passed on and leaves nothing behind. One that exists
        is replaced.
        """
        ...

    async def open(self, name: str) -> Stored | None:
        """What is stored under `name`; None where there is nothing (any more)."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a result, if it is there."""
        ...

    async def expire(self, before_ms: int) -> int:
        """Remove all that was stored before that moment (milliseconds since 1970); how many results that were."""
        ...

    def url(self, name: str, expires_ms: int, base: str) -> str:
        """A link that anyone can follow until `expires_ms` (since 1970). `base` is the address of this gateway."""
        ...

    async def close(self) -> None: ...
