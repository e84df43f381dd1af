"""Which of the lanes of one priority comes first (contract 2.11, R-05). What is ill is left out before; see `Fleet`."""

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from nexusflow.flow.fit import Fits, name_of
from nexusflow.flow.served import ServedLane
from nexusflow.ir.plan import Strategy
from nexusflow.pricing import bound

CHARACTERS_PER_TOKEN = 4
ANSWER_SHARE = 4
"""For comparing prices an answer is taken for a quarter of its request, and for no less than FEWEST_OUT."""
FEWEST_OUT = 200
_random = random.Random().random  # noqa: S311  # spreading load, not keeping a secret

T = TypeVar("T")


class Asker(NamedTuple):
    """What a choice may depend on: the key that calls, how large its request is, the time, and where the model wants
    it, how well each lane carries the request."""

    key: str
    body_bytes: int
    now_ms: int
    fits: Fits | None = None

    def place(self, lane: ServedLane) -> tuple[int, int]:
        """What puts `lane` before or behind others that are as healthy; those of one place are for a strategy."""
        return (0 if self.fits is None else self.fits.get(name_of(lane), 0), lane.priority)


Score = Callable[[ServedLane], float]
"""How much longer than others a lane is expected to let a call wait."""


def arranged(
    strategy: Strategy, lanes: Sequence[ServedLane], asker: Asker, waits: Score, dice: Callable[[], float] = _random
) -> Sequence[ServedLane]:
    """`lanes`, all of one priority, in the order to try them."""
    if len(lanes) == 1:
        return lanes
    if strategy == "sticky":
        return sorted(lanes, key=lambda lane: _affinity(asker.key, lane), reverse=True)
    by_weight = sorted(lanes, key=lambda lane: dice() ** (1 / lane.weight) if lane.weight else 0.0, reverse=True)
    if strategy == "weighted":
        return by_weight
    if strategy == "latency":
        return sorted(by_weight, key=waits)
    if strategy == "cost":
        return sorted(by_weight, key=lambda lane: costs(lane, asker))
    # Power of two choices: two by chance, of these the one that lets wait less. The best of all would be everybody's.
    first, second, *rest = by_weight
    return [second, first, *rest] if waits(second) < waits(first) else by_weight


def costs(lane: ServedLane, asker: Asker) -> int:
    """What the call would cost by this lane, about, in nano-units; 0 for a free one."""
    if lane.price is None:
        return 0
    tokens = asker.body_bytes // CHARACTERS_PER_TOKEN
    output = max(tokens // ANSWER_SHARE, FEWEST_OUT)
    return bound(lane.price, asker.now_ms, input_tokens=tokens, output_tokens=output)


def _affinity(key: str, lane: ServedLane) -> bytes:
    """Rendezvous hashing: all calls of a key agree on an order, and a lane that goes takes only its own calls along.

    Providers cache prompts for the account that sends them, so what stays together stays warm.
    """
    return hashlib.blake2b(f"{key}\0{lane.provider.id}\0{lane.destination.model}".encode(), digest_size=8).digest()
