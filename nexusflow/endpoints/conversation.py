"""One chat call over any client protocol: the steps in order, shared by the four chat surfaces.

Where client and provider speak the same protocol the bytes pass through (identity lane); otherwise the call goes
through the canonical chat (`nexusflow.flow.bridge`).
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.endpoints.address import find_model, not_offered, require_post
from nexusflow.endpoints.asking import Asking, routes
from nexusflow.endpoints.lanes import serve_by_lanes
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow import apis, attempt, continued, failover, fit, media, route, stream
from nexusflow.flow.admit import admit, client_address
from nexusflow.flow.body import read_body
from nexusflow.flow.bridge import Bridge, refuse_losses, used_untranslated
from nexusflow.flow.client import Header, answer
from nexusflow.flow.desk import Desk
from nexusflow.flow.exchange import Phase
from nexusflow.flow.failover import Way
from nexusflow.flow.fit import Fits
from nexusflow.flow.health import Fleet
from nexusflow.flow.heard import Heard
from nexusflow.flow.once import name_of
from nexusflow.flow.order import Order
from nexusflow.flow.served import ByName, Offer, ServedLane, ServedModel
from nexusflow.flow.settlement import Outcome
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.chat import ChatCall, Origin
from nexusflow.ir.loss import Losses
from nexusflow.ir.money import as_text
from nexusflow.ir.reply import Asked
from nexusflow.keys.scopes import Endpoint
from nexusflow.protocols.common import checks, envelope, hints
from nexusflow.protocols.dialect import Dialect, Tap
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.runtime import Runtime
from nexusflow.upstream.transport import Reply
from nexusflow.wire.head import inspect
from nexusflow.wire.jsonedit import Fields

GOOGLE: Origin = "google/generate-content"
ESTIMATED: Header = (b"x-nexusflow-estimated", b"tokens")


class Incoming(Asking):
    """A client's request as received. `streams` is None where the body says it."""

    streams: bool | None = None
    state: object = None
    """What a protocol that keeps state has to know until the answer is there."""


class Routed(Struct):
    """A request that may be sent: its model, its lane, and whether its answer is streamed."""

    incoming: Incoming
    wanted: Any
    served: ServedModel
    offer: Offer
    lane: ServedLane
    streams: bool
    extra: bytes = b""
    lanes: Sequence[ServedLane] = ()
    """All that may be tried, in this order; `lane` is the present one."""
    losses: Losses = msgspec.field(default_factory=Losses)


class Conversation(Surface):
    """Base of the chat surfaces. A subclass names its dialect and paths, and overrides what its protocol adds."""

    dialect: Dialect
    endpoint: Endpoint
    desk: Desk
    paths: frozenset[bytes] = frozenset()

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.bounds = artifact.plan.server.request
        self.models: ByName = {}
        self.providers = frozenset(provider.id for provider in artifact.plan.providers)
        self.errors = self.dialect.errors
        self.protocol = self.dialect.id

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`; also opens the connection pools that the models need."""
        super().bind(runtime)
        self.route_by(runtime.catalogue(self.artifact), runtime.fleet)
        self.desk = runtime.desk(self.artifact)

    def route_by(self, models: ByName, fleet: Fleet) -> None:
        """Take what `routes` needs; `bind` does, and whoever only wants to know where a request would go."""
        self.models = models
        self.fleet = fleet

    async def serve(self, call: Call) -> None:
        """Admit, read, validate, route, and answer as JSON or as a stream."""
        require_post(call, self.paths)
        await self.converse(call, await self.receive(call))

    async def receive(self, call: Call) -> Incoming:
        """The caller and the body."""
        head = inspect(call.scope["headers"], self.bounds.max_headers)
        key = admit(head.credential, self.runtime.keys)
        self.desk.gate.early(key, self.dialect.id, call.client.headers)
        body, fields = self.parse(await read_body(call.exchange, head, call.receive, self.bounds))
        return Incoming(key, body, fields, fields.get("model"))

    def parse(self, body: bytes) -> tuple[bytes, Fields]:
        """A body as it is read further on, and its top-level fields. Raises `RequestRefused`."""
        return body, checks.parse(body, self.dialect.identity_request.MONEY_FIELDS)

    async def converse(self, call: Call, incoming: Incoming) -> None:
        """From a parsed request to its answer, by the first lane that gives one."""
        routes = self.routes(incoming)
        order = self.order(routes, client_address(call.scope), name_of(call.scope["headers"]))
        bill = call.bill = await self.desk.reserve(order, call.exchange, call.client)
        ways = [way for routed in routes for way in failover.ways(routed.served, routed.lanes)]
        fields = incoming.fields

        def attempt_at(way: Way) -> Awaitable[None]:
            routed = next(one for one in routes if one.served is way.served)
            routed.lane, routed.extra, routed.losses = way.lane, b"", Losses()
            # Each lane has its own names and exceptions, which are written into the fields.
            incoming.fields = dict(fields) if len(ways) > 1 else fields
            return self._attempt(call, routed)

        watcher = asyncio.create_task(stream.watch_client(call.exchange, call.receive)) if order.stream else None
        try:
            await serve_by_lanes(call, bill, order, self.fleet, self.desk.gate, ways, attempt_at)
        finally:
            if watcher is not None:
                watcher.cancel()

    def _attempt(self, call: Call, routed: Routed) -> Awaitable[None]:
        upstream = self.upstream_of(routed)
        if self.passes_through(routed, upstream):
            routed.extra = self.extra_head(call, routed)
            return self._identity(call, routed)
        return self._bridged(call, routed, DIALECTS[upstream])

    def passes_through(self, routed: Routed, upstream: Origin) -> bool:
        """Whether a provider that is spoken to in `upstream` gets the client's own bytes."""
        return upstream == self.dialect.id and not self.holds_foreign_turns(routed)

    def routes(self, incoming: Incoming) -> list[Routed]:
        """The request to its model, and to those that stand in for it and can take it. Raises `RequestRefused`."""
        served, _ = self.find(incoming.name)
        incoming.take(served, self.models, self.providers)
        return routes(incoming, partial(self.routed, incoming))

    def routed(self, incoming: Incoming, name: Raw | None) -> Routed:
        """Check the request against a model and choose its lanes. Raises `RequestRefused`."""
        served, offer = self.find(name)
        rules = self.dialect.identity_request
        wanted = rules.validate(incoming.body, offer.decoder, offer.model, self.bounds)
        checks.check_names(incoming.fields, rules.KNOWN, offer.model)
        streams = bool(wanted.stream) if incoming.streams is None else incoming.streams
        fits = None
        if served.model.prefer == "identity" and len(served.lanes) > 1:
            fits = self._fits(Routed(incoming, wanted, served, offer, served.lanes[0], streams))
        lanes = route.choose(served, self.fleet, incoming.key.id, len(incoming.body), incoming.wish, fits)
        return Routed(incoming, wanted, served, offer, lanes[0], streams, lanes=lanes)

    def _fits(self, routed: Routed) -> Fits:
        """How well each lane of the model carries a request that is not sent yet."""

        def upstream(lane: ServedLane) -> Origin | None:
            routed.lane = lane
            spoken = self.upstream_of(routed)
            return None if self.passes_through(routed, spoken) else spoken

        def untranslated(lane: ServedLane, losses: Losses) -> None:
            flags = lane.destination.capabilities
            hints.leave_out(dict(routed.incoming.fields), self.dialect.id, flags, losses)

        served = routed.served
        return fit.fits(served.lanes, upstream, untranslated, lambda: self.read_call(routed), served.model.on_loss)

    def order(self, routes: Sequence[Routed], address: str | None = None, name: str | None = None) -> Order:
        """What the call asks to be served and paid for; see `Order` for `address` and `name`."""
        routed = routes[0]
        incoming = routed.incoming
        return Order(
            key=incoming.key,
            address=address,
            model=routed.served.model,
            lanes=[lane for one in routes for lane in one.lanes] if len(routes) > 1 else routed.lanes,
            asked=find_model(self.models, incoming.name).model.id,
            protocol=self.dialect.id,
            endpoint=self.endpoint,
            body=incoming.body,
            demand=self.dialect.identity_request.demand(routed.wanted),
            stream=routed.streams,
            name=name,
        )

    def find(self, raw: Raw | None) -> tuple[ServedModel, Offer]:
        """The model by the raw bytes of its name; a name spelled with escapes is decoded first."""
        served = find_model(self.models, raw)
        offer = served.offers.get(self.dialect.id)
        if offer is None:
            raise not_offered(served, self.dialect.id)
        return served, offer

    def upstream_of(self, routed: Routed) -> Origin:
        """The protocol to speak to the provider: the client's own where it can be."""
        lane = routed.lane
        return self.dialect.id if self.dialect.id in lane.upstreams else lane.usual

    def holds_foreign_turns(self, routed: Routed) -> bool:
        """Whether turns of the conversation come from a provider of another protocol: they have its state in envelopes.

        A provider knows no envelopes and refuses them; the long way takes them out (protocols 2.0.4, T94). Only what a
        model said has any, so that the search is saved where it has said nothing yet.
        """
        return self.continues(routed.wanted) and envelope.MARK in routed.incoming.body

    def continues(self, wanted: Any) -> bool:
        """Whether the conversation holds turns of the model. `wanted` is the request in the client's protocol."""
        return any(message.role == "assistant" for message in wanted.messages)

    def extra_head(self, call: Call, routed: Routed) -> bytes:
        """Header lines of this one call on the identity lane."""
        return b""

    def framed(self, call: Call, tap: Tap) -> Tap:
        """The stream in the framing that the client asked for."""
        return tap

    def tap(self, routed: Routed) -> Tap:
        """The identity stream of a call."""
        return self.dialect.identity_stream(routed.served.raw_id)

    def relabel(self, routed: Routed, body: bytes) -> bytes:
        """The provider's whole answer on the identity lane, as the caller gets it. Raises `RequestRefused`."""
        return self.dialect.identity_reply.relabel(body, routed.served.raw_id)

    def read_call(self, routed: Routed) -> ChatCall:
        """The request in canonical form."""
        return self.dialect.read_request.read(routed.incoming.body, model=routed.served.model.id, stream=routed.streams)

    async def answered(self, routed: Routed, body: bytes) -> None:
        """Called with every complete unary answer before the client has it; for protocols that keep state."""

    async def streamed(self, routed: Routed, tap: Tap) -> None:
        """Called with every complete stream before the client has its end."""

    def untranslated(self, routed: Routed) -> bytes:
        """The body for a lane that speaks the client's protocol. Hints that its model does not take become losses."""
        lane, fields = routed.lane, routed.incoming.fields
        model, rules = routed.offer.model, self.dialect.identity_request
        hints.leave_out(fields, self.dialect.id, lane.destination.capabilities, routed.losses)
        hints.note_unknown(fields, rules.KNOWN, model, routed.losses)
        return rules.prepare(fields, model, lane.model, stream=routed.streams, usage=lane.provider.stream_usage)

    async def _identity(self, call: Call, routed: Routed) -> None:
        lane, outgoing = routed.lane, self.untranslated(routed)
        announce(call, self.runtime, routed.served, routed.losses)
        if routed.streams:
            await self._stream(call, routed, self.dialect, outgoing, self.tap(routed))
            return
        body = await self._fetch(call, routed, self.dialect, outgoing)
        asked, name = routed.incoming.body, routed.served.model.id
        call.exchange.used = partial(used_untranslated, self.dialect, lane.destination, asked, name, body)
        note_said(call, body)
        await self._answer(call, routed, self.relabel(routed, body))

    async def _bridged(self, call: Call, routed: Routed, upstream: Dialect) -> None:
        lane, model = routed.lane, routed.served.model
        asked_for = self.read_call(routed)
        upstream = DIALECTS[apis.interface(lane, asked_for, upstream.id)]
        asked_for = await media.resolve(asked_for, lane.destination.capabilities, upstream.id, self.runtime.fetcher)
        key_id, signatures = str(routed.incoming.key.id), self.runtime.signatures
        asked_for = signatures.restore(key_id, asked_for)
        remember = partial(signatures.remember, key_id)
        asked = Asked(call=asked_for, model=model.id, response_id=call.exchange.request_id, created=int(time.time()))
        bridge = Bridge(self.dialect, upstream, lane.destination, asked, routed.losses, remember)
        outgoing = bridge.request(asked_for)
        routed.extra = apis.bridged_head(upstream.id, outgoing)
        announce(call, self.runtime, routed.served, routed.losses)
        if routed.streams:
            tap = bridge.stream()
            await self._stream(call, routed, upstream, outgoing, tap)
            return
        fetch = partial(self._fetch, call, routed, upstream)
        whole = continued.whole(outgoing, fetch) if self._goes_on(upstream) else fetch(outgoing)
        body, usage = bridge.reply(await whole)
        note_said(call, body)
        call.exchange.used = lambda: usage
        if usage.source == "estimated":
            call.client.headers.append(ESTIMATED)
        await self._answer(call, routed, body)

    def _fetch(self, call: Call, routed: Routed, upstream: Dialect, outgoing: bytes) -> Awaitable[bytes]:
        target = routed.lane.upstreams[upstream.id].target
        return attempt.fetch(call.exchange, routed.lane, target, upstream.errors, outgoing, routed.extra)

    async def _answer(self, call: Call, routed: Routed, body: bytes) -> None:
        await self.answered(routed, body)
        await charge(call, body)
        call.exchange.enter(Phase.WRITE, routed.lane.write_stall)
        await answer(call.send, 200, body, call.client.headers)

    async def _completed(self, call: Call, routed: Routed, tap: Tap, last: bytes) -> None:
        await self.streamed(routed, tap)
        await charge(call, last, call.client.content_type[1])

    async def _stream(self, call: Call, routed: Routed, upstream: Dialect, outgoing: bytes, tap: Tap) -> None:
        lane, exchange = routed.lane, call.exchange
        exchange.enter(Phase.FIRST_BYTE, lane.first_byte)
        exchange.used = tap.usage
        call.client.keep_alive_frame = self.dialect.keep_alive
        call.failure = getattr(tap, "failure", None)  # only some protocols' failures depend on what was said before
        whole, tap = tap, self.framed(call, tap)
        hear(call, Heard(upstream, lane.destination))
        exchange.promise(call.client.keep_alive)
        opened = partial(self._opened, call, routed, upstream)
        reply = await opened(outgoing)
        if self._goes_on(upstream):
            reply = continued.ContinuedReply(reply, outgoing, opened)
        await stream.pump(exchange, reply, tap, call.client, lane, partial(self._completed, call, routed, whole))

    async def _opened(self, call: Call, routed: Routed, upstream: Dialect, outgoing: bytes) -> Reply:
        lane, request_id = routed.lane, call.exchange.request_id
        target = lane.upstreams[upstream.id].stream_target
        call.exchange.dispatch()
        reply = await attempt.send(call.exchange, lane, target, outgoing, routed.extra)
        call.exchange.heard_at = time.monotonic()
        await attempt.require_stream(reply, lane, upstream, request_id)
        return reply

    def _goes_on(self, upstream: Dialect) -> bool:
        """Whether answers may break off in a way that the client knows nothing of (protocols 2.1.7, continuation)."""
        return upstream.id == GOOGLE and self.dialect.id != GOOGLE


def note_said(call: Call, body: bytes) -> None:
    """How much was answered, for where nobody counts it."""
    if call.bill is not None:
        call.bill.said = len(body)


def hear(call: Call, heard: Heard) -> None:
    """Follow what a stream says, for where it breaks off before it tells."""
    if call.bill is not None:
        call.bill.heard = heard
        call.exchange.hear = heard.hear


async def charge(call: Call, last: bytes, content_type: bytes = b"application/json") -> None:
    """Settle a call that went well, before the client has its last bytes; a unary answer says what it cost."""
    bill = call.bill
    if bill is None:
        return
    done = await bill.settle(Outcome.DONE, 200)
    call.client.headers.append((b"x-nexusflow-cost", as_text(done.amount).encode()))
    balance = bill.balance
    if balance is not None:
        call.client.headers.append((b"x-nexusflow-balance", as_text(balance).encode()))
    if bill.once is not None:
        if call.exchange.gone:
            await bill.once.forget()
        else:
            await bill.once.finish(200, content_type, b"".join((*(call.client.copy or ()), last)))


def announce(call: Call, runtime: Runtime, served: ServedModel, losses: Losses) -> None:
    """Losses go to the caller and into the counters, or refuse the call where that is wanted (protocols 2.0.3)."""
    if not losses:
        return
    policy = served.model.on_loss
    strict = any(name == b"x-nexusflow-strict" and value == b"true" for name, value in call.scope["headers"])
    runtime.losses.count(losses)
    if strict or policy == "reject":
        refuse_losses(losses)
    if policy == "warn":
        call.client.headers.append((b"x-nexusflow-warnings", losses.header().encode()))
