"""One try against one lane: send, wait for headers, turn every way of failing into a `Problem` (U-01 … U-29)."""

import logging

from nexusflow.flow.served import ServedLane
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.upstream.transport import Fault, Outgoing, Reply, UpstreamFault

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


async def send(lane: ServedLane, body: bytes, *, stream: bool, request_id: str) -> Reply:
    """The provider's answer once its headers are here.

    A connection that the provider closed while it was idle is replaced once (class K, U-27): chat has no side effect.
    Raises `RequestRefused`.
    """
    call = Outgoing(lane.stream_target if stream else lane.target, body, lane.connect)
    try:
        try:
            return await lane.transport.send(call)
        except UpstreamFault as fault:
            if fault.fault is not Fault.STALE:
                raise
            return await lane.transport.send(call)
    except UpstreamFault as fault:
        raise RequestRefused(explain(fault, lane, request_id)) from fault


async def read(reply: Reply, lane: ServedLane, limit: int, request_id: str) -> bytes:
    """The whole body of an answer. Raises `RequestRefused`."""
    try:
        return await reply.read(limit)
    except UpstreamFault as fault:
        raise RequestRefused(explain(fault, lane, request_id)) from fault


def explain(fault: UpstreamFault, lane: ServedLane, request_id: str) -> Problem:
    """A fault below HTTP as told to the client; its detail goes to the log only."""
    _log.warning("provider %s, request %s: %s", lane.provider.id, request_id, fault)
    if fault.fault is Fault.CONNECT_TIMEOUT:
        return Problem(kind=Kind.TIMEOUT, message="The provider did not accept the connection in time.")
    return Problem(kind=Kind.UPSTREAM, message=_MESSAGES[fault.fault])


def retry_after(reply: Reply) -> int | None:
    """Whole seconds of a Retry-After header. A date, a negative number or garbage is None: never slept on (U-21)."""
    value = reply.headers.get("retry-after", "").strip()
    return int(value) if value.isdigit() and len(value) < 9 else None


def require_json(reply: Reply) -> None:
    """Refuse an answer that says it is something else, such as a proxy's HTML page (U-15)."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise refuse(Kind.UPSTREAM, "The provider's answer is not JSON.")
