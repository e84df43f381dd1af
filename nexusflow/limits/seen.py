"""The levels of buckets as the store last told them, for when it is away."""

import time
from collections.abc import Callable, Iterable

from nexusflow.limits.rule import Limit, LimitState

MOST = 20_000


class Seen:
    """By key of a limit: when its bucket is full again, by this process's clock. Slots are not kept."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` counts nanoseconds and never goes back."""
        self._clock = clock
        self._full_ms: dict[str, int] = {}

    def note(self, states: Iterable[LimitState]) -> None:
        """What an answer of the store said."""
        now = self._clock() // 1_000_000
        for state in states:
            if not state.limit.slots:
                self._full_ms[state.limit.key] = now + state.reset_ms
        if len(self._full_ms) > MOST:
            self._full_ms = {key: full for key, full in self._full_ms.items() if full > now}
        while len(self._full_ms) > MOST:
            del self._full_ms[next(iter(self._full_ms))]

    def level_us(self, limit: Limit) -> int:
        """How long the bucket of `limit` still needs to be full; 0 for one never heard of."""
        full = self._full_ms.get(limit.key, 0)
        return max(full * 1000 - self._clock() // 1000, 0)
