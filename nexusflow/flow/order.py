"""What one call asks for, once it is parsed and routed: all that decides whether it may go, and on whose account."""

from collections.abc import Sequence

from msgspec import Struct

from nexusflow.flow.served import ServedLane
from nexusflow.ir.plan import Model
from nexusflow.keys.model import Key
from nexusflow.protocols.common.demand import Demand


class Order(Struct, frozen=True):
    """One call that wants to be served."""

    key: Key
    address: str | None
    model: Model
    lanes: Sequence[ServedLane]
    """Those that may serve it, the first one first; also those of models that stand in for this one."""
    asked: str
    """Id of the model that the caller named, for which `model` stands in where that has no lane at all."""
    protocol: str
    endpoint: str
    body: bytes
    demand: Demand
    stream: bool
    name: str | None = None
    """Its `Idempotency-Key`."""
