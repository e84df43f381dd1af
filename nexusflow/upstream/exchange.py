"""One HTTP/1.1 request and its answer on a connection of its own, both streamed, nothing gathered.

For what is large or rare: results of tasks, webhooks, storage. Calls to providers have their pools (`http1_transport`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

import httptools

from nexusflow.upstream.inflate import inflater
from nexusflow.upstream.transport import Fault, Target, UpstreamFault

MAX_HEAD = 64 * 1024
_PIECE = 64 * 1024
BROKEN = (OSError, TimeoutError, httptools.HttpParserError, ValueError, UpstreamFault)
"""What an exchange raises when the other side, or the way there, fails."""


class Exchange:
    """Use once: `ask`, then `pieces`, then `close`. Raises one of `BROKEN`; times are the caller's to bound."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: list[bytes] = []
        self._in_head = 0
        self._headed = self._complete = False
        self.status = 0
        self.headers: dict[str, str] = {}

    async def ask(self, target: Target, body: AsyncIterator[bytes] | bytes = b"") -> None:
        """Send a request whose head is complete but for the end, and wait for the head of the answer."""
        with suppress(ConnectionError):  # it may have answered before it heard everything
            self._writer.write(target.head + b"\r\n" + (body if isinstance(body, bytes) else b""))
            if not isinstance(body, bytes):
                async for piece in body:
                    self._writer.write(piece)
                    await self._writer.drain()
            await self._writer.drain()
        while not self._headed:
            if not await self._more():
                raise ConnectionResetError("the connection was closed before an answer")

    @property
    def length(self) -> int | None:
        """How many bytes `pieces` will give, where that is known."""
        told = self.headers.get("content-length", "")
        return int(told) if told.isdecimal() and "content-encoding" not in self.headers else None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, content coding undone."""
        inflate = inflater(self.headers.get("content-encoding"))
        while True:
            for piece in self._waiting:
                data = piece if inflate is None else inflate(piece)
                if data:
                    yield data
            self._waiting.clear()
            if self._complete or not await self._more():
                return

    def close(self) -> None:
        """Close the connection, which is not used again."""
        self._writer.close()

    async def _more(self) -> bool:
        """Read on; False at the end of an answer that ends with the connection."""
        piece = await self._reader.read(_PIECE)
        if piece:
            if not self._headed:
                self._in_head += len(piece)
            self._parser.feed_data(piece)
            if not self._headed and self._in_head > MAX_HEAD:
                raise UpstreamFault(Fault.TOO_LARGE, "the head of the answer is too large")
        elif "content-length" in self.headers or "transfer-encoding" in self.headers:
            raise ConnectionResetError("the connection was closed within an answer")
        return bool(piece)

    # -- the parser's side ---------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools' own name."""
        if not self._headed:  # what follows is a trailer, or an answer that nobody asked for
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """httptools' own name. An answer of the 100s is only a word before the real one."""
        if self._headed:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers = {}
            return
        self._headed = True

    def on_body(self, data: bytes) -> None:
        """httptools' own name."""
        if not self._complete:
            self._waiting.append(data)

    def on_message_complete(self) -> None:
        """httptools' own name."""
        self._complete = self._headed
