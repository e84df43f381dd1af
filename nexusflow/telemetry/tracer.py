"""Which calls are traced: a share of all, and all that failed or were slower than their model should be (OBS-23)."""

import random
from collections.abc import Callable, Iterable

from nexusflow.ir.plan import Slo, Traces
from nexusflow.ledger.records import CallLine
from nexusflow.telemetry import trace
from nexusflow.telemetry.sender import Sender
from nexusflow.telemetry.trace import Trace
from nexusflow.wire import traceparent

_MILLION = 1_000_000
_SERVER_ERROR = 500
_random = random.Random().random  # noqa: S311  # a sample, not a secret


class Tracer:
    """One per worker, where traces are wanted. To be used by the event loop alone."""

    def __init__(self, policy: Traces, sender: Sender, dice: Callable[[], float] = _random) -> None:
        self.sender = sender
        self.open: dict[str, Trace] = {}
        """Calls under way, by request id."""
        self._share = policy.sample_ppm / _MILLION
        self._trust = policy.trust_parent
        self._dice = dice

    def begin(self, request: str, headers: Iterable[tuple[bytes, bytes]]) -> Trace:
        """A request arrives. What a stranger decided of it is not heeded (OBS-21)."""
        parent = traceparent.read(headers)
        sampled = parent.sampled if parent is not None and self._trust else self._dice() < self._share
        found = self.open[request] = trace.begin(request, parent, sampled)
        return found

    def end(self, found: Trace) -> bool:
        """It is over. Returns whether its trace is sent."""
        self.open.pop(found.request, None)
        if not (found.sampled or _failed(found) or _slow(found)):
            return False
        return self.sender.put(found)


def _failed(found: Trace) -> bool:
    """Whether we, or all providers, are to blame; not for what the caller did wrong, nor where it left."""
    if found.refused is not None:
        return found.refused.status >= _SERVER_ERROR
    line = found.record.call if found.record is not None else None
    return line is not None and (line.status >= _SERVER_ERROR or line.outcome == "broken")


def _slow(found: Trace) -> bool:
    line = found.record.call if found.record is not None else None
    return found.slo is not None and line is not None and line.outcome == "done" and misses(found.slo, line)


def misses(slo: Slo, line: CallLine) -> bool:
    """Whether a call was slower than `slo`. One that is not streamed can only be held against both numbers at once."""
    first, each = slo.ttft_ms, slo.per_token_ms
    if line.first_ms is None:
        return not line.stream and first is not None and each is not None and line.total_ms > first + each * line.output
    late = first is not None and line.first_ms > first
    return late or (each is not None and line.total_ms - line.first_ms > each * max(line.output - 1, 0))
