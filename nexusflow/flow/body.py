"""Reading a client's body within bounds of size, coding and time (C-09, C-10, C-11)."""

from litestar.types import Receive

from nexusflow.flow.exchange import Exchange, Phase
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.plan import RequestBounds
from nexusflow.wire.head import Head


class ClientGone(Exception):
    """The client left before its request was complete; nobody is there to answer."""


async def read_body(exchange: Exchange, head: Head, receive: Receive, bounds: RequestBounds) -> bytes:
    """The whole body. Where its length was announced that many bytes are all of it: the server holds clients to that.

    Raises `RequestRefused` (413 before the rest is read, 415 for a content coding) and `ClientGone`; a slow body ends
    as an expired `Phase.BODY`.
    """
    if head.content_encoding is not None and head.content_encoding.strip().lower() not in (b"", b"identity"):
        raise refuse(Kind.ENCODING, "compressed request bodies are not accepted; send the JSON itself")
    limit = bounds.max_body_bytes
    if head.content_length is not None and head.content_length > limit:
        raise too_large(limit)
    exchange.enter(Phase.BODY, bounds.body_timeout_ms / 1000)
    pieces: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        piece = message.get("body", b"")
        total += len(piece)
        if total > limit:
            raise too_large(limit)
        # The server says the end in a message of its own, which is another thread's turn to wait for.
        if total == head.content_length or not message.get("more_body", False):
            return piece if not pieces else b"".join([*pieces, piece])
        pieces.append(piece)


def too_large(limit: int) -> RequestRefused:
    """E-SIZE, for a body of more than `limit` bytes."""
    message = f"the body exceeds {limit} bytes"
    return RequestRefused(Problem(kind=Kind.SIZE, message=message, close=True))
