"""One request of a maker sent, and its answer or the way in which it failed: whether the provider may have acted."""

import asyncio

import msgspec

from nexusflow.flow.attempt import retry_after
from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.tasks.lanes import MediaLane
from nexusflow.upstream.transport import Fault, Outgoing, UpstreamFault

MAX_BYTES = 96 * 1024 * 1024
"""Of an answer: ten images in base64."""
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


async def send(lane: MediaLane, request: Request, seconds: float) -> Answer:
    """The provider's good answer. Raises `NotSent`, `Lost`, `Refused`."""
    call = Outgoing(lane.target(request), request.body, lane.connect)
    try:
        async with asyncio.timeout(seconds):
            return await _ask(lane, call)
    except TimeoutError as error:
        raise Lost("no answer in time") from error
    except UpstreamFault as fault:
        if fault.fault in _UNSENT:
            raise NotSent(str(fault)) from fault
        raise Lost(str(fault)) from fault


async def _ask(lane: MediaLane, call: Outgoing) -> Answer:
    try:
        reply = await lane.transport.send(call)
    except UpstreamFault as fault:
        if fault.fault is not Fault.STALE or not call.target.head.startswith(b"GET "):
            raise
        # A question can be asked twice (U-27).
        reply = await lane.transport.send(msgspec.structs.replace(call, fresh=True))
    complete = False
    try:
        body = await reply.read(MAX_BYTES)
        complete = True
    finally:
        reply.close(reusable=complete)
    answer = Answer(body=body, status=reply.status, headers=reply.headers)
    status = lane.maker.status(answer) if 200 <= reply.status < 300 else reply.status
    if 200 <= status < 300:
        return answer
    if 300 <= status < 400:
        raise Refused(status, Problem(kind=Kind.UPSTREAM, message="The provider answered with a redirect."))
    raise Refused(status, lane.maker.refusal(status, body, retry_after(reply)))
