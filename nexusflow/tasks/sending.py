"""One request of a maker sent, and its answer or the way in which it failed: whether the provider may have acted."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from nexusflow.flow.attempt import retry_after
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.task import Sketch
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.tasks.lanes import MediaLane
from nexusflow.upstream.transport import Fault, Outgoing, Reply, UpstreamFault
from nexusflow.wire import sse

MAX_BYTES = 96 * 1024 * 1024
"""Of an answer: ten images in base64."""
Show = Callable[[Sketch], None]
_UNSENT = (Fault.DNS, Fault.CONNECT, Fault.CONNECT_TIMEOUT, Fault.TLS)


class NotSent(Exception):
    """Nothing reached the provider (class N)."""


class Lost(Exception):
    """Nobody knows what the provider made of it (class U)."""


class Refused(Exception):
    """The provider answered, and not with success."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.message)
        self.status = status
        self.problem = problem


async def send(lane: MediaLane, request: Request, seconds: float, show: Show | None = None) -> Answer:
    """The provider's good answer; `show` is told what can be seen of it before it is whole.

    Raises `NotSent`, `Lost`, `Refused`.
    """
    call = Outgoing(lane.target(request), request.body, lane.connect)
    try:
        async with asyncio.timeout(seconds):
            return await _ask(lane, call, show)
    except TimeoutError as error:
        raise Lost("no answer in time") from error
    except UpstreamFault as fault:
        if fault.fault in _UNSENT:
            raise NotSent(str(fault)) from fault
        raise Lost(str(fault)) from fault


async def _ask(lane: MediaLane, call: Outgoing, show: Show | None) -> Answer:
    try:
        reply = await lane.transport.send(call)
    except UpstreamFault as fault:
        if fault.fault is not Fault.STALE or not call.target.head.startswith(b"GET "):
            raise
        # A question can be asked twice (U-27).
        reply = await lane.transport.send(msgspec.structs.replace(call, fresh=True))
    complete = False
    try:
        if reply.status == 200 and reply.headers.get("content-type", "").startswith("text/event-stream"):
            body, events = b"", tuple([event async for event in _events(lane, reply, show)])
        else:
            body, events = await reply.read(MAX_BYTES), ()
        complete = True
    finally:
        reply.close(reusable=complete)
    answer = Answer(body=body, status=reply.status, headers=reply.headers, events=events)
    status = lane.maker.status(answer) if 200 <= reply.status < 300 else reply.status
    if 200 <= status < 300:
        return answer
    if 300 <= status < 400:
        raise Refused(status, Problem(kind=Kind.UPSTREAM, message="The provider answered with a redirect."))
    raise Refused(status, lane.maker.refusal(status, body, retry_after(reply)))


async def _events(lane: MediaLane, reply: Reply, show: Show | None) -> AsyncIterator[bytes]:
    """The events of a streamed answer that are not sketches. Raises `Lost` where they are none, `UpstreamFault`."""
    splitter, seen = sse.Splitter(MAX_BYTES), 0
    try:
        while (piece := await reply.next()) is not None:
            seen += len(piece)
            if seen > MAX_BYTES:
                raise Lost("the answer is too large")
            for event in splitter.feed(piece):
                sketch = lane.maker.sketch(event.data) if event.data else None
                if sketch is None and event.data:
                    yield event.data
                elif sketch is not None and show is not None:
                    show(sketch)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Lost("the answer is no stream of events") from error
