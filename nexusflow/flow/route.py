"""Choosing a lane: the lowest priority number that is available, and by weight inside it (contract 2.11)."""

import random

from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.ir.errors import Kind, Problem, RequestRefused

_choices = random.Random().choices  # noqa: S311  # spreading load, not keeping a secret


def choose(served: ServedModel) -> ServedLane:
    """One lane of an available model. Raises `RequestRefused` (503) when it has none."""
    lanes = served.lanes
    if len(lanes) == 1:
        return lanes[0]
    if not lanes:
        raise RequestRefused(
            Problem(
                kind=Kind.UNAVAILABLE,
                message=f"the model `{served.model.id}` is not available: {served.reason}",
                param="model",
                should_retry=False,
            )
        )
    first = [lane for lane in lanes if lane.priority == lanes[0].priority]
    return first[0] if len(first) == 1 else _choices(first, weights=[lane.weight for lane in first])[0]
