"""A server on loopback that gives prepared answers, byte for byte, and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

Use = Callable[[str], Awaitable[Any]]
Answer = Callable[[str], bytes]
PNG = b"\x89PNG\r\n\x1a\n0000"


def http(body: bytes = PNG, *headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", "")).encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return http(b"", f"location: {to}", status=status)


class Server:
    """Answers each request with what `answer` makes of its path, and remembers heads and bodies."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = [line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            self.bodies.append(await reader.readexactly(int(length[0])) if length else b"")
            writer.write(self.answer(head.split(" ")[1]))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def run(self, use: Use) -> Any:
        """What `use` makes of the server's `127.0.0.1:port`."""
        return asyncio.run(self.run_within(use))

    async def run_within(self, use: Use) -> Any:
        """The same within a loop that runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        try:
            return await use(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            server.close()
