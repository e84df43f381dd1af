"""The way of one request, as `nexusflow route explain` tells it: values to print. Amounts are decimals."""

from typing import Any, Literal

from msgspec import Struct

from nexusflow.ir.loss import Loss
from nexusflow.ir.plan import Strategy

Fit = Literal["as it is", "translated"]


class Refusal(Struct, frozen=True):
    """What the gateway would answer instead: `answer` is its body."""

    status: int
    code: str
    param: str | None
    message: str
    answer: Any


class PerMillion(Struct, frozen=True):
    """What a million tokens cost the caller now, markup included, in the ledger's currency."""

    input: str
    output: str


class Waits(Struct, frozen=True):
    """The longest that each phase may take, in seconds: the connection, the first event, a gap, the whole call."""

    connect: float
    first_event: float
    gap: float
    total: float


class Tried(Struct, frozen=True, kw_only=True):
    """One lane that the request may take, the first of a list first.

    `among` is how many lanes the strategy chooses from for this place and the ones beside it. `losses` is None where
    they cannot be told offline; `refusal` is what the caller gets where the request cannot be put to this provider.
    """

    model: str
    provider: str
    upstream_model: str
    protocol: str
    sent: Fit
    losses: list[Loss] | None
    refusal: Refusal | None
    priority: int
    weight: int
    among: int
    region: str | None
    price: PerMillion | None
    worst_case: str
    timeouts: Waits
    limits: list[dict[str, Any]]


class LeftOut(Struct, frozen=True):
    """A lane that this request does not take, and why."""

    model: str
    provider: str
    upstream_model: str
    priority: int
    weight: int
    region: str | None
    why: str


class StandIn(Struct, frozen=True):
    """A model that answers where all lanes before it fail, or why it cannot."""

    model: str
    why_not: str | None


class Explained(Struct, frozen=True, kw_only=True):
    """The way of one request for `asked`, which `model` stands in for where that has no lane at all.

    `strategy`, `limits` and the tokens are those of `model`; `worst_case` is what is held of the caller's money.
    """

    asked: str
    model: str
    protocol: str
    stream: bool
    strategy: Strategy
    key: str | None
    lanes: list[Tried]
    left_out: list[LeftOut]
    fallbacks: list[StandIn]
    limits: list[dict[str, Any]]
    input_tokens: int
    output_tokens: int
    worst_case: str
    currency: str


class Refused(Exception):
    """The gateway would not take the request; `told` is its answer."""

    def __init__(self, told: Refusal) -> None:
        super().__init__(told.message)
        self.told = told
