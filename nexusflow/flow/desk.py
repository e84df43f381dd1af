"""Where calls get their bills: who may call, who pays, and whether the money is there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from nexusflow.accounts.directory import Directory
from nexusflow.flow.admit import permit
from nexusflow.flow.bill import Bill
from nexusflow.flow.client import ClientStream
from nexusflow.flow.estimate import Size, size_of
from nexusflow.flow.exchange import Exchange
from nexusflow.flow.gate import Gate, Pass
from nexusflow.flow.once import Once, fingerprint
from nexusflow.flow.order import Order
from nexusflow.flow.served import ServedLane
from nexusflow.ir.account import Payer
from nexusflow.ir.errors import Kind, RequestRefused
from nexusflow.ir.plan import Price
from nexusflow.ledger import idempotency
from nexusflow.ledger.leases import Hold
from nexusflow.ledger.ledger import Ledger
from nexusflow.pricing import bound
from nexusflow.store import Database
from nexusflow.store.thread import StoreThread


@dataclass(frozen=True, slots=True)
class Desk:
    """What billing needs of the worker (`ledger`, `directory`) and of the artifact. `plan` is the plan's digest."""

    ledger: Ledger
    directory: Directory
    plan: str
    default_output: int
    funds_status: int
    drains: set[Exchange]
    books: StoreThread[Database]
    gate: Gate

    async def reserve(self, order: Order, exchange: Exchange, client: ClientStream) -> Bill:
        """A bill whose money is set aside.

        Raises `RequestRefused`: not allowed, suspended, over a limit, no funds, no ledger; and `Replayed` for a call
        made before.
        """
        model, lane = order.model, order.lanes[0]
        permit(order.key, model.id, order.protocol, order.endpoint, order.address)
        now_ms = time.time_ns() // 1_000_000
        payer = self.directory.payer(order.key, model.id, order.demand.user, now_ms)
        size = size_of(order.body, order.demand, model, self.default_output)
        amount = set_aside(order.lanes, size, now_ms)
        once = self._once(order, payer, exchange.request_id, now_ms) if order.name is not None else None
        taken = await self.gate.enter(order, size, exchange.request_id, client.headers)
        if exchange.trace is not None:
            exchange.trace.admit(order.endpoint, model.slo)
        hold = await self._hold(payer, amount, once, taken)
        bill = Bill(
            ledger=self.ledger,
            exchange=exchange,
            client=client,
            drains=self.drains,
            once=once,
            payer=payer,
            lane=lane,
            protocol=order.protocol,
            model=model,
            body=order.body,
            plan=self.plan,
            stream=order.stream,
            size=size,
            hold=hold,
            taken=taken,
            usual=self.gate.usual,
            now_ms=now_ms,
            begun=time.monotonic(),
        )
        if exchange.trace is not None:
            exchange.trace.held = bill.begun
        if once is not None:
            client.copy = []
        bill.follow()
        return bill

    async def _hold(self, payer: Payer, amount: int, once: Once | None, taken: Pass | None) -> Hold:
        """The money; without it, what was `taken` of the limits is given back."""
        try:
            return await self.ledger.reserve(payer, amount, once.begin if once is not None else None)
        except BaseException as error:
            if taken is not None:
                taken.end(None)
            if isinstance(error, RequestRefused) and error.problem.kind is Kind.FUNDS:
                raise RequestRefused(msgspec.structs.replace(error.problem, status=self.funds_status)) from None
            raise

    def _once(self, order: Order, payer: Payer, request: str, now_ms: int) -> Once:
        route = f"{order.protocol} {order.endpoint}"
        return Once(
            books=self.books,
            scope=idempotency.scope_of(payer.org, route),
            name=order.name or "",
            fingerprint=fingerprint(route, order.body),
            request=request,
            worker=self.ledger.worker,
            now_ms=now_ms,
        )


def set_aside(lanes: Sequence[ServedLane], size: Size, now_ms: int) -> int:
    """Nano-units to hold for a call by `lanes`: whichever answers, its price is covered (R-24)."""
    return max([_most(one.price, size, now_ms) for one in lanes])


def _most(price: Price | None, size: Size, now_ms: int) -> int:
    if price is None:
        return 0
    return bound(price, now_ms, input_tokens=size.input, output_tokens=size.output, answers=size.answers)
