"""One HTTP/1.1 connection to a provider: httptools parses, asyncio moves bytes, at most one call at a time.

The event loop hands bytes to `data_received`; the parser calls the `on_…` methods from within it; whoever waits for the
answer is woken once for the head and once for each batch of body pieces. A connection that saw anything unexpected is
never used again.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from nexusflow.upstream.transport import Fault, UpstreamFault

MAX_HEAD_BYTES = 64 * 1024
PAUSE_BYTES = 256 * 1024
"""A client that reads slowly holds back the provider once this much waits for it (C-06)."""


class Connection(asyncio.Protocol):
    """The protocol object of one socket. `lost` is told when the socket closes, whatever the reason."""

    def __init__(self, lost: "Callable[[Connection], None]") -> None:
        self._lost = lost
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.used = False
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        """Forget the last answer."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.complete = False
        self.failure: UpstreamFault | None = None
        self._head_bytes = self._waiting_bytes = 0
        self._has_head = self._paused = self._whole = self._keep_alive = False
        self._received = False

    # -- the caller's side ---------------------------------------------------------------------------------------

    async def request(self, head: bytes, body: bytes) -> None:
        """Send one request and wait for the head of its answer. Raises `UpstreamFault`."""
        if self.used:
            self._begin()
        self._transport.writelines((head, body))
        while not self._has_head and self.failure is None:
            await self._wait()
        if not self._has_head and self.failure is not None:
            raise self.failure
        self.used = True

    async def more(self) -> bytes | None:
        """The next piece of the body, or None at its end. Raises `UpstreamFault` when it broke off."""
        pieces = self.pieces
        while not pieces:
            if self.complete:
                return None
            if self.failure is not None:
                raise self.failure
            await self._wait()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._waiting_bytes = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def whole(self, limit: int) -> None:
        """Wait until the body has arrived entirely, to be fetched with `more`. Raises `UpstreamFault`."""
        self._whole = True
        while not self.complete and self.failure is None:
            if self._waiting_bytes > limit:
                raise UpstreamFault(Fault.TOO_LARGE, f"body exceeds {limit} bytes")
            await self._wait()
        if self.failure is not None:
            raise self.failure
        if self._waiting_bytes > limit:
            raise UpstreamFault(Fault.TOO_LARGE, f"body exceeds {limit} bytes")

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this socket."""
        return self.complete and self._keep_alive and not self.closed and self.failure is None

    def abort(self) -> None:
        """Close at once; the provider sees a reset and ends its work."""
        self._transport.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- the event loop's side -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.complete:
            self._transport.abort()  # bytes that nobody asked for: the next answer could be mistaken for them
            return
        self._received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Fault.MALFORMED, repr(error))
            self._transport.abort()
            return
        if self._whole:
            if self.complete or self._waiting_bytes > PAUSE_BYTES:
                self._wake()
        else:
            if self._waiting_bytes > PAUSE_BYTES and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._has_head and not self.complete and exc is None and self._ends_at_close():
            self.complete = True
        elif not self.complete:
            stale = self.used and not self._received
            self._fail(Fault.STALE if stale else Fault.RESET, repr(exc) if exc else "the connection was closed")
        self._wake()
        self._lost(self)

    def _ends_at_close(self) -> bool:
        """A body without length or chunks ends with the connection, by definition."""
        return "content-length" not in self.headers and "transfer-encoding" not in self.headers

    def _fail(self, fault: Fault, detail: str) -> None:
        if self.failure is None:
            self.failure = UpstreamFault(fault, detail)
        self._wake()

    # -- the parser's side ---------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:
            raise httptools.HttpParserError("a second answer to one request")
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("the head of the answer is too large")
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()  # an interim answer that nobody asked for (U-28)
            return
        self.status = status
        # To be asked now: the parser forgets it with the end of the message.
        self._keep_alive = self._parser.should_keep_alive()
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self._waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._has_head:
            self.complete = True
