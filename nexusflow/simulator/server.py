"""Running the simulated provider: loopback only unless told otherwise, ready when it says so."""

import asyncio
import ipaddress
import signal

from nexusflow.simulator.app import Simulator
from nexusflow.simulator.http import MAX_HEAD, serve_connection


def serve(host: str = "127.0.0.1", port: int = 8089) -> None:
    """Serve until SIGINT or SIGTERM; prints `READY <port>` once it listens. Port 0 takes a free one."""
    try:
        asyncio.run(_serve(host, port))
    except KeyboardInterrupt:
        return


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(host: str, port: int) -> None:
    simulator = Simulator()
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(reader, writer, simulator.handle)

    server = await asyncio.start_server(connected, host, port, limit=MAX_HEAD, backlog=1024)
    print("READY", server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()
