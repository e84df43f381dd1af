"""What is noted of a call while it lasts, so that its spans can be made once it is over (OBS-22).

Few calls are traced in the end, and which ones is known only then. So a call notes times and nothing else.
"""

import random
import time
from typing import Protocol

from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Problem
from nexusflow.ir.plan import Provider, Slo
from nexusflow.ledger.records import Closed
from nexusflow.wire import traceparent
from nexusflow.wire.traceparent import Parent

_bits = random.getrandbits
_monotonic = time.monotonic


class Lane(Protocol):
    """Which way an attempt goes."""

    @property
    def provider(self) -> Provider: ...
    @property
    def destination(self) -> Destination: ...
    @property
    def base(self) -> str: ...


class Attempt(Struct):
    """One call of a provider. `ended` 0: it was cut off by the end of the whole call. Not `sent`: its lane was full, or
    could not carry the request.
    """

    lane: Lane
    began: float
    ended: float = 0.0
    problem: Problem | None = None
    sent: bool = True


class Refused(Struct, frozen=True):
    """How a request ended that came to no call."""

    status: int
    error: str


class Trace(Struct):
    """One call. Times are monotonic seconds, 0 for what has not happened; `at_ns` is the one of `began` since 1970.

    `span` is the id of the server span; those of the others count on from it. `parent` is the caller's.
    """

    id: int
    span: int
    request: str
    parent: Parent | None
    sampled: bool
    began: float
    at_ns: int
    admitted: float = 0.0
    held: float = 0.0
    settling: float = 0.0
    settled: float = 0.0
    ended: float = 0.0
    attempts: list[Attempt] = []
    endpoint: str = ""
    slo: Slo | None = None
    record: Closed | None = None
    refused: Refused | None = None
    method: str = ""
    path: str = ""
    protocol: str = ""

    @property
    def name(self) -> str:
        """The trace id as others write it."""
        return f"{self.id:032x}"

    def admit(self, endpoint: str, slo: Slo | None) -> None:
        """The call may go; its money is asked for."""
        self.endpoint = endpoint
        self.slo = slo
        self.admitted = _monotonic()

    def attempt(self, lane: Lane) -> None:
        """An attempt begins."""
        self.attempts.append(Attempt(lane, _monotonic()))

    def attempted(self, problem: Problem | None, sent: bool) -> None:
        """It is over."""
        last = self.attempts[-1]
        last.ended = _monotonic()
        last.problem = problem
        last.sent = sent

    def onward(self) -> bytes:
        """Header lines for the provider that is called now."""
        state = self.parent.state if self.parent is not None else b""
        return traceparent.lines(self.id, self.span_of(len(self.attempts)), self.sampled, state)

    def span_of(self, number: int) -> int:
        """The id of attempt `number`, counted from 1; 0 is the server span."""
        return self.span + number


def begin(request: str, parent: Parent | None, sampled: bool) -> Trace:
    """The call `request` begins."""
    # The ids must only differ: random ones that nobody can guess would cost a system call.
    trace = parent.trace if parent is not None else _bits(128) or 1
    return Trace(trace, _bits(63) + 1, request, parent, sampled, _monotonic(), time.time_ns())
