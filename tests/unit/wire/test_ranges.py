"""Parts of files (RFC 9110, 14.1.2 and 14.2)."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexusflow.ir.errors import RequestRefused
from nexusflow.wire.ranges import cut, wanted

FILE = bytes(range(100))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"bytes=0-0", range(1)),
        (b"bytes=0-", range(100)),
        (b"bytes=10-19", range(10, 20)),
        (b"bytes= 10 - 19", range(10, 20)),
        (b"bytes=90-1000", range(90, 100)),
        (b"bytes=-5", range(95, 100)),
        (b"bytes=-1000", range(100)),
        (b"bytes=-", None),
        (b"bytes=20-10", None),
        (b"bytes=0-1,5-6", None),
        (b"items=0-1", None),
        (b"bytes=a-b", None),
        (b"", None),
    ],
)
def test_what_is_asked_for(said: bytes, expected: range | None) -> None:
    assert wanted([(b"host", b"h"), (b"range", said)], 100) == expected


@pytest.mark.parametrize("said", [b"bytes=100-", b"bytes=100-200", b"bytes=-0"])
def test_what_is_not_there_is_refused(said: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        wanted([(b"range", said)], 100)
    assert refused.value.problem.status == 416


@given(st.lists(st.integers(1, 99)), st.integers(0, 99), st.integers(1, 100))
def test_any_part_of_any_pieces_is_that_part_of_the_file(cuts: list[int], first: int, stop: int) -> None:
    places = [0, *sorted(set(cuts)), 100]

    async def pieces() -> AsyncIterator[bytes]:
        for start, end in pairwise(places):
            yield FILE[start:end]

    async def read(part: range | None) -> bytes:
        return b"".join([piece async for piece in cut(pieces(), part)])

    part = range(min(first, stop - 1), stop)
    assert asyncio.run(read(part)) == FILE[part.start : part.stop]
    assert asyncio.run(read(None)) == FILE
