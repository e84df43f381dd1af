"""The spans of a call, made of what was noted while it lasted and of its record in the ledger (OBS-22).

The server span holds admission, hold, one span for each attempt, and settle. None of them has a word of the request or
of the answer.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from nexusflow.ir.errors import Problem
from nexusflow.ledger.records import CallLine, Closed
from nexusflow.telemetry import conventions as otel
from nexusflow.telemetry.conventions import Names
from nexusflow.telemetry.trace import Attempt, Trace

INTERNAL, SERVER, CLIENT = 1, 2, 3
Value = str | bool | int | float
_MOST_PATH = 256
_SERVER_ERROR = 500
_SECOND_NS = 1_000_000_000
_FEWEST = 2
# Attempts count on from the server span, so these are beyond them.
_ADMISSION, _HOLD, _SETTLE = 100, 101, 102


class Span(Struct, kw_only=True):
    """One span. Times are nanoseconds since 1970; `error` is told where it failed."""

    id: int
    parent: int | None
    remote: bool = False
    name: str
    kind: int = INTERNAL
    began: int
    ended: int
    attributes: dict[str, Value]
    error: str | None = None


def count(trace: Trace) -> int:
    """How many spans it makes."""
    return _FEWEST + bool(trace.admitted) + bool(trace.settling) + len(trace.attempts)


def spans(trace: Trace, names: Names) -> Iterator[Span]:
    """All of a call that is over, the server span first."""
    line = trace.record.call if trace.record is not None else None
    yield _server(trace, line)
    yield _part(trace, _ADMISSION, "admission", trace.began, trace.admitted)
    if trace.admitted:
        yield _part(trace, _HOLD, "hold", trace.admitted, trace.held)
    for number, attempt in enumerate(trace.attempts, 1):
        yield _attempt(trace, attempt, number, line, names)
    if trace.settling:
        yield _part(trace, _SETTLE, "settle", trace.settling, trace.settled, _money(trace.record))


def _server(trace: Trace, line: CallLine | None) -> Span:
    attributes: dict[str, Value] = {
        otel.METHOD: trace.method,
        otel.PATH: trace.path[:_MOST_PATH],
        otel.REQUEST: trace.request,
        otel.PROTOCOL: trace.protocol,
    }
    status, error = 0, None
    if trace.record is not None and line is not None:
        status, error = line.status, line.error
        attributes |= _who(trace.record) | {otel.MODEL: line.model, otel.OUTCOME: line.outcome}
        attributes[otel.ATTEMPTS] = line.attempts
    elif trace.refused is not None:
        status, error = trace.refused.status, trace.refused.error
    if status:
        attributes[otel.STATUS] = status
    if error is not None:
        attributes[otel.ERROR] = error
    broken = line is not None and line.outcome == "broken"
    return Span(
        id=trace.span,
        parent=trace.parent.span if trace.parent is not None else None,
        remote=trace.parent is not None,
        name=f"{trace.method} {trace.protocol}",
        kind=SERVER,
        began=trace.at_ns,
        ended=_at(trace, trace.ended),
        attributes=attributes,
        # To a server a caller's mistake is no error (OpenTelemetry's conventions for HTTP).
        error=(error or "error") if status >= _SERVER_ERROR or broken else None,
    )


def _who(record: Closed) -> dict[str, Value]:
    found: dict[str, Value] = {otel.ORG: record.org, otel.KEY: record.key}
    return found | {otel.TEAM: record.team} if record.team is not None else found


def _money(record: Closed | None) -> dict[str, Value]:
    """What it was charged, in nano-units, and what that rests on."""
    for entry in record.entries if record is not None else ():
        if entry.kind in ("charge", "void"):
            return {otel.AMOUNT: entry.amount, otel.BASIS: entry.basis}
    return {}


def _part(
    trace: Trace, number: int, name: str, began: float, ended: float, attributes: dict[str, Value] | None = None
) -> Span:
    """One of ours; the one that a call did not get beyond ended with it."""
    error = None
    if not ended:
        error = trace.refused.error if trace.refused is not None else None
    return Span(
        id=trace.span_of(number),
        parent=trace.span,
        name=name,
        began=_at(trace, began),
        ended=_at(trace, ended or trace.ended),
        attributes=attributes or {},
        error=error,
    )


def _attempt(trace: Trace, attempt: Attempt, number: int, line: CallLine | None, names: Names) -> Span:
    lane, last = attempt.lane, number == len(trace.attempts)
    address = urlsplit(lane.base)
    host, model = address.hostname or "", lane.destination.model
    operation = otel.operation(trace.protocol, trace.endpoint)
    attributes: dict[str, Value] = {
        names.operation: operation,
        names.provider: otel.vendor(host, lane.provider.id, names),
        names.model: model,
        otel.ADDRESS: host,
        otel.PORT: address.port or (443 if address.scheme == "https" else 80),
        otel.PROVIDER: lane.provider.id,
        otel.ATTEMPT: number,
    }
    ended, error = attempt.ended or trace.ended, _error(attempt.problem)
    if last and trace.settling > attempt.began:
        ended = min(ended, trace.settling)  # the provider was through before the call was settled
    if line is not None and line.stream and names.stream is not None:
        attributes[names.stream] = True
    if last and line is not None:
        attributes |= _answer(trace, attempt, line, names)
        error = error or (line.error if line.outcome in ("failed", "broken") else None)
    if attempt.problem is not None and attempt.problem.cause is not None:
        attributes[otel.STATUS] = attempt.problem.cause
    if error is not None:
        attributes[otel.ERROR] = error
    return Span(
        id=trace.span_of(number),
        parent=trace.span,
        name=f"{operation} {model}",
        kind=CLIENT if attempt.sent else INTERNAL,
        began=_at(trace, attempt.began),
        ended=_at(trace, ended),
        attributes=attributes,
        error=error,
    )


def _answer(trace: Trace, attempt: Attempt, line: CallLine, names: Names) -> dict[str, Value]:
    """What the attempt used that came last, and when its answer began."""
    found: dict[str, Value] = {}
    if line.input or line.output:
        found = {names.input: line.input, names.output: line.output}
        more = ((names.cache_read, line.cache_read), (names.cache_write, line.cache_write))
        for name, tokens in (*more, (names.reasoning, line.reasoning)):
            if tokens and name is not None:
                found[name] = tokens
    if line.first_ms is not None and names.first_chunk is not None:
        found[names.first_chunk] = max(trace.held + line.first_ms / 1000 - attempt.began, 0.0)
    return found


def _error(problem: Problem | None) -> str | None:
    """A class of failures, as few as possible: the provider's status, or a row of our table of errors."""
    if problem is None:
        return None
    return str(problem.cause) if problem.cause is not None else problem.kind.value


def _at(trace: Trace, moment: float) -> int:
    return trace.at_ns + max(int((moment - trace.began) * _SECOND_NS), 0)
