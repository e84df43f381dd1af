"""What one call owes: reserved before it is sent, on record before its first byte, settled exactly once.

A `Desk` opens one after routing. Whatever happens afterwards ends in `Bill.settle`, which returns when the record of
it is on disk; only then may the client have its last byte (engines C.4).
"""

import contextlib
import time

import msgspec
from msgspec import Struct

from nexusflow.flow.client import ClientStream
from nexusflow.flow.estimate import Size, most, output_tokens
from nexusflow.flow.exchange import PROGRESS_SECONDS, Exchange, nothing_used
from nexusflow.flow.failure import Failure
from nexusflow.flow.gate import Pass
from nexusflow.flow.heard import Heard
from nexusflow.flow.once import Once
from nexusflow.flow.served import ServedLane
from nexusflow.flow.settlement import Evidence, Outcome, Settlement, Terms, absorbed, settle, usage_text
from nexusflow.flow.usual import Usual
from nexusflow.ir.account import Payer
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.plan import Model
from nexusflow.ir.usage import Usage
from nexusflow.ledger.leases import Hold
from nexusflow.ledger.ledger import Ledger
from nexusflow.ledger.records import CallLine, Closed, Entry, Opened, Progress

DRAINS = 64
DRAINED_TOKENS = 4_096
"""How many calls of one worker may go on without a client, and for how many more tokens (B-03)."""
LEFT_STATUS = 499
"""What proxies log for a client that left."""
_SERVER_ERRORS = frozenset((Kind.UPSTREAM, Kind.TIMEOUT, Kind.BUSY, Kind.UNAVAILABLE))


class Bill(Struct):
    """The money of one call. `size` is what was made of the request before anybody counted it."""

    ledger: Ledger
    exchange: Exchange
    client: ClientStream
    payer: Payer
    lane: ServedLane
    protocol: str
    model: Model
    body: bytes
    plan: str
    stream: bool
    size: Size
    hold: Hold
    taken: Pass | None
    """Of its limits; None where nothing limits it."""
    usual: Usual
    now_ms: int
    begun: float
    opened: bool = False
    sent_by: ServedLane | None = None
    attempts: int = 1
    paid: tuple[Entry, ...] = ()
    """What earlier attempts owe their providers, which no customer pays (B-02)."""
    settled: Settlement | None = None
    heard: Heard | None = None
    said: int = 0
    """Bytes of a unary answer."""
    once: Once | None = None
    drains: set[Exchange] = msgspec.field(default_factory=set)
    """Calls of this worker that are read to their end though their client left."""
    heard_at_leave: int = 0

    def follow(self) -> None:
        """Let the exchange tell of what money depends on."""
        exchange = self.exchange
        exchange.on_dispatch = self.dispatch
        if self.stream:
            exchange.outlive = self.outlive
            exchange.progress = self.note_progress
            exchange.progress_at = self.begun + PROGRESS_SECONDS

    def dispatch(self) -> None:
        """Put the attempt on record, once; nothing may be sent before (R-23).

        Raises `RequestRefused` when it cannot be.
        """
        if self.sent_by is self.lane:
            return
        payer, lane = self.payer, self.lane
        self.ledger.open(
            Opened(
                id=self.exchange.request_id,
                at_ms=self.now_ms,
                org=payer.org,
                key=payer.key,
                team=payer.team,
                user=payer.user,
                lease=self.hold.lease,
                held=self.hold.amount,
                counters=self.hold.counters,
                provider=lane.provider.id,
                model=self.model.id,
                protocol=self.protocol,
                price=lane.price_id,
                plan=self.plan,
                stream=self.stream,
            )
        )
        self.opened = True
        self.sent_by = lane

    def lose(self, failure: Failure, last: bool) -> None:
        """The present attempt failed: what it may have cost its provider is absorbed, by its class.

        No loss of ours is the `last` one where customers pay for the input of a call that failed.
        """
        if not self.opened or (last and self.lane.billing.on_5xx == "charge_input"):
            return
        entry = absorbed(failure, self._terms(), self._evidence(), self.attempts)
        if entry is not None:
            self.paid = (*self.paid, entry)

    def turn_to(self, lane: ServedLane, model: Model) -> None:
        """The next attempt, by another lane, at that lane's price; nothing of it has been heard yet."""
        self.lane = lane
        self.model = model
        self.attempts += 1
        self.heard = None
        self.said = 0
        self.exchange.used = nothing_used

    def note_progress(self) -> None:
        """Put on record how far a long stream has come, so that a killed process does not give it away.

        Also the moment to see whether a stream without a client has gone on for long enough (B-03).
        """
        if self.exchange.gone and self._generated() - self.heard_at_leave > DRAINED_TOKENS:
            self.exchange.expire()
            return
        so_far = settle(Outcome.BROKEN, self._terms(), self._evidence())
        cost = sum(entry.amount for entry in so_far.entries if entry.kind == "cost")
        text = usage_text(so_far.usage)
        with contextlib.suppress(RequestRefused):  # a journal that is full says so when the call is closed
            self.ledger.progress(Progress(id=self.exchange.request_id, usage=text, amount=so_far.amount, cost=cost))

    def outlive(self) -> bool:
        """Whether the call goes on without its client, to learn its usage: where the provider's rule says so (B-03)."""
        if self.lane.billing.on_disconnect != "drain" or not self.opened or len(self.drains) >= DRAINS:
            return False
        self.drains.add(self.exchange)
        self.heard_at_leave = self._generated()
        return True

    async def settle(
        self, outcome: Outcome, status: int, error: str | None = None, *, server_error: bool = False
    ) -> Settlement:
        """Close the call; a second time changes nothing. Returns when the record is on disk."""
        if self.settled is not None:
            return self.settled
        self.drains.discard(self.exchange)
        trace = self.exchange.trace
        if trace is not None:
            trace.settling = time.monotonic()
        self.settled = done = settle(outcome, self._terms(), self._evidence(server_error), self.paid)
        try:
            await self.ledger.close(self._closed(done.entries, self._line(done, outcome, status, error)), self.hold)
        finally:
            if self.taken is not None:
                self._give_back(self.taken, done.usage)
            if trace is not None:
                trace.settled = time.monotonic()
        return done

    def _give_back(self, taken: Pass, usage: Usage) -> None:
        """Its slots are free again; of its tokens, those read from a cache count like all others (T51)."""
        taken.end(usage.total)
        if usage.source == "reported":
            self.usual.note(self.model.id, usage.total_output)

    def _closed(self, entries: tuple[Entry, ...], line: CallLine) -> Closed:
        payer = self.payer
        return Closed(
            id=self.exchange.request_id,
            at_ms=self.now_ms,
            org=payer.org,
            key=payer.key,
            team=payer.team,
            user=payer.user,
            lease=self.hold.lease,
            held=self.hold.amount,
            counters=self.hold.counters,
            entries=entries,
            call=line,
        )

    async def fail(self, problem: Problem, *, status: int, begun: bool) -> None:
        """Close a call that ended in `problem`, unless it was closed before. `begun`: the client has part of it."""
        if self.settled is not None:
            return
        if not self.opened:
            self._withdraw(status, problem.code or problem.kind.value)
            return
        if self.exchange.gone:
            await self.settle(Outcome.LEFT, LEFT_STATUS, "client_left")
            return
        outcome = Outcome.BROKEN if begun else Outcome.FAILED
        server_error = problem.kind in _SERVER_ERRORS
        await self.settle(outcome, status, problem.code or problem.kind.value, server_error=server_error)

    def _withdraw(self, status: int, error: str) -> None:
        """A call that was never sent owes nothing and has no entry in the ledger, only a line in the log."""
        self.settled = Settlement((), Usage(), 0)
        self.ledger.cancel(self.hold)
        if self.taken is not None:
            self.taken.end(None)
        line = self._line(self.settled, Outcome.FAILED, status, error)
        self.ledger.note(msgspec.structs.replace(self._closed((), line), accepted=False))

    @property
    def charged(self) -> int:
        """What the customer pays, once it is settled."""
        return self.settled.amount if self.settled is not None else 0

    @property
    def balance(self) -> int | None:
        """About what the payer has left; None where that cannot run out."""
        return self.ledger.balance(self.payer.org)

    def _terms(self) -> Terms:
        lane = self.lane
        return Terms(
            request=self.exchange.request_id,
            org=self.payer.org,
            provider=lane.provider.id,
            model=self.model.id,
            plan=self.plan,
            price=lane.price,
            price_id=lane.price_id,
            billing=lane.billing,
            now_ms=self.now_ms,
        )

    def _evidence(self, server_error: bool = False) -> Evidence:
        used = self.exchange.used()
        most_input, most_output = most(used, self.size, self.body, self.model) if used is not None else (0, 0)
        return Evidence(used, self.size.input, self._generated, most_input, most_output, server_error)

    def _generated(self) -> int:
        return self.heard.tokens() if self.heard is not None else output_tokens(self.said)

    def _line(self, done: Settlement, outcome: Outcome, status: int, error: str | None) -> CallLine:
        usage, now = done.usage, time.monotonic()
        first = self.heard.first if self.heard is not None else None
        if self.exchange.gone:
            outcome, status = Outcome.LEFT, LEFT_STATUS
        return CallLine(
            protocol=self.protocol,
            model=self.model.id,
            answered_by=self.lane.destination.model,
            provider=self.lane.provider.id,
            stream=self.stream,
            status=status,
            outcome=outcome.value,
            error=error,
            input=usage.total_input,
            cache_read=usage.cache_read,
            cache_write=usage.cache_write,
            output=usage.total_output,
            reasoning=usage.output_reasoning or 0,
            source=usage.source,
            amount=done.amount,
            first_ms=None if first is None else int((first - self.begun) * 1000),
            total_ms=int((now - self.begun) * 1000),
            attempts=self.attempts if self.opened else 0,
        )
