"""Google's `:embedContent` and `:batchEmbedContents`, verbs of the Gemini surface."""

from collections.abc import Awaitable, Sequence
from functools import partial

import msgspec
from msgspec import Raw, Struct

from nexusflow.endpoints.address import find_model, not_offered
from nexusflow.endpoints.asking import Asking, routes
from nexusflow.endpoints.conversation import Conversation
from nexusflow.endpoints.embeddings import PROTOCOL, answer_with, bridged, order_of, ways_of
from nexusflow.endpoints.lanes import serve_by_lanes
from nexusflow.endpoints.surface import Call
from nexusflow.flow import attempt, embed, route
from nexusflow.flow.admit import admit
from nexusflow.flow.body import read_body
from nexusflow.flow.failover import Way
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.ir.plan import Model
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini_embeddings import identity_reply, identity_request, read_request, write_reply
from nexusflow.protocols.gemini_embeddings.wire import EmbedContent
from nexusflow.tokens.embeddings import estimated_usage
from nexusflow.wire import jsonedit
from nexusflow.wire.head import gemini_credential, inspect

GEMINI = "google/generate-content"


class Embedding(Struct):
    """A request that may be sent: to one model, by one of its lanes."""

    asking: Asking
    wanted: list[EmbedContent]
    served: ServedModel
    lanes: Sequence[ServedLane]


class GeminiEmbeddings:
    """The two verbs, for the surface that they belong to."""

    def __init__(self, surface: Conversation) -> None:
        self._surface = surface

    async def serve(self, call: Call, name: str, *, batch: bool) -> None:
        """Embed one content with the model `name`, or many."""
        surface = self._surface
        server, desk = surface.artifact.plan.server, surface.desk
        head = inspect(call.scope["headers"], server.request.max_headers)
        key = admit(gemini_credential(head, call.scope, server), surface.runtime.keys)
        desk.gate.early(key, GEMINI, call.client.headers)
        body, fields = identity_request.parse(
            await read_body(call.exchange, head, call.receive, server.request), batch=batch
        )
        asking = Asking(key, body, fields, jsonedit.text(name))
        asked = self._find(asking.name)
        asking.take(asked, surface.models, surface.providers)
        found = routes(asking, partial(self._routed, asking, asked.model, batch))
        order = order_of(asking, asked, found, GEMINI, None, call)
        bill = call.bill = await desk.reserve(order, call.exchange, call.client)

        def attempt_at(way: Way) -> Awaitable[None]:
            return self._attempt(call, next(one for one in found if one.served is way.served), way.lane, batch)

        await serve_by_lanes(call, bill, order, surface.fleet, desk.gate, ways_of(found), attempt_at)

    def _find(self, name: Raw | None) -> ServedModel:
        served = find_model(self._surface.models, name)
        if PROTOCOL not in served.offers and not ("embedding" in served.model.output and GEMINI in served.offers):
            raise not_offered(served, GEMINI)
        return served

    def _routed(self, asking: Asking, asked: Model, batch: bool, name: Raw | None) -> Embedding:
        served = self._find(name)
        # Where it stands in, the request still says the name of the model that was asked for.
        model = msgspec.structs.replace(served.model, aliases=(*served.model.aliases, asked.id, *asked.aliases))
        bounds = self._surface.artifact.plan.server.request
        wanted = identity_request.validate(asking.body, model, bounds, batch=batch)
        identity_request.check_names(asking.fields, model)
        lanes = route.choose(served, self._surface.fleet, asking.key.id, len(asking.body), asking.wish)
        return Embedding(asking, wanted, served, lanes)

    async def _attempt(self, call: Call, asked: Embedding, lane: ServedLane, batch: bool) -> None:
        served, wanted, fields = asked.served, asked.wanted, asked.asking.fields
        upstream = embed.embedder(lane, served, embed.GOOGLE)
        if upstream.id != embed.GOOGLE:
            said = read_request.read(wanted, fields, model=served.model.id)
            await bridged(call, self._surface.runtime, served, lane, upstream, said, write_reply.write)
            return
        to = lane.destination
        outgoing = identity_request.prepare(wanted, dict(fields), served.model, to.model, to.capabilities)
        path = upstream.path(to) if batch else upstream.path(to).replace(":batchEmbedContents", ":embedContent")
        found = await attempt.fetch(call.exchange, lane, lane.at(path), upstream.errors, outgoing)
        shown = identity_reply.relabel(found, served.raw_id, count=len(wanted))
        call.exchange.used = partial(_used, asked, found)
        await answer_with(call, lane, shown)


def _used(asked: Embedding, found: bytes) -> Usage:
    reported = identity_reply.usage(found)
    if reported is not None:
        return reported
    return estimated_usage(read_request.read(asked.wanted, asked.asking.fields, model=asked.served.model.id))
