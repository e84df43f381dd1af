"""`POST /v1/embeddings`, and what it has in common with Google's verbs for the same."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from msgspec import Raw, Struct

from nexusflow.endpoints.address import find_model, not_offered, require_post
from nexusflow.endpoints.asking import Asking, ToModel, routes
from nexusflow.endpoints.conversation import announce, charge
from nexusflow.endpoints.lanes import serve_by_lanes
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow import attempt, embed, route
from nexusflow.flow.admit import admit, client_address
from nexusflow.flow.body import read_body
from nexusflow.flow.client import answer
from nexusflow.flow.exchange import Phase
from nexusflow.flow.failover import Way, ways
from nexusflow.flow.health import Fleet
from nexusflow.flow.once import name_of
from nexusflow.flow.order import Order
from nexusflow.flow.served import ByName, Offer, ServedLane, ServedModel
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.embeddings import EmbeddingCall, EmbeddingReply
from nexusflow.ir.loss import Losses
from nexusflow.ir.usage import Usage
from nexusflow.keys.model import Key
from nexusflow.protocols.common import checks, hints
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.protocols.openai_embeddings import identity_reply, identity_request, inputs, read_request, write_reply
from nexusflow.protocols.openai_embeddings.wire import EmbeddingRequest
from nexusflow.runtime import Runtime
from nexusflow.tokens.embeddings import estimated_usage
from nexusflow.wire.head import inspect

PROTOCOL = "openai/embeddings"
GEMINI = "google/generate-content"


class Embedding(Struct):
    """A request that may be sent: to one model, by one of its lanes."""

    asking: Asking
    wanted: EmbeddingRequest
    served: ServedModel
    offer: Offer
    lanes: Sequence[ServedLane]


class OpenAIEmbeddings(Surface):
    """The embeddings surface of one artifact."""

    errors = openai_errors
    protocol = PROTOCOL
    paths = frozenset((b"/v1/embeddings", b"/embeddings"))

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.bounds = artifact.plan.server.request
        self.models: ByName = {}
        self.providers = frozenset(provider.id for provider in artifact.plan.providers)

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`."""
        super().bind(runtime)
        self.route_by(runtime.catalogue(self.artifact), runtime.fleet)
        self._desk = runtime.desk(self.artifact)

    def route_by(self, models: ByName, fleet: Fleet) -> None:
        """Take what `routed` needs; `bind` does, and whoever only wants to know where a request would go."""
        self.models = models
        self.fleet = fleet

    def asking(self, key: Key, body: bytes) -> Asking:
        """Read a request. Raises `RequestRefused`."""
        fields = checks.parse(body, identity_request.MONEY_FIELDS)
        asking = Asking(key, body, fields, fields.get("model"))
        asking.take(self.find(asking.name)[0], self.models, self.providers)
        return asking

    def routed(self, asking: Asking, name: Raw | None) -> Embedding:
        """Check a request against a model and choose its lanes. Raises `RequestRefused`."""
        served, offer = self.find(name)
        wanted = identity_request.validate(asking.body, offer.decoder, offer.model)
        checks.check_names(asking.fields, identity_request.KNOWN, offer.model)
        lanes = route.choose(served, self.fleet, asking.key.id, len(asking.body), asking.wish)
        return Embedding(asking, wanted, served, offer, lanes)

    def find(self, name: Raw | None) -> tuple[ServedModel, Offer]:
        """The model by its name. Raises `RequestRefused` for one that does not embed."""
        served = find_model(self.models, name)
        offer = served.offers.get(PROTOCOL)
        if offer is None:
            raise not_offered(served, PROTOCOL)
        return served, offer

    async def serve(self, call: Call) -> None:
        """Embed one input or many."""
        require_post(call, self.paths)
        head = inspect(call.scope["headers"], self.bounds.max_headers)
        key = admit(head.credential, self.runtime.keys)
        self._desk.gate.early(key, PROTOCOL, call.client.headers)
        asking = self.asking(key, await read_body(call.exchange, head, call.receive, self.bounds))
        found = routes(asking, partial(self.routed, asking))
        order = order_of(asking, self.find(asking.name)[0], found, PROTOCOL, found[0].wanted.user, call)
        bill = call.bill = await self._desk.reserve(order, call.exchange, call.client)

        def attempt_at(way: Way) -> Awaitable[None]:
            return self._attempt(call, next(one for one in found if one.served is way.served), way.lane)

        await serve_by_lanes(call, bill, order, self.fleet, self._desk.gate, ways_of(found), attempt_at)

    async def _attempt(self, call: Call, asked: Embedding, lane: ServedLane) -> None:
        wanted, served, body = asked.wanted, asked.served, asked.asking.body
        upstream = embed.embedder(lane, served, embed.OPENAI)
        if upstream.id != embed.OPENAI:
            said = read_request.read(body, model=served.model.id)
            await bridged(call, self.runtime, served, lane, upstream, said, write_reply.write)
            return
        losses = Losses()
        hints.note_unknown(asked.asking.fields, identity_request.KNOWN, asked.offer.model, losses)
        announce(call, self.runtime, served, losses)
        target = lane.at(upstream.path(lane.destination))
        found = await attempt.fetch(call.exchange, lane, target, upstream.errors, untranslated(asked, lane))
        encoding, count = wanted.encoding_format or "float", inputs.count(wanted)
        shown = identity_reply.relabel(found, served.raw_id, encoding=encoding, count=count)
        call.exchange.used = partial(_used, body, served.model.id, found)
        await answer_with(call, lane, shown)


def untranslated(asked: Embedding, lane: ServedLane) -> bytes:
    """The body for a lane that speaks the client's protocol. Raises `RequestRefused`."""
    fields, capabilities = dict(asked.asking.fields), lane.destination.capabilities
    return identity_request.prepare(asked.wanted, fields, asked.offer.model, lane.model, capabilities)


def _used(body: bytes, model: str, found: bytes) -> Usage:
    return identity_reply.usage(found) or estimated_usage(read_request.read(body, model=model))


async def bridged(
    call: Call,
    runtime: Runtime,
    served: ServedModel,
    lane: ServedLane,
    upstream: embed.Embedder,
    said: EmbeddingCall,
    write: Callable[[EmbeddingReply, EmbeddingCall], bytes],
) -> None:
    """One attempt by a provider that speaks the other of the two protocols."""
    losses = Losses()
    bodies = upstream.write(said, lane.destination, losses)
    announce(call, runtime, served, losses)
    reply = await embed.embed(call.exchange, lane, upstream, said, bodies)
    call.exchange.used = lambda: reply.usage
    await answer_with(call, lane, write(reply, said))


class Ready(ToModel, Protocol):
    """A request that may be sent to one model, by one of its lanes."""

    @property
    def lanes(self) -> Sequence[ServedLane]: ...


def ways_of(found: Sequence[Ready]) -> list[Way]:
    """All ways in the order to try them."""
    return [way for one in found for way in ways(one.served, one.lanes)]


def order_of(
    asking: Asking,
    asked: ServedModel,
    found: Sequence[Ready],
    protocol: str,
    user: str | None,
    call: Call | None = None,
) -> Order:
    """What a call asks to be served and paid for; without `call`, of one that nobody has made.

    `asked` is the model that it names, and `found` how it goes to that and to those that stand in.
    """
    return Order(
        key=asking.key,
        address=client_address(call.scope) if call is not None else None,
        model=found[0].served.model,
        lanes=[lane for one in found for lane in one.lanes],
        asked=asked.model.id,
        protocol=protocol,
        endpoint="embeddings",
        body=asking.body,
        demand=Demand(0, user=user),
        stream=False,
        name=name_of(call.scope["headers"]) if call is not None else None,
    )


async def answer_with(call: Call, lane: ServedLane, body: bytes) -> None:
    """Settle the call, and send its answer."""
    await charge(call, body)
    call.exchange.enter(Phase.WRITE, lane.write_stall)
    await answer(call.send, 200, body, call.client.headers)
