"""The client's side of one answer: ASGI messages, written at most once each and in order."""

from collections.abc import Sequence

from litestar.types import Send

from nexusflow.wire import sse

Header = tuple[bytes, bytes]

_STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


async def answer(send: Send, status: int, body: bytes, headers: Sequence[Header]) -> None:
    """One complete JSON answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


class ClientStream:
    """An event stream whose status is sent with its first bytes, and not before (R-20)."""

    __slots__ = ("_send", "busy", "committed", "headers")

    def __init__(self, send: Send, headers: list[Header]) -> None:
        self._send = send
        self.headers = headers
        self.committed = False
        self.busy = False

    async def write(self, data: bytes) -> None:
        """Send whole frames; returns when the server has taken them, which is the back-pressure (G4)."""
        self.busy = True
        if not self.committed:
            self.committed = True
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": [*_STREAM_HEADERS, *self.headers]}
            )
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.busy = False

    async def keep_alive(self) -> None:
        """Send a comment unless a write is under way (R-21); it commits the status like any other byte."""
        if not self.busy:
            await self.write(sse.KEEP_ALIVE)

    async def end(self, data: bytes = b"") -> None:
        """Send the last frames and close."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})
