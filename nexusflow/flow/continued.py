"""Answers that Google breaks off with CONTINUATION and a token, gone on with by the gateway (protocols 1.5.2, 2.1.7).

Google's own clients ask again by themselves, with the token, until another reason comes; clients of other protocols
know nothing of it. Their answer is all the pieces in a row, which the reader takes for one.
"""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Raw

from nexusflow.upstream.transport import Reply
from nexusflow.wire import jsonedit

MAX_HOPS = 8
"""How often one answer may be gone on with. The last piece then ends it, as cut short."""
_LAST_BYTES = 64 * 1024
"""Where in a stream the reason and its token are looked for: in its last event."""
_REASON = re.compile(rb'"finishReason"\s*:\s*"CONTINUATION"').search
_TOKEN = re.compile(rb'"continuationToken"\s*:\s*("(?:[^"\\]|\\.)*")').search

Again = Callable[[bytes], Awaitable[Reply]]
"""Sends the body of the next call and gives its answer, a stream that has begun well."""


def token_in(answer: bytes) -> Raw | None:
    """The token with which a broken-off answer is gone on with; None for one that is over."""
    found = _TOKEN(answer) if _REASON(answer) is not None else None
    return Raw(found[1]) if found is not None else None


def going_on(body: bytes, token: Raw) -> bytes:
    """The same request with the token."""
    return jsonedit.join({**jsonedit.split(body), "continuationToken": token})


async def whole(body: bytes, fetch: Callable[[bytes], Awaitable[bytes]]) -> bytes:
    """A unary answer to its end: one object, or an array of the pieces."""
    pieces = [await fetch(body)]
    while len(pieces) <= MAX_HOPS and (token := token_in(pieces[-1])) is not None:
        pieces.append(await fetch(going_on(body, token)))
    return pieces[0] if len(pieces) == 1 else b"[" + b",".join(pieces) + b"]"


class ContinuedReply:
    """A streamed answer to its end, as if it were one body."""

    def __init__(self, reply: Reply, body: bytes, again: Again) -> None:
        self._reply = reply
        self._body = body
        self._again = again
        self._hops = 0
        self._last: deque[bytes] = deque()
        self._size = 0

    @property
    def status(self) -> int:
        """See `Reply`."""
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """See `Reply`."""
        return self._reply.headers

    async def read(self, limit: int) -> bytes:
        """See `Reply`."""
        return await self._reply.read(limit)

    async def next(self) -> bytes | None:
        """See `Reply`; where one piece of the answer ends and another follows, an empty event stands between."""
        piece = await self._reply.next()
        if piece is not None:
            self._keep(piece)
            return piece
        token = token_in(b"".join(self._last)) if self._hops < MAX_HOPS else None
        if token is None:
            return None
        self._hops += 1
        self._last.clear()
        self._size = 0
        self._reply.close(reusable=True)
        self._reply = await self._again(going_on(self._body, token))
        return b"\r\n\r\n"

    def close(self, *, reusable: bool) -> None:
        """See `Reply`."""
        self._reply.close(reusable=reusable)

    def _keep(self, piece: bytes) -> None:
        self._last.append(piece)
        self._size += len(piece)
        while self._size - len(self._last[0]) > _LAST_BYTES:
            self._size -= len(self._last.popleft())
