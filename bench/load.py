"""The load: N connections that each send the next request when the answer is complete. Prints one line of JSON.

`python -m bench.load PORT KEY WORK CONNECTIONS SECONDS`. Over the bare event loop, so that it costs little beside what
it measures; the run prints its own CPU time too.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

from bench import payloads

BODIES = {
    "unary_1k": payloads.request(1_000),
    "unary_30k": payloads.request(30_000),
    "burst": payloads.request(1_000, stream=True),
    "paced": payloads.request(1_000, stream=True)[:-1] + b',"user":"paced"}',
}
MESSAGES = {"bridged_1k": payloads.message(1_000), "bridged_burst": payloads.message(1_000, stream=True)}
"""Asked over Anthropic's protocol, so that the gateway translates both ways."""
HEAD = (
    "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n"
    "content-type: application/json\r\nuser-agent: OpenAI/Python bench\r\nx-stainless-lang: python\r\n"
    "x-stainless-os: Linux\r\nx-stainless-runtime: CPython\r\nx-stainless-retry-count: 0\r\n"
    "authorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
)


class Client(asyncio.Protocol):
    """One connection that is never idle."""

    def __init__(self, request: bytes, latencies: list[float], stop: float) -> None:
        self._request, self._latencies, self._stop = request, latencies, stop
        self.done = asyncio.get_running_loop().create_future()
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._head: bytes | None = None
        self._buffer = b""
        self._length: int | None = None
        self._received = 0
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self._buffer += data
            self._head, found, data = self._buffer.partition(b"\r\n\r\n")
            if not found:
                self._head = None
                return
            self.failed += not self._head.startswith(b"HTTP/1.1 200")
            length = self._head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._length = int(length) if length else None
            self._buffer = b""
        self._received += len(data)
        self._buffer = (self._buffer + data)[-5:]
        if self._received == self._length or (self._length is None and self._buffer == b"0\r\n\r\n"):
            now = time.perf_counter()
            self._latencies.append(now - self._started)
            if now < self._stop:
                self._send()
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self._stop:
            self.failed += 1
        self.done.set_result(None)


async def run(port: int, key: str, work: str, connections: int, seconds: float) -> dict[str, float]:
    """Load for `seconds`; latencies in microseconds."""
    translated = work in MESSAGES
    body = MESSAGES[work] if translated else BODIES[work]
    path = "/v1/messages" if translated else "/v1/chat/completions"
    request = HEAD.format(path=path, key=key, length=len(body)).encode() + body
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    stop = time.perf_counter() + seconds
    clients = [
        (await loop.create_connection(lambda: Client(request, latencies, stop), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    ordered = sorted(latencies)
    return {
        "requests": len(ordered),
        "failed": sum(client.failed for client in clients),
        "p50_us": ordered[len(ordered) // 2] * 1e6,
        "p99_us": ordered[len(ordered) * 99 // 100] * 1e6,
        "load_cpu_us": time.process_time() / len(ordered) * 1e6,
    }


if __name__ == "__main__":
    port, key, work, connections, seconds = sys.argv[1:]
    print(json.dumps(uvloop.run(run(int(port), key, work, int(connections), float(seconds)))))
