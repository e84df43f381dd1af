"""Bare ASGI under Granian: reads the body and answers by itself. What any gateway on Granian pays anyway."""

import asyncio
from typing import Any

from bench import payloads

_EVENTS = payloads.events()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI callable."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    if b'"stream":true' in body:
        await _stream(send, payloads.PACE_SECONDS if b'"paced"' in body else 0)
        return
    answer = payloads.ANSWER
    length = (b"content-length", b"%d" % len(answer))
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), length]}
    )
    await send({"type": "http.response.body", "body": answer, "more_body": False})


async def _stream(send: Any, pace: float) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    if pace:
        for event in _EVENTS:
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.sleep(pace)
    else:
        await send({"type": "http.response.body", "body": b"".join(_EVENTS), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
