"""`POST /v1/embeddings`, and Google's `:embedContent` and `:batchEmbedContents`."""

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from nexusflow.endpoints.address import find_model, not_offered, require_post
from nexusflow.endpoints.conversation import announce, charge
from nexusflow.endpoints.lanes import serve_by_lanes
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow import attempt, embed, route
from nexusflow.flow.admit import admit, client_address
from nexusflow.flow.body import read_body
from nexusflow.flow.client import answer
from nexusflow.flow.desk import Desk
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
from nexusflow.protocols.common import checks
from nexusflow.protocols.common.demand import Demand
from nexusflow.protocols.gemini_embeddings import identity_reply as google_identity
from nexusflow.protocols.gemini_embeddings import identity_request as google_request
from nexusflow.protocols.gemini_embeddings import read_request as google_reader
from nexusflow.protocols.gemini_embeddings import write_reply as google_writer
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.protocols.openai_embeddings import identity_reply, identity_request, inputs, read_request, write_reply
from nexusflow.protocols.openai_embeddings.wire import EmbeddingRequest
from nexusflow.runtime import Runtime
from nexusflow.tokens.embeddings import estimated_usage
from nexusflow.wire import jsonedit
from nexusflow.wire.head import gemini_credential, inspect
from nexusflow.wire.jsonedit import Fields

PROTOCOL = "openai/embeddings"
GEMINI = "google/generate-content"


class Embedding(Struct):
    """A request that may be sent."""

    fields: Fields
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

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`."""
        super().bind(runtime)
        self.route_by(runtime.catalogue(self.artifact), runtime.fleet)
        self._desk = runtime.desk(self.artifact)

    def route_by(self, models: ByName, fleet: Fleet) -> None:
        """Take what `routed` needs; `bind` does, and whoever only wants to know where a request would go."""
        self.models = models
        self.fleet = fleet

    def routed(self, key: Key, body: bytes) -> Embedding:
        """Read and check a request, and choose its lanes. Raises `RequestRefused`."""
        fields = checks.parse(body, identity_request.MONEY_FIELDS)
        served = find_model(self.models, fields.get("model"))
        offer = served.offers.get(PROTOCOL)
        if offer is None:
            raise not_offered(served, PROTOCOL)
        wanted = identity_request.validate(body, offer.decoder, offer.model)
        checks.check_names(fields, identity_request.KNOWN, offer.model)
        return Embedding(fields, wanted, served, offer, route.choose(served, self.fleet, key.id, len(body)))

    async def serve(self, call: Call) -> None:
        """Embed one input or many."""
        require_post(call, self.paths)
        head = inspect(call.scope["headers"], self.bounds.max_headers)
        key = admit(head.credential, self.runtime.keys)
        self._desk.gate.early(key, PROTOCOL, call.client.headers)
        body = await read_body(call.exchange, head, call.receive, self.bounds)
        asked = self.routed(key, body)
        wanted, served = asked.wanted, asked.served
        order = order_of(key, served, asked.lanes, PROTOCOL, body, wanted.user, call)
        bill = call.bill = await self._desk.reserve(order, call.exchange, call.client)

        async def attempt_at(way: Way) -> None:
            lane = way.lane
            upstream = embed.embedder(lane, served, embed.OPENAI)
            if upstream.id != embed.OPENAI:
                said = read_request.read(body, model=served.model.id)
                await _bridged(call, self.runtime, served, lane, upstream, said, write_reply.write)
                return
            outgoing = untranslated(asked, lane)
            target = lane.at(upstream.path(lane.destination))
            found = await attempt.fetch(call.exchange, lane, target, upstream.errors, outgoing)
            call.exchange.used = partial(_used, body, served.model.id, found)
            shown = identity_reply.relabel(
                found, served.raw_id, encoding=wanted.encoding_format or "float", count=inputs.count(wanted)
            )
            await _answer(call, lane, shown)

        await serve_by_lanes(call, bill, order, self.fleet, self._desk.gate, ways(served, asked.lanes), attempt_at)


def untranslated(asked: Embedding, lane: ServedLane) -> bytes:
    """The body for a lane that speaks the client's protocol. Raises `RequestRefused`."""
    capabilities = lane.destination.capabilities
    return identity_request.prepare(asked.wanted, dict(asked.fields), asked.offer.model, lane.model, capabilities)


def _used(body: bytes, model: str, found: bytes) -> Usage:
    return identity_reply.usage(found) or estimated_usage(read_request.read(body, model=model))


async def embed_contents(
    call: Call, runtime: Runtime, artifact: Artifact, models: ByName, desk: Desk, name: str, *, batch: bool
) -> None:
    """Google's two verbs for the model `name`."""
    server = artifact.plan.server
    head = inspect(call.scope["headers"], server.request.max_headers)
    key = admit(gemini_credential(head, call.scope, server), runtime.keys)
    desk.gate.early(key, GEMINI, call.client.headers)
    body = await read_body(call.exchange, head, call.receive, server.request)
    body, fields = google_request.parse(body, batch=batch)
    served = find_model(models, jsonedit.text(name))
    if PROTOCOL not in served.offers and not ("embedding" in served.model.output and GEMINI in served.offers):
        raise not_offered(served, GEMINI)
    model = served.model
    wanted = google_request.validate(body, model, server.request, batch=batch)
    google_request.check_names(fields, model)
    lanes = route.choose(served, runtime.fleet, key.id, len(body))
    order = order_of(key, served, lanes, GEMINI, body, None, call)
    bill = call.bill = await desk.reserve(order, call.exchange, call.client)

    async def attempt_at(way: Way) -> None:
        lane = way.lane
        upstream = embed.embedder(lane, served, embed.GOOGLE)
        if upstream.id != embed.GOOGLE:
            said = google_reader.read(wanted, fields, model=served.model.id)
            await _bridged(call, runtime, served, lane, upstream, said, google_writer.write)
            return
        to = lane.destination
        outgoing = google_request.prepare(wanted, dict(fields), model, to.model, to.capabilities)
        path = upstream.path(to) if batch else upstream.path(to).replace(":batchEmbedContents", ":embedContent")
        found = await attempt.fetch(call.exchange, lane, lane.at(path), upstream.errors, outgoing)
        call.exchange.used = lambda: (
            google_identity.usage(found) or estimated_usage(google_reader.read(wanted, fields, model=model.id))
        )
        await _answer(call, lane, google_identity.relabel(found, served.raw_id, count=len(wanted)))

    await serve_by_lanes(call, bill, order, runtime.fleet, desk.gate, ways(served, lanes), attempt_at)


async def _bridged(
    call: Call,
    runtime: Runtime,
    served: ServedModel,
    lane: ServedLane,
    upstream: embed.Embedder,
    said: EmbeddingCall,
    write: Callable[[EmbeddingReply, EmbeddingCall], bytes],
) -> None:
    losses = Losses()
    bodies = upstream.write(said, lane.destination, losses)
    announce(call, runtime, served, losses)
    reply = await embed.embed(call.exchange, lane, upstream, said, bodies)
    call.exchange.used = lambda: reply.usage
    await _answer(call, lane, write(reply, said))


def order_of(
    key: Key,
    served: ServedModel,
    lanes: Sequence[ServedLane],
    protocol: str,
    body: bytes,
    user: str | None,
    call: Call | None = None,
) -> Order:
    """What a call asks to be served and paid for; without `call`, of one that nobody has made."""
    return Order(
        key=key,
        address=client_address(call.scope) if call is not None else None,
        model=served.model,
        lanes=lanes,
        asked=served.model.id,
        protocol=protocol,
        endpoint="embeddings",
        body=body,
        demand=Demand(0, user=user),
        stream=False,
        name=name_of(call.scope["headers"]) if call is not None else None,
    )


async def _answer(call: Call, lane: ServedLane, body: bytes) -> None:
    await charge(call, body)
    call.exchange.enter(Phase.WRITE, lane.write_stall)
    await answer(call.send, 200, body, call.client.headers)
