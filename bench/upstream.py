"""The provider of the benchmark: precomputed answers over the bare event loop, so that it is never the bottleneck.

`python -m bench.upstream PORT`. A request for a stream gets 64 events, one every 5 ms when it says `"paced"`, at once
otherwise; any other gets JSON of 1 KB.
"""

import asyncio
import sys
from typing import cast

import uvloop

from bench import payloads

_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_UNARY = _JSON % (len(payloads.ANSWER), payloads.ANSWER)
_CHUNKS = [b"%x\r\n%b\r\n" % (len(event), event) for event in payloads.events()]
_BURST = _SSE + b"".join(_CHUNKS) + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = int(self._buffer[:end].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            stop = end + 4 + length
            if len(self._buffer) < stop:
                return
            body, self._buffer = self._buffer[end + 4 : stop], self._buffer[stop:]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if b'"stream":true' not in body:
            self._transport.write(_UNARY)
        elif b'"paced"' in body:
            self._transport.write(_SSE)
            self._pace(0)
        else:
            self._transport.write(_BURST)

    def _pace(self, at: int) -> None:
        if self._transport.is_closing():
            return
        if at == len(_CHUNKS):
            self._transport.write(b"0\r\n\r\n")
            return
        self._transport.write(_CHUNKS[at])
        asyncio.get_running_loop().call_later(payloads.PACE_SECONDS, self._pace, at + 1)


async def serve(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=2048)
    print("READY", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
