"""A simulated provider on a socket of this process, for clients that want one."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from nexusflow.simulator.app import Simulator
from nexusflow.simulator.http import Connection
from tests.support.simulated import Answer


class Upstream:
    """Where it listens, and requests to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 10
    ) -> Answer:
        """One request; `path` may be a whole address. Raises `OSError` when no answer comes."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        split = urlsplit(path)
        target = f"{split.path}?{split.query}" if split.query else split.path
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, target, data, headers or {})
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read(), ""
            )
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """`GET` of it."""
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """`POST` to it."""
        return self.ask("POST", path, body, headers)

    def jobs(self) -> list[dict[str, Any]]:
        """What it tells of its jobs."""
        jobs: list[dict[str, Any]] = self.get("/_simulator/jobs").json
        return jobs


@contextmanager
def listening() -> Iterator[Upstream]:
    """One that listens until the end of the block."""
    loop, simulator = asyncio.new_event_loop(), Simulator()

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: Connection(simulator.handle), "127.0.0.1", 0)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Upstream(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
