"""Pumping one upstream stream to one client: the gate, the pump, the end (reliability 1.3).

Nothing is sent before the first meaningful event, so that an early failure keeps its real status. Afterwards every
failure becomes one in-protocol error event. The client's leaving cancels the upstream call at once.
"""

import asyncio
from collections.abc import Awaitable, Callable

from litestar.types import Receive

from nexusflow.flow import attempt
from nexusflow.flow.client import ClientStream
from nexusflow.flow.exchange import QUIET_SECONDS, Exchange, Phase
from nexusflow.flow.served import ServedLane
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.protocols.dialect import Tap
from nexusflow.upstream.transport import Reply, UpstreamFault

DRAIN_SECONDS = 1.0
"""How long the upstream may take to close after its last event, so that its connection can be used again."""


GATE_BYTES = 1024 * 1024
"""How much may be held back before the first meaningful event."""


async def pump(
    exchange: Exchange,
    reply: Reply,
    tap: Tap,
    client: ClientStream,
    lane: ServedLane,
    complete: Callable[[bytes], Awaitable[None]],
) -> None:
    """Forward until the stream ends; `complete` is awaited with the last frames of a good one, before they are sent.

    Raises `RequestRefused` with whatever ended it early; `client.said` says whether the client has content.
    Expiry and the client's leaving arrive as cancellation, for the caller to tell apart.
    """
    held = b""
    finished = False
    try:
        while (piece := await reply.next()) is not None:
            exchange.hear(piece)
            frames = held + tap.feed(piece) if held else tap.feed(piece)
            if tap.problem is not None or tap.done:
                held = frames
                break
            if not client.said and not tap.meaningful and len(frames) < GATE_BYTES:
                held = frames
                continue
            held = b""
            if frames:
                exchange.enter(Phase.WRITE, lane.write_stall)
                await client.write(frames)
            exchange.read_on(lane.idle, QUIET_SECONDS)
        else:
            finished = True
            held += tap.close()
        exchange.enter(Phase.WRITE, lane.write_stall)
        if tap.problem is None:
            await complete(held)
        await _finish(exchange, tap, client, held)
        finished = finished or await _drain(reply)
    except UpstreamFault as fault:
        raise attempt.failed(fault, lane, exchange.request_id) from fault
    finally:
        exchange.keep_alive = None
        reply.close(reusable=finished)


async def _finish(exchange: Exchange, tap: Tap, client: ClientStream, held: bytes) -> None:
    """The good end, or the problem; frames before a failing event still reach a client that already has some."""
    if tap.problem is not None:
        if held and (client.said or tap.meaningful):
            await client.write(held)
        raise RequestRefused(tap.problem)
    if not client.committed:
        await client.write(held)
        held = b""
    exchange.answer()
    await client.end(held)


async def _drain(reply: Reply) -> bool:
    """Read the upstream to its end after the last event. True when the connection can be used again."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while await reply.next() is not None:
                pass
    except (TimeoutError, UpstreamFault):
        return False
    return True


async def watch_client(exchange: Exchange, receive: Receive) -> None:
    """End the exchange when the client leaves: the server never tells its handler (issue of the server, G3)."""
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.leave()


def expired(phase: Phase | None) -> Problem:
    """What a client is told when a wait was cut short."""
    if phase is Phase.BODY:
        return Problem(kind=Kind.CLIENT_TIMEOUT, message="The request's body did not arrive in time.", close=True)
    if phase is Phase.DRAIN:
        return Problem(kind=Kind.DRAIN, message="The gateway is restarting. Try again.", retry_after=1, close=True)
    waited = phase.value if phase is not None else "the provider"
    return Problem(kind=Kind.TIMEOUT, message=f"Timed out waiting for {waited}.")
