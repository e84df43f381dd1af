"""How much a worker has to do, and whose calls it refuses when that is too much (R-03, R-31)."""

import asyncio
import os
import random
from collections import Counter, deque
from collections.abc import Sized
from pathlib import Path

from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.plan import Overload, Thresholds

CHECK_SECONDS, CHECKS = 0.25, 4
NOTHING, SHEDDABLE, DEFAULT, ALL = range(4)
"""Levels: the calls of which keys are refused."""
_FIRST = {"sheddable": SHEDDABLE, "default": DEFAULT, "critical": ALL}
_STATM = Path("/proc/self/statm")
_MEGABYTE = 1_048_576


class Load:
    """The load of one worker, whose requests are `under_way`. `level` is 0 nearly always, and all a request looks at.

    `shed` counts the calls refused, by the priority of the key and by the measure that was too high.
    """

    def __init__(self, bounds: Overload, under_way: Sized) -> None:
        self.level = NOTHING
        self.reason = ""
        self.shed: Counter[tuple[str, str]] = Counter()
        self._bounds = bounds
        self._under_way = under_way
        self._lags = deque([0.0] * CHECKS, CHECKS)

    def admit(self, priority: str) -> None:
        """Raises `RequestRefused` (E-BUSY) where the call of a key of this priority has no room now."""
        if self.level >= _FIRST[priority]:
            self.shed[priority, self.reason] += 1
            raise RequestRefused(_busy())

    async def watch(self) -> None:
        """Keep `level` up to date, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + CHECK_SECONDS
            await asyncio.sleep(CHECK_SECONDS)
            self.weigh(max(loop.time() - due, 0.0) * 1000)

    def weigh(self, lag_ms: float) -> None:
        """Set `level` by the measure that is the worst. `lag_ms` is how late the event loop is.

        One late tick is no overload: what counts is by how much all of the last second's were late at least.
        """
        bounds = self._bounds
        self._lags.append(lag_ms)
        measures = {
            "loop_lag": level_of(min(self._lags), bounds.loop_lag_ms),
            "requests": level_of(len(self._under_way), bounds.requests),
        }
        if bounds.memory_mb is not None:
            measures["memory"] = level_of(_resident() / _MEGABYTE, bounds.memory_mb)
        self.reason = max(measures, key=lambda name: measures[name])
        self.level = measures[self.reason]


def level_of(amount: float, bounds: Thresholds) -> int:
    """Which calls are refused at this amount of a measure."""
    if amount < bounds.soft:
        return NOTHING
    if amount >= bounds.hard:
        return ALL
    return SHEDDABLE if amount < (bounds.soft + bounds.hard) / 2 else DEFAULT


def _resident() -> int:
    """Bytes of memory that this process holds; 0 on systems that do not tell it in this place."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _busy() -> Problem:
    """The wait is drawn by lot, so that those refused do not all come back at once."""
    wait = random.randint(1, 10)  # noqa: S311  # no secret
    return Problem(kind=Kind.BUSY, message="The gateway has too much to do. Try again.", retry_after=wait, close=True)
