"""A part of a file (RFC 9110, 14.2): what players ask for when somebody seeks, and downloads that go on.

One range of bytes is answered with it. Several at once, other units and what cannot be read are answered with all of
the file, as the RFC allows.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from nexusflow.ir.errors import Kind, Problem, RequestRefused

_RANGE = re.compile(rb"bytes=([0-9]{0,18})-([0-9]{0,18})").fullmatch


def wanted(headers: Iterable[tuple[bytes, bytes]], length: int) -> range | None:
    """The bytes that are asked for of a file so long; None: all of them. Raises `RequestRefused` (416) for none."""
    found = _RANGE(b"".join(dict(headers).get(b"range", b"").split()))
    if found is None or found[0] == b"bytes=-":
        return None
    first, last = found.groups()
    if not first:
        part = range(max(length - int(last), 0), length)
    else:
        part = range(int(first), min(int(last) + 1, length) if last else length)
        if last and int(last) < int(first):
            return None
    if not part:
        message = f"The file has {length} bytes."
        raise RequestRefused(Problem(kind=Kind.PARAM, message=message, code="range_not_satisfiable", status=416))
    return part


async def cut(pieces: AsyncIterator[bytes], part: range | None) -> AsyncGenerator[bytes, None]:
    """What of `pieces` lies in `part`."""
    at = 0
    async for piece in pieces:
        if part is None:
            yield piece
            continue
        inside = piece[max(part.start - at, 0) : max(part.stop - at, 0)]
        at += len(piece)
        if inside:
            yield inside
        if at >= part.stop:
            return
