"""A small HTTP/1.1 server on an asyncio protocol: our own, because faults need the bare socket."""

import asyncio
import itertools
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
REASONS = {**{status.value: status.phrase for status in HTTPStatus}, 529: "Overloaded"}
LOG = logging.getLogger(__name__)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole. Header names are in lower case; a repeated header is joined by commas.

    `query` has the last value of each of its names.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class BadRequest(Exception):
    """What arrived is no request that this server can read; the argument is the status that says so."""


class Connection(asyncio.Protocol):
    """One client's connection: reads requests one after the other, and is what their handler answers on.

    A client that closes its side has left: the handler is cancelled at once, whatever it is waiting for.
    """

    def __init__(self, handle: "Handler") -> None:
        self.number = next(_numbers)
        self.answering = False
        self._handle = handle
        self._reader = asyncio.StreamReader(limit=MAX_HEAD)
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its base class
        # No buffer of our own: `drain` returns when the kernel has it all, so leaving and pressure are seen in time.
        self._transport.set_write_buffer_limits(high=0)
        self._reader.set_transport(self._transport)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.feed_eof()
        self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a complete answer, with its length."""
        self.head(status, {**headers, "content-length": str(len(body))}, body)
        await self.drain()

    def head(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send the status line and headers, and `body` with them; without a length in `headers`, chunks follow."""
        self.answering = True
        framing = {} if "content-length" in headers else {"transfer-encoding": "chunked"}
        fields = {**headers, **framing, "x-simulated": "true"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.write(f"HTTP/1.1 {status} {REASONS[status]}\r\n{lines}\r\n".encode("latin-1") + body)

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._transport.write(data)

    async def chunk(self, data: bytes) -> None:
        """Send one piece of a chunked body."""
        self.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.drain()

    async def end(self) -> None:
        """End a chunked body."""
        self.write(b"0\r\n\r\n")
        await self.drain()

    async def drain(self) -> None:
        """Return when the kernel has taken everything."""
        if not self._writable.is_set():
            await self._writable.wait()

    def cut(self, *, reset: bool = False) -> None:
        """Close now; with `reset` by RST instead of FIN."""
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    async def _serve(self) -> None:
        try:
            while not self._transport.is_closing():
                request = await self._read()
                self.answering = False
                await self._handle(request, self)
                if "close" in request.headers.get("connection", "").lower():
                    break
        except BadRequest as bad:
            await self.answer(bad.args[0], b"", {"connection": "close"})
        except asyncio.IncompleteReadError:
            LOG.debug("connection %d ended", self.number)
        finally:
            self._transport.close()

    async def _read(self) -> Request:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise BadRequest(431) from None
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, version = [*first.split(" "), "", ""][:3]
        if version != "HTTP/1.1":
            raise BadRequest(505 if version.startswith("HTTP/") else 400)
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        path, _, query = target.partition("?")
        return Request(method, path, dict(parse_qsl(query)), headers, await self._read_body(headers))

    async def _read_body(self, headers: Mapping[str, str]) -> bytes:
        try:
            if "chunked" in headers.get("transfer-encoding", "").lower():
                return await self._read_chunks()
            return await self._reader.readexactly(_size(headers.get("content-length", "0"), 10))
        except ValueError:
            raise BadRequest(400) from None

    async def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := _size((await self._reader.readline()).partition(b";")[0], 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
            if len(body) > MAX_BODY:
                raise BadRequest(413)
        while (await self._reader.readline()).strip():
            continue  # trailers
        return bytes(body)


Handler = Callable[[Request, Connection], Awaitable[None]]


def _size(text: str | bytes, base: int) -> int:
    """A length as HTTP writes it. Raises `ValueError`, and `BadRequest` when it is more than we take."""
    size = int(text, base)
    if size < 0:
        raise ValueError
    if size > MAX_BODY:
        raise BadRequest(413)
    return size
