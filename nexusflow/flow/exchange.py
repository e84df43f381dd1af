"""One client call in flight: who it is, which phase it is in, and when that phase must be over.

Deadlines are two attribute stores per phase; one `Watchdog` per worker looks at all of them a few times a second. A
timer per read and write would cost more than the rest of the gateway on a fast stream.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from enum import Enum

from nexusflow.ir.usage import Usage
from nexusflow.telemetry.trace import Trace
from nexusflow.wire.ids import request_id

TICK_SECONDS = 0.1
PROGRESS_SECONDS = 2.0
"""How often a long stream's usage so far goes on record (engines C.4)."""
OUTLIVE_SECONDS = 30.0
"""How long a call may run on without its client (B-03)."""
QUIET_SECONDS = 15.0
"""A client that has waited this long is sent a comment (R-21), well under common proxies' idle limits."""


class Phase(Enum):
    """What a call waits for; also the reason when it waited too long."""

    BODY = "the client's body"
    FIRST_BYTE = "the provider's first byte"
    IDLE = "the provider's next byte"
    WRITE = "the client to read"
    DRAIN = "the server to stop"


class Exchange:
    """The mutable state of one call. Owned by the task that serves it.

    `used` tells what the attempt consumed as far as it went; it is read from the provider's words only when asked.
    `on_dispatch` is called before the first byte goes to a provider, `hear` with each piece of its stream, `progress`
    every two seconds while it lasts; `heard_at` is when a provider's answer last began; `outlive` says whether the call
    goes on when the client leaves. These belong to whoever keeps the books. `waited` counts the seconds in which a
    whole answer of a provider was waited for, `sent` tells whether the attempt under way has left this machine. `trace`
    notes times, where calls are traced.
    """

    __slots__ = (
        "answered",
        "deadline",
        "expired",
        "gone",
        "hear",
        "heard_at",
        "keep_alive",
        "on_dispatch",
        "outlive",
        "phase",
        "progress",
        "progress_at",
        "quiet_at",
        "request_id",
        "sent",
        "task",
        "total",
        "trace",
        "used",
        "waited",
    )

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.request_id = request_id()
        self.task = task
        self.phase = Phase.BODY
        self.deadline = self.total = self.quiet_at = float("inf")
        self.expired: Phase | None = None
        self.gone = False
        self.heard_at = self.waited = 0.0
        self.answered = False
        self.trace: Trace | None = None
        self.keep_alive: Callable[[], Awaitable[None]] | None = None
        self.used: Callable[[], Usage | None] = nothing_used
        self.on_dispatch: Callable[[], object] = nothing_used
        self.sent = False
        self.hear: Callable[[bytes], None] = _ignore
        self.progress: Callable[[], None] | None = None
        self.progress_at = float("inf")
        self.outlive: Callable[[], bool] = _no

    def enter(self, phase: Phase, seconds: float) -> None:
        """Begin to wait for `phase`, at most `seconds` and never beyond the call's total."""
        self.phase = phase
        self.deadline = min(time.monotonic() + seconds, self.total)

    def dispatch(self) -> None:
        """The provider is about to get the call: what was done till now cost nothing."""
        self.sent = True
        self.on_dispatch()

    def read_on(self, idle_seconds: float, quiet_seconds: float) -> None:
        """The client has what there was: wait for the provider's next byte, and count the quiet from now."""
        now = time.monotonic()
        self.phase = Phase.IDLE
        self.deadline = min(now + idle_seconds, self.total)
        self.quiet_at = now + quiet_seconds

    def promise(self, keep_alive: Callable[[], Awaitable[None]]) -> None:
        """Send the client a sign of life when it has waited for long, all attempts together (R-21)."""
        self.keep_alive = keep_alive
        if self.quiet_at == float("inf"):
            self.quiet_at = time.monotonic() + QUIET_SECONDS

    def answer(self) -> None:
        """The whole answer is on its way: nothing is waited for any more."""
        self.answered = True
        self.deadline = float("inf")
        self.keep_alive = None

    def limit_total(self, seconds: float) -> None:
        """Bound the whole rest of the call, all attempts together (R-26). A bound that ends sooner stays."""
        self.total = min(self.total, time.monotonic() + seconds)

    @property
    def overdue(self) -> bool:
        """Whether the whole time of the call is over."""
        return time.monotonic() >= self.total

    def expire(self) -> None:
        """End the current wait: too long."""
        self.expired = self.phase
        self.deadline = float("inf")
        self.task.cancel()

    def drain(self) -> None:
        """End the call because the process stops (R-33)."""
        self.phase = Phase.DRAIN
        self.expire()

    def leave(self) -> None:
        """The client left: end the current wait, or let the call run on for a while where its usage is wanted (B-03).

        Once the client has its whole answer, that is no news.
        """
        if self.answered or self.gone:
            return
        self.gone = True
        if self.outlive():
            self.keep_alive = None
            self.limit_total(OUTLIVE_SECONDS)
            self.deadline = min(self.deadline, self.total)
            return
        self.deadline = float("inf")
        self.task.cancel()

    def part(self) -> None:
        """The call is over: let go of what refers back to it, so that all of it is freed now, without the collector."""
        self.on_dispatch = self.used = nothing_used
        self.hear = _ignore
        self.outlive = _no
        self.keep_alive = self.progress = None

    async def absorb_cancel(self) -> None:
        """Take back the cancellation that `expire` or `leave` asked for, whether or not it was delivered yet."""
        self.deadline = float("inf")
        while self.task.cancelling():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            self.task.uncancel()


def nothing_used() -> Usage | None:
    """What is known of a call of which nothing was heard."""
    return None


def _ignore(piece: bytes) -> None:
    pass


def _no() -> bool:
    return False


class Watchdog:
    """Ends waits that last too long and keeps quiet streams alive. One per worker."""

    def __init__(self) -> None:
        self.exchanges: set[Exchange] = set()
        self._writes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """Look at every call once. `now` is monotonic seconds."""
        for exchange in list(self.exchanges):
            if exchange.deadline <= now:
                exchange.expire()
            elif exchange.quiet_at <= now and exchange.keep_alive is not None:
                exchange.quiet_at = now + QUIET_SECONDS
                write = asyncio.ensure_future(exchange.keep_alive())
                self._writes.add(write)
                write.add_done_callback(self._writes.discard)
            if exchange.progress_at <= now and exchange.progress is not None:
                exchange.progress_at = now + PROGRESS_SECONDS
                exchange.progress()
