"""One try against one lane: send, wait for headers, turn every way of failing into a `Problem` (U-01 … U-29)."""

import logging
import time
from typing import Protocol

import msgspec
from msgspec import Raw

from nexusflow.flow.exchange import Exchange, Phase
from nexusflow.flow.failure import AttemptFailed, of_fault, of_status
from nexusflow.flow.served import ServedLane
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.protocols.dialect import Dialect
from nexusflow.upstream.transport import Fault, Outgoing, Reply, Target, UpstreamFault

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024

_log = logging.getLogger("nexusflow.upstream")

_MESSAGES = {
    Fault.DNS: "The provider's address could not be resolved.",
    Fault.CONNECT: "The provider could not be reached.",
    Fault.TLS: "The provider's TLS certificate was not accepted.",
    Fault.STALE: "The provider closed the connection without an answer.",
    Fault.RESET: "The connection to the provider broke.",
    Fault.TOO_LARGE: "The provider's answer is too large.",
    Fault.MALFORMED: "The provider's answer is not valid HTTP.",
}


class ErrorReader(Protocol):
    """How a provider's protocol says that it refuses."""

    def read(self, http_status: int, body: bytes, retry_after: int | None = None) -> Problem: ...


async def send(exchange: Exchange, lane: ServedLane, target: Target, body: bytes, extra: bytes = b"") -> Reply:
    """The provider's answer once its headers are here. It is told of the trace that the call belongs to, if any.

    A connection that the provider closed while it was idle is replaced once (class K, U-27): chat has no side effect.
    Raises `RequestRefused`.
    """
    if exchange.trace is not None:
        extra += exchange.trace.onward()
    call = Outgoing(target, body, lane.connect, extra)
    try:
        try:
            return await lane.transport.send(call)
        except UpstreamFault as fault:
            if fault.fault is not Fault.STALE:
                raise
            # Others that were idle as long may be closed as well.
            return await lane.transport.send(msgspec.structs.replace(call, fresh=True))
    except UpstreamFault as fault:
        raise failed(fault, lane, exchange.request_id) from fault


async def fetch(
    exchange: Exchange, lane: ServedLane, target: Target, errors: ErrorReader, body: bytes, extra: bytes = b""
) -> bytes:
    """The whole body of the provider's good answer to one unary call. Raises `RequestRefused` for any other."""
    exchange.enter(Phase.FIRST_BYTE, lane.total)
    exchange.dispatch()
    sent = time.monotonic()
    reply = await send(exchange, lane, target, body, extra)
    exchange.heard_at = time.monotonic()
    complete = False
    try:
        await require_success(reply, lane, errors, exchange.request_id)
        require_json(reply)
        answer = await read(reply, lane, MAX_BODY_BYTES, exchange.request_id)
        complete = True
    finally:
        exchange.waited += time.monotonic() - sent
        reply.close(reusable=complete)
    return answer


async def read(reply: Reply, lane: ServedLane, limit: int, request_id: str) -> bytes:
    """The whole body of an answer. Raises `RequestRefused`."""
    try:
        return await reply.read(limit)
    except UpstreamFault as fault:
        raise failed(fault, lane, request_id) from fault


def failed(fault: UpstreamFault, lane: ServedLane, request_id: str) -> AttemptFailed:
    """A fault below HTTP as the end of an attempt."""
    return AttemptFailed(_explain(fault, lane, request_id), of_fault(fault.fault))


def _explain(fault: UpstreamFault, lane: ServedLane, request_id: str) -> Problem:
    """A fault below HTTP as told to the client; its detail goes to the log only."""
    _log.warning("provider %s, request %s: %s", lane.provider.id, request_id, fault)
    if fault.fault is Fault.CONNECT_TIMEOUT:
        return Problem(kind=Kind.TIMEOUT, message="The provider did not accept the connection in time.")
    return Problem(kind=Kind.UPSTREAM, message=_MESSAGES[fault.fault])


def retry_after(reply: Reply) -> int | None:
    """Whole seconds of a Retry-After header. A date, a negative number or garbage is None: never slept on (U-21)."""
    value = reply.headers.get("retry-after", "").strip()
    return int(value) if value.isdigit() and len(value) < 9 else None


async def require_success(reply: Reply, lane: ServedLane, errors: ErrorReader, request_id: str) -> None:
    """Raise what the provider's refusal means for the client, in the words of the provider's protocol."""
    if reply.status != 200:
        body = await read(reply, lane, MAX_ERROR_BYTES, request_id)
        problem = errors.read(reply.status, body, retry_after(reply))
        # Some say with a 400 that it is our key or account that they refuse (U-24).
        raise AttemptFailed(problem, of_status(problem.cause or reply.status))


async def require_stream(reply: Reply, lane: ServedLane, upstream: Dialect, request_id: str) -> None:
    """Refuse an answer that is no event stream: an HTTP error, an error in a 200, an HTML page (U-15, U-16)."""
    try:
        await require_success(reply, lane, upstream.errors, request_id)
        kind = reply.headers.get("content-type", "text/event-stream")
        if "event-stream" in kind:
            return
        require_json(reply)
        body = await read(reply, lane, MAX_BODY_BYTES, request_id)
        upstream.identity_reply.relabel(body, Raw(b"null"))
        raise refuse(Kind.UPSTREAM, "The provider answered a stream with a single object.")
    except BaseException:
        reply.close(reusable=False)
        raise


def require_json(reply: Reply) -> None:
    """Refuse an answer that says it is something else, such as a proxy's HTML page (U-15)."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not JSON.")
