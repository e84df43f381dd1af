"""A TCP proxy on loopback that can keep bytes back, cut connections, and lead new ones elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes to `target`, a loopback port; while `stall`ed it takes them and keeps them back."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._closed = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pumps: set[asyncio.Task[None]] = set()

    def stall(self) -> None:
        """No byte arrives until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """What was kept back goes on its way."""
        self._flowing.set()

    def cut(self) -> None:
        """Close all connections, and new ones at once, until `mend`."""
        self._closed = True
        for pump in tuple(self._pumps):
            pump.cancel()

    def mend(self) -> None:
        """Take connections again."""
        self._closed = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        if self._closed:
            writer.close()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.target)
        for source, sink in ((reader, upstream_writer), (upstream_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def close(self) -> None:
        """Cut all connections, and wait until they are."""
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while piece := await source.read(65_536):
                    await self._flowing.wait()
                    sink.write(piece)
                    await sink.drain()
        finally:
            sink.close()


@asynccontextmanager
async def running_proxy(target: int) -> AsyncIterator[Proxy]:
    """In front of a loopback port."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
