"""Serving one call by the lanes of its model, or of one that stands in for it, and what its answer says of its way."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nexusflow.endpoints.surface import Call
from nexusflow.flow import failover
from nexusflow.flow.bill import Bill
from nexusflow.flow.client import Header
from nexusflow.flow.failover import Way
from nexusflow.flow.gate import Gate
from nexusflow.flow.health import Fleet
from nexusflow.flow.order import Order

SIMULATED: Header = (b"x-nexusflow-simulated", b"true")

Attempt = Callable[[Way], Awaitable[None]]


def serve_by_lanes(
    call: Call, bill: Bill, order: Order, fleet: Fleet, gate: Gate, ways: Sequence[Way], attempt: Attempt
) -> Awaitable[None]:
    """Answer by the first of `ways` that can (see `failover.serve`), within the longest time that one of them has.

    Each attempt begins with the headers there were before.
    """
    client, streams = call.client, order.stream
    call.exchange.limit_total(max([way.lane.stream_total if streams else way.lane.total for way in ways]))
    headers = tuple(client.headers)

    def turn(way: Way, number: int) -> None:
        if number > 1:
            bill.turn_to(way.lane, way.served.model)
        client.headers[:] = (*headers, *told(way, number, order))

    if any(way.lane.limits or way.served.model is not order.model for way in ways):
        attempt = partial(_limited, call, bill, order, gate, attempt)
    # No coroutine of its own: each level of them is paid again at every wake-up.
    return failover.serve(call.exchange, client, ways, fleet, attempt, turn, bill.lose)


async def _limited(call: Call, bill: Bill, order: Order, gate: Gate, attempt: Attempt, way: Way) -> None:
    """One attempt within what all callers may send that way, and the caller to a model that stands in for another.

    A `LaneFull` sends the call to the next way.
    """
    attempt_id = f"{call.exchange.request_id}/{bill.attempts}"
    taken = await gate.enter_way(way.lane, way.served.model, order, bill.size, attempt_id)
    try:
        await attempt(way)
    finally:
        if taken is not None:
            used = call.exchange.used()
            taken.end(used.total if used is not None else None if not bill.opened else 0)


def told(way: Way, number: int, order: Order) -> list[Header]:
    """Who answers, at which attempt, and in whose place (R-24)."""
    model = way.served.model
    headers = [
        (b"x-nexusflow-provider", way.lane.provider.id.encode()),
        (b"x-nexusflow-attempts", b"%d" % number),
        (b"x-nexusflow-model", model.id.encode()),
    ]
    if model.id != order.asked:
        headers.append((b"x-nexusflow-fallback", order.asked.encode()))
    return [*headers, SIMULATED] if way.lane.provider.simulated else headers
