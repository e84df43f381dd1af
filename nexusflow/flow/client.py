"""The client's side of one answer: ASGI messages, written at most once each and in order."""

from collections.abc import Sequence

from litestar.types import Send

from nexusflow.wire import sse

Header = tuple[bytes, bytes]

EVENTS: Header = (b"content-type", b"text/event-stream; charset=utf-8")
_STREAM_HEADERS: tuple[Header, ...] = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


async def answer(
    send: Send, status: int, body: bytes, headers: Sequence[Header], content_type: bytes = b"application/json"
) -> None:
    """One complete answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


class ClientStream:
    """A streamed answer whose status is sent with its first bytes, and not before (R-20).

    `committed` says that the status is out, `said` that content is: a sign of life sends the first alone (R-21).
    `copy` takes what was written, where somebody wants it; `keep_alive_frame` is what the client's protocol takes while
    it waits (protocols 0.3).
    """

    __slots__ = ("_send", "busy", "committed", "content_type", "copy", "headers", "keep_alive_frame", "said")

    def __init__(self, send: Send, headers: list[Header]) -> None:
        self._send = send
        self.headers = headers
        self.committed = self.said = False
        self.copy: list[bytes] | None = None
        self.busy = False
        self.content_type = EVENTS
        self.keep_alive_frame = sse.KEEP_ALIVE

    async def write(self, data: bytes) -> None:
        """Send whole frames; returns when the server has taken them, which is the back-pressure (G4)."""
        self.said = True
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        self.busy = True
        if not self.committed:
            self.committed = True
            headers = [self.content_type, *_STREAM_HEADERS, *self.headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        if self.copy is not None:
            self.copy.append(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.busy = False

    async def keep_alive(self) -> None:
        """Send a sign of life unless a write is under way (R-21); it commits the status like any other byte."""
        if not self.busy:
            await self._write(self.keep_alive_frame)

    async def end(self, data: bytes = b"") -> None:
        """Send the last frames and close."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})
