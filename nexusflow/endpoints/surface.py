"""What all surfaces share: the shell around one call, in which every failure becomes the right kind of answer."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from litestar.types import Receive, Scope, Send

from nexusflow.endpoints import respond
from nexusflow.flow.bill import Bill
from nexusflow.flow.body import ClientGone
from nexusflow.flow.client import ClientStream, answer
from nexusflow.flow.exchange import Exchange, Phase
from nexusflow.flow.once import Replayed
from nexusflow.flow.stream import expired
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.protocols.dialect import Errors
from nexusflow.runtime import Runtime
from nexusflow.telemetry import catalogue

_log = logging.getLogger("nexusflow.request")
_INTERNAL = Problem(kind=Kind.INTERNAL, message="An internal error occurred.")


@dataclass(slots=True)
class Call:
    """One request as the steps see it."""

    exchange: Exchange
    scope: Scope
    receive: Receive
    send: Send
    client: ClientStream
    bill: Bill | None = None
    failure: Callable[[Problem], bytes] | None = None
    """How a stream that has begun says that it broke, where that depends on what it said before."""


class Surface(ABC):
    """Base of the endpoint objects that generated handlers call. `bind` makes one live; `serve` is its own."""

    runtime: Runtime
    errors: Errors
    protocol: str = "nexusflow"
    """What it speaks, as metrics say it."""

    def bind(self, runtime: Runtime) -> None:
        """Connect to the process: called once, before the first request."""
        self.runtime = runtime
        board = runtime.meter.board
        self._in_flight = board.of(catalogue.IN_FLIGHT, self.protocol)
        self._overhead = board.of(catalogue.OVERHEAD, self.protocol)

    @abstractmethod
    async def serve(self, call: Call) -> None:
        """Answer one request, or raise `RequestRefused`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        exchange = Exchange(cast("asyncio.Task[object]", asyncio.current_task()))
        call = Call(exchange, scope, receive, send, ClientStream(send, respond.base_headers(exchange.request_id)))
        tracer = self.runtime.meter.tracer
        if tracer is not None and self.runtime.swaps.live is not None:  # before, it is only tried
            exchange.trace = tracer.begin(exchange.request_id, scope["headers"])
        exchanges = self.runtime.watchdog.exchanges
        exchanges.add(exchange)
        self._in_flight.add(1)
        try:
            await self._guarded(call)
        finally:
            self._in_flight.add(-1)
            exchanges.discard(exchange)
            exchange.part()
            if exchange.trace is not None:
                self.runtime.meter.traced(exchange.trace, str(scope.get("method")), scope["path"], self.protocol)

    async def _guarded(self, call: Call) -> None:
        exchange = call.exchange
        try:
            if self.runtime.draining:
                raise RequestRefused(expired(Phase.DRAIN))
            await self.serve(call)
            if exchange.waited and call.bill is not None:
                self._overhead.observe(time.monotonic() - call.bill.begun - exchange.waited)
            return
        except asyncio.CancelledError:
            if exchange.expired is None and not exchange.gone:
                raise
            await exchange.absorb_cancel()
            problem = expired(exchange.expired)
        except RequestRefused as refused:
            problem = refused.problem
        except Replayed as known:
            replay = known.replay
            headers = [*call.client.headers, (b"idempotent-replayed", b"true")]
            await answer(call.send, replay.status, replay.body, headers, replay.content_type.encode())
            return
        except ClientGone:
            return
        except Exception:
            _log.exception("request %s failed", exchange.request_id)
            problem = _INTERNAL
        if exchange.expired or exchange.gone:
            await exchange.absorb_cancel()
        exchange.deadline = float("inf")
        exchange.keep_alive = None
        await self._close(call, problem)
        if not exchange.gone and exchange.expired is not Phase.WRITE:
            await self._fail(call, problem)

    async def _close(self, call: Call, problem: Problem) -> None:
        """Settle a call that did not go well. Its answer is kept only where it was charged and can be given again."""
        status, bill = self.errors.status(problem), call.bill
        if bill is None:
            if self.runtime.swaps.live is not None:  # before, it is only tried
                code = problem.code or problem.kind.value
                self.runtime.meter.refused(call.exchange.request_id, self.protocol, status, code)
            return
        await bill.fail(problem, status=status, begun=call.client.said)
        if bill.once is None:
            return
        if bill.charged and not (call.client.committed or call.exchange.gone):
            await bill.once.finish(status, b"application/json", self.errors.envelope(problem, call.exchange.request_id))
        else:
            await bill.once.forget()

    async def _fail(self, call: Call, problem: Problem) -> None:
        if call.client.committed:
            frame = call.failure(problem) if call.failure else self.errors.event(problem, call.exchange.request_id)
            await call.client.end(frame)
        else:
            await respond.refuse(call.send, self.errors, problem, call.exchange.request_id, call.client.headers)
