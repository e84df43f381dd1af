"""Running the simulated provider: loopback only unless told otherwise, ready when it says so."""

import asyncio
import contextlib
import ipaddress
import signal
import sys
from collections.abc import Callable

from nexusflow.simulator.app import Simulator
from nexusflow.simulator.http import Connection

BACKLOG = 1024


def serve(host: str = "127.0.0.1", port: int = 8089, *, allow_public: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; prints `READY <port>` once it listens. Port 0 takes a free one.

    Raises `ValueError` for an address that other machines can reach, unless `allow_public`, and `OSError` when the
    port is taken.
    """
    if not allow_public and not is_loopback(host):
        raise ValueError(f"{host} can be reached from other machines; add --allow-public if that is wanted")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(_serve(host, port))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop, which there is everywhere but on Windows."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(host: str, port: int) -> None:
    simulator = Simulator()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(name, stop.set)
    server = await loop.create_server(lambda: Connection(simulator.handle), host, port, backlog=BACKLOG)
    print("READY", server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()
