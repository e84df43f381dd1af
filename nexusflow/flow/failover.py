"""One call, several lanes: the only place where anything is tried again (R-06, R-20 … R-26)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from nexusflow.flow.client import ClientStream
from nexusflow.flow.exchange import Exchange, Phase
from nexusflow.flow.failure import Failure, of_refusal
from nexusflow.flow.health import Fleet
from nexusflow.flow.served import ServedLane
from nexusflow.flow.stream import expired
from nexusflow.ir.errors import RequestRefused

MOST_ATTEMPTS = 3
"""Over all deployments (R-07)."""
_PROVIDERS = (Phase.FIRST_BYTE, Phase.IDLE)


async def serve(
    exchange: Exchange,
    client: ClientStream,
    lanes: Sequence[ServedLane],
    fleet: Fleet,
    attempt: Callable[[ServedLane], Awaitable[None]],
    turn: Callable[[ServedLane, int], None],
    lost: Callable[[Failure], None],
) -> None:
    """Call `attempt` for one lane after the other until one answers, and `turn` before each; numbers count from 1.

    `lost` is told of an attempt before the next one begins. Nothing is tried again once the client has a byte of an
    answer (R-22), when the fault is the caller's, or when the call's whole time is over (R-26). Raises
    `RequestRefused` as the last attempt did.
    """
    last = min(len(lanes), MOST_ATTEMPTS)
    for number, lane in enumerate(lanes[:last], 1):
        try:
            turn(lane, number)
            await attempt(lane)
        except asyncio.CancelledError:
            if client.committed or exchange.gone or exchange.expired not in _PROVIDERS:
                raise
            await exchange.absorb_cancel()
            refused = RequestRefused(expired(exchange.expired))
            exchange.expired = None
        except RequestRefused as problem:
            refused = problem
        else:
            fleet.succeeded(lane)
            return
        failure = of_refusal(refused)
        fleet.failed(lane, failure, refused.problem.retry_after)
        if number == last or failure is Failure.CALLER or client.committed or exchange.gone or exchange.overdue:
            raise refused
        lost(failure)
