"""A small HTTP/1.1 server over asyncio streams. Our own, because faults need the bare socket: cuts, resets, silence."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD = 64 * 1024
REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """One request, whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Connection:
    """The client's socket while one request is answered. `open` turns false when no further request may follow."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    open: bool = True

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """A complete answer with a length."""
        self.head(status, {**headers, "content-length": str(len(body))})
        self.writer.write(body)
        await self.writer.drain()

    def head(self, status: int, headers: dict[str, str]) -> None:
        """The status line and headers; a body of unknown length follows in chunks."""
        if "content-length" not in headers:
            headers = {**headers, "transfer-encoding": "chunked"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 {status} {REASONS[status]}\r\n{lines}\r\n".encode("latin-1"))

    async def chunk(self, data: bytes) -> None:
        """One piece of a chunked body."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        """The end of a chunked body."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def cut(self, *, reset: bool = False) -> None:
        """Close in the middle; with `reset` by RST instead of FIN."""
        self.open = False
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.close()


Handler = Callable[[Request, Connection], Awaitable[None]]


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler) -> None:
    """Answer requests on one connection until it ends."""
    connection = Connection(reader, writer)
    try:
        while connection.open:
            request = await _read(reader)
            if request is None:
                break
            await handle(request, connection)
            if request.headers.get("connection", "").lower() == "close":
                break
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass  # the client broke off or spoke no HTTP: there is nobody to tell
    finally:
        with contextlib.suppress(ConnectionError):
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    if "chunked" in headers.get("transfer-encoding", ""):
        while size := int((await reader.readline()).partition(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    elif length := int(headers.get("content-length", "0")):
        body = await reader.readexactly(length)
    return Request(method, target.partition("?")[0], headers, body)
