"""A compiled gateway in memory: the plan and the decoders of its request structs."""

from dataclasses import dataclass
from typing import Any

import msgspec

from nexusflow.ir.plan import Plan


@dataclass(frozen=True, slots=True)
class Artifact:
    """What generated modules hand to the endpoints. `decoders[i]` belongs to `plan.shapes[i]`."""

    plan: Plan
    decoders: tuple[msgspec.json.Decoder[Any], ...]
