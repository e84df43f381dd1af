"""Serving one call by the lanes of its model, and what its answer says of the way it took."""

from collections.abc import Awaitable, Callable, Sequence

from nexusflow.endpoints.surface import Call
from nexusflow.flow import failover
from nexusflow.flow.bill import Bill
from nexusflow.flow.client import Header
from nexusflow.flow.health import Fleet
from nexusflow.flow.served import ServedLane

SIMULATED: Header = (b"x-nexusflow-simulated", b"true")


def serve_by_lanes(
    call: Call,
    bill: Bill,
    fleet: Fleet,
    lanes: Sequence[ServedLane],
    attempt: Callable[[ServedLane], Awaitable[None]],
    *,
    streams: bool = False,
) -> Awaitable[None]:
    """Answer by the first of `lanes` that can (see `failover.serve`), within the longest time that one of them has.

    Each attempt begins with the headers there were before.
    """
    client = call.client
    call.exchange.limit_total(max([lane.stream_total if streams else lane.total for lane in lanes]))
    headers = tuple(client.headers)

    def turn(lane: ServedLane, number: int) -> None:
        if number > 1:
            bill.turn_to(lane)
        client.headers[:] = (*headers, *told(lane, number))

    # No coroutine of its own: each level of them is paid again at every wake-up.
    return failover.serve(call.exchange, client, lanes, fleet, attempt, turn, bill.lose)


def told(lane: ServedLane, number: int) -> list[Header]:
    """Who answers, and at which attempt."""
    headers = [(b"x-nexusflow-provider", lane.provider.id.encode()), (b"x-nexusflow-attempts", b"%d" % number)]
    return [*headers, SIMULATED] if lane.provider.simulated else headers
