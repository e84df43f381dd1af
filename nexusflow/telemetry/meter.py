"""What becomes of a call, counted and logged from the very record that the ledger posts and the call log shows."""

import os
import secrets
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from nexusflow.ledger.records import CallLine, Closed, Entry
from nexusflow.telemetry import catalogue
from nexusflow.telemetry.access_log import AccessLog, Head, Refusal
from nexusflow.telemetry.board import Board, Series
from nexusflow.telemetry.catalogue import Metric
from nexusflow.telemetry.trace import Refused, Trace
from nexusflow.telemetry.tracer import Tracer

_TYPES = ("input", "cache_read", "cache_write", "output", "reasoning")
_MS = 1000


class _Way(Struct):
    """The series of one protocol, model and provider, looked up once."""

    ends: dict[tuple[str, int], Series]
    tokens: dict[str, tuple[Series, ...]]
    charged: dict[str, Series]
    """By what the charge rests on."""
    duration: Series
    ttft: Series
    per_token: Series
    amount: Series
    cost: Series


class Meter:
    """Counts on the board of this worker. Labels are names of models and providers as the plan has them.

    `log` gets a line for each request, `tracer` sends traces; None: nobody wants them.
    """

    def __init__(self, board: Board, log: AccessLog | None = None, tracer: Tracer | None = None) -> None:
        self.board = board
        self.log = log
        self.tracer = tracer
        self._ways: dict[tuple[str, str, str | None], _Way] = {}

    def close(self) -> None:
        """Nothing is counted any more."""
        self.board.close()
        if self.log is not None:
            self.log.close()
        if self.tracer is not None:
            self.tracer.sender.close()

    def closed(self, record: Closed) -> None:
        """A call that ended, whether it was charged or not; once for each."""
        line = record.call
        if line is None:
            return
        way = self._way(line)
        self._line(way, line)
        for entry in record.entries:
            self._settled(way, entry)
        trace = self.tracer.open.get(record.id) if self.tracer is not None else None
        if trace is not None:
            trace.record = record
        if self.log is not None:
            name = trace.name if trace is not None else None
            head = Head(
                at=record.at_ms, request=record.id, trace=name, org=record.org, team=record.team, key=record.key
            )
            self.log.note(head, line)

    def refused(self, request: str, protocol: str, status: int, error: str) -> None:
        """A request that came to no call."""
        self.board.of(catalogue.REFUSED, protocol, str(status)).add()
        trace = self.tracer.open.get(request) if self.tracer is not None else None
        if trace is not None:
            trace.refused = Refused(status, error)
        if self.log is not None:
            now_ms = time.time_ns() // 1_000_000
            head = Head(at=now_ms, request=request, trace=trace.name if trace is not None else None)
            self.log.note(head, Refusal(protocol=protocol, status=status, outcome="refused", error=error))

    def traced(self, trace: Trace, method: str, path: str, protocol: str) -> None:
        """A request is over that is one of those that may be traced; histograms point to what is sent."""
        trace.method, trace.path, trace.protocol = method, path, protocol
        trace.ended = time.monotonic()
        if self.tracer is None or not self.tracer.end(trace):
            return
        line = trace.record.call if trace.record is not None else None
        if line is not None:
            way, now = self._way(line), time.time()
            way.duration.point(line.total_ms / _MS, trace.id, now)
            if line.first_ms is not None:
                way.ttft.point(line.first_ms / _MS, trace.id, now)

    def reloaded(self, result: str) -> None:
        """Another artifact was taken up, or refused."""
        self.board.of(catalogue.SWAPS, result).add()

    def violated(self, invariant: str) -> None:
        """A proof of the ledger found this one broken."""
        self.board.of(catalogue.VIOLATIONS, invariant).add()

    def keep(self, metric: Metric, value: float, *labels: str) -> None:
        """What is counted elsewhere, as it stands now."""
        self.board.of(metric, *labels).set(value)

    def _line(self, way: _Way, line: CallLine) -> None:
        end = way.ends.get((line.outcome, line.status))
        if end is None:
            labels = (line.protocol, line.model, line.outcome, str(line.status))
            end = way.ends[line.outcome, line.status] = self.board.of(catalogue.REQUESTS, *labels)
        end.add()
        way.duration.observe(line.total_ms / _MS)
        if line.first_ms is not None:
            way.ttft.observe(line.first_ms / _MS)
            if line.output > 1:
                way.per_token.observe((line.total_ms - line.first_ms) / _MS / (line.output - 1))
        if line.input or line.output:
            self._tokens(way, line)

    def _settled(self, way: _Way, entry: Entry) -> None:
        kind = entry.kind
        if kind == "cost":
            way.cost.add(entry.amount)
        elif kind == "charge" or kind == "void":
            result = entry.basis if kind == "charge" else kind
            series = way.charged.get(result)
            if series is None:
                series = way.charged[result] = self.board.of(catalogue.SETTLEMENTS, result)
            series.add()
            way.amount.add(entry.amount)
        elif kind == "absorbed":
            self.board.of(catalogue.ABSORBED, entry.reason or "error").add(entry.amount)

    def _tokens(self, way: _Way, line: CallLine) -> None:
        series = way.tokens.get(line.source)
        if series is None:
            of = self.board.of
            labels = [(line.model, line.provider or "", type_, line.source) for type_ in _TYPES]
            series = way.tokens[line.source] = tuple([of(catalogue.TOKENS, *one) for one in labels])
        uncached = line.input - line.cache_read - line.cache_write
        plain = line.output - line.reasoning
        counts = (uncached, line.cache_read, line.cache_write, plain, line.reasoning)
        for one, count in zip(series, counts, strict=True):
            if count:
                one.add(count)

    def _way(self, line: CallLine) -> _Way:
        name = (line.protocol, line.model, line.provider)
        way = self._ways.get(name)
        if way is None:
            of, provider = self.board.of, line.provider or ""
            way = self._ways[name] = _Way(
                ends={},
                tokens={},
                charged={},
                duration=of(catalogue.DURATION, line.protocol, line.model),
                ttft=of(catalogue.TTFT, line.model, provider),
                per_token=of(catalogue.TIME_PER_TOKEN, line.model, provider),
                amount=of(catalogue.CHARGED, line.model),
                cost=of(catalogue.PROVIDER_COST, provider),
            )
        return way


def open_board(folder: Path | None) -> Board:
    """The board of this process, in `folder`; without one, where nobody else looks for it. Raises OSError."""
    if folder is not None:
        return Board(folder, f"{os.getpid()}-{secrets.token_hex(4)}")
    with tempfile.TemporaryDirectory(prefix="nexusflow-") as alone:
        return Board(Path(alone), "alone")  # the files go at once, and what is mapped stays
