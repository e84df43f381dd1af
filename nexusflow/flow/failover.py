"""One call, several ways: the only place where anything is tried again (R-06, R-20 … R-26)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nexusflow.flow.client import ClientStream
from nexusflow.flow.exchange import Exchange, Phase
from nexusflow.flow.failure import Failure, of_refusal
from nexusflow.flow.health import Fleet
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.flow.stream import expired
from nexusflow.ir.errors import RequestRefused

MOST_ATTEMPTS = 3
"""Over all deployments of a model (R-07)."""
_PROVIDERS = (Phase.FIRST_BYTE, Phase.IDLE)


class Way(NamedTuple):
    """A lane and the model that is served by it: the one that was asked for, or one that stands in for it (R-24)."""

    lane: ServedLane
    served: ServedModel


def ways(served: ServedModel, lanes: Sequence[ServedLane]) -> list[Way]:
    """The ways of one model: no more of `lanes` than are tried."""
    return [Way(lane, served) for lane in lanes[:MOST_ATTEMPTS]]


async def serve(
    exchange: Exchange,
    client: ClientStream,
    ways: Sequence[Way],
    fleet: Fleet,
    attempt: Callable[[Way], Awaitable[None]],
    turn: Callable[[Way, int], None],
    lost: Callable[[Failure, bool], None],
) -> None:
    """Call `attempt` for one way after the other until one answers, and `turn` before each; numbers count from 1.

    `lost` is told of an attempt before the next one begins, and of a last one that nobody knows the end of (class U).
    Nothing is tried again once the client has content (R-22; a sign of life is none, R-21), when the fault is the
    caller's, when the call's whole time is over (R-26), or when too much was tried again lately (R-01). A way that was
    not tried, because its lane is full or cannot carry the request, is no fault of a provider's and takes no budget.
    Raises `RequestRefused` as the last attempt did.
    """
    retried = False
    budget = fleet.budget(ways[0].served.model.id, choice=len(ways) > 1)
    trace = exchange.trace
    for number, way in enumerate(ways, 1):
        turn(way, number)
        exchange.sent = False
        if trace is not None:
            trace.attempt(way.lane)
        refused = await _try(exchange, client, way, fleet, attempt)
        if trace is not None:
            trace.attempted(refused.problem if refused is not None else None, exchange.sent)
        if refused is None:
            if retried:
                budget.give_back()
            return
        failure = of_refusal(refused)
        retried = exchange.sent
        if retried:
            fleet.failed(way.lane, failure, refused.problem.retry_after)
        futile = retried and failure is Failure.CALLER
        final = number == len(ways) or futile or client.said or exchange.gone or exchange.overdue
        if final or (retried and not budget.take()):
            if failure is Failure.UNCERTAIN and not (client.said or exchange.gone):
                lost(failure, True)
            raise refused
        lost(failure, False)
        fleet.turned(way.served.model.id, failure)


async def _try(
    exchange: Exchange, client: ClientStream, way: Way, fleet: Fleet, attempt: Callable[[Way], Awaitable[None]]
) -> RequestRefused | None:
    """One attempt; None where it answered."""
    lane = way.lane
    # Only where there is a choice does it matter how a lane does.
    began = fleet.began(lane) if len(way.served.lanes) > 1 else None
    try:
        await attempt(way)
    except asyncio.CancelledError:
        if client.said or exchange.gone or exchange.expired not in _PROVIDERS:
            fleet.left(lane)
            raise
        await exchange.absorb_cancel()
        refused = RequestRefused(expired(exchange.expired))
        exchange.expired = None
        return refused
    except RequestRefused as problem:
        return problem
    finally:
        if began is not None:
            fleet.ended(lane, began, exchange.heard_at)
    fleet.succeeded(lane)
    return None
