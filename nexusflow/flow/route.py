"""The lanes of a model in the order to try them (contract 2.11)."""

import time
from collections.abc import Sequence

from nexusflow.flow.fit import Fits, name_of
from nexusflow.flow.health import Fleet
from nexusflow.flow.preference import Preference
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.flow.strategy import Asker
from nexusflow.ir.errors import Kind, Problem, RequestRefused


def choose(
    served: ServedModel,
    fleet: Fleet,
    key: str,
    body_bytes: int,
    wish: Preference | None = None,
    fits: Fits | None = None,
) -> Sequence[ServedLane]:
    """The lanes of an available model for a call of `key`, the best first. Raises `RequestRefused` (503) for others.

    Those that are not in `fits` are left out as long as another one is there.
    """
    if not served.lanes:
        raise RequestRefused(
            Problem(
                kind=Kind.UNAVAILABLE,
                message=f"the model `{served.model.id}` is not available: {served.reason}",
                param="model",
                should_retry=False,
            )
        )
    lanes: Sequence[ServedLane] = served.lanes
    if len(lanes) == 1 and wish is None:
        return lanes
    asker = Asker(key, body_bytes, time.time_ns() // 1_000_000, fits)
    if wish is not None:
        lanes = wish.allowed(lanes, asker.now_ms)
    if fits is not None:
        lanes = [lane for lane in lanes if name_of(lane) in fits] or lanes
    if wish is None:
        return fleet.order(lanes, served.model.strategy, asker)
    return wish.arranged(fleet.order(lanes, wish.strategy or served.model.strategy, asker))
