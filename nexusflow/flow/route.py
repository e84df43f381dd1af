"""The lanes of a model in the order to try them (contract 2.11)."""

import time
from collections.abc import Sequence

from nexusflow.flow.health import Fleet
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.flow.strategy import Asker
from nexusflow.ir.errors import Kind, Problem, RequestRefused


def choose(served: ServedModel, fleet: Fleet, key: str, body_bytes: int) -> Sequence[ServedLane]:
    """The lanes of an available model for a call of `key`, the best first. Raises `RequestRefused` (503) for others."""
    if not served.lanes:
        raise RequestRefused(
            Problem(
                kind=Kind.UNAVAILABLE,
                message=f"the model `{served.model.id}` is not available: {served.reason}",
                param="model",
                should_retry=False,
            )
        )
    if len(served.lanes) == 1:
        return served.lanes
    asker = Asker(key, body_bytes, time.time_ns() // 1_000_000)
    return fleet.order(served.lanes, served.model.strategy, asker)
