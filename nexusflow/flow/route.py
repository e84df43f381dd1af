"""The lanes of a model in the order to try them (contract 2.11)."""

from collections.abc import Sequence

from nexusflow.flow.health import Fleet
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.ir.errors import Kind, Problem, RequestRefused


def choose(served: ServedModel, fleet: Fleet) -> Sequence[ServedLane]:
    """The lanes of an available model, the best first. Raises `RequestRefused` (503) when it has none."""
    if not served.lanes:
        raise RequestRefused(
            Problem(
                kind=Kind.UNAVAILABLE,
                message=f"the model `{served.model.id}` is not available: {served.reason}",
                param="model",
                should_retry=False,
            )
        )
    return fleet.order(served.lanes)
