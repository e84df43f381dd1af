"""A request that the surfaces have read and routed though nobody sent it, for `nexusflow.endpoints.explain`."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec import Raw, Struct

from nexusflow.accounts.directory import Directory
from nexusflow.endpoints.asking import Asking, ToModel, routes
from nexusflow.endpoints.conversation import GOOGLE, Conversation, Incoming, Routed
from nexusflow.endpoints.embeddings import PROTOCOL, Embedding, OpenAIEmbeddings, order_of, untranslated
from nexusflow.endpoints.responses import OpenAIResponses
from nexusflow.flow import apis, embed, media
from nexusflow.flow.body import too_large
from nexusflow.flow.explained import StandIn
from nexusflow.flow.order import Order
from nexusflow.flow.preference import Preference
from nexusflow.flow.served import ServedLane, ServedModel
from nexusflow.ir.chat import Origin
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.keys.model import Key
from nexusflow.protocols.dialects import DIALECTS
from nexusflow.protocols.openai_embeddings import read_request
from nexusflow.responses import expand
from nexusflow.responses.table import ResponseTable
from nexusflow.wire import jsonedit

Explainable = Conversation | OpenAIEmbeddings


class Accounts(Struct, frozen=True):
    """What the database says of a caller, where a key is named."""

    directory: Directory
    responses: ResponseTable


class Put(Struct):
    """How a request is put to one lane; `losses` grows with it. `known`: whether they are all that there are."""

    losses: Losses
    protocol: str = ""
    translated: bool = False
    known: bool = True


class Route(Struct, frozen=True):
    """One model that may answer. `put` writes the body for one of its `lanes`, and raises `RequestRefused`."""

    served: ServedModel
    lanes: Sequence[ServedLane]
    put: Callable[[ServedLane, Put], None]


class Taken(Struct, frozen=True, kw_only=True):
    """A request and its ways. `asked` is the model that it names, also where another one stands in."""

    asked: ServedModel
    order: Order
    routes: Sequence[Route]
    wish: Preference | None = None
    stand_ins: Sequence[StandIn] = ()


def protocol_of(surface: Explainable) -> str:
    """The client protocol that a surface speaks."""
    return surface.dialect.id if isinstance(surface, Conversation) else PROTOCOL


def take(surface: Explainable, name: str, body: bytes, key: Key, accounts: Accounts | None) -> Taken:
    """What a request for the model `name` comes to; `name` counts where addresses say it. Raises `RequestRefused`."""
    if len(body) > surface.bounds.max_body_bytes:
        raise too_large(surface.bounds.max_body_bytes)
    if isinstance(surface, OpenAIEmbeddings):
        return _take_embedding(surface, surface.asking(key, body))
    incoming = _read(surface, name, body, key, accounts)
    found = surface.routes(incoming)
    return Taken(
        asked=surface.find(incoming.name)[0],
        order=surface.order(found),
        routes=[Route(one.served, one.lanes, partial(_put_chat, surface, one)) for one in found],
        wish=incoming.wish,
        stand_ins=_stand_ins(incoming, partial(surface.routed, incoming), [one.served.model.id for one in found]),
    )


def _take_embedding(surface: OpenAIEmbeddings, asking: Asking) -> Taken:
    route = partial(surface.routed, asking)
    found = routes(asking, route)
    asked = surface.find(asking.name)[0]
    return Taken(
        asked=asked,
        order=order_of(asking, asked, found, PROTOCOL, found[0].wanted.user),
        routes=[Route(one.served, one.lanes, partial(_put_embedding, one)) for one in found],
        wish=asking.wish,
        stand_ins=_stand_ins(asking, route, [one.served.model.id for one in found]),
    )


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _read(surface: Conversation, name: str, body: bytes, key: Key, accounts: Accounts | None) -> Incoming:
    body, fields = surface.parse(body)
    if surface.dialect.id == GOOGLE:  # its addresses name the model and say whether the answer is streamed
        return Incoming(key, body, fields, jsonedit.text(name), streams=False)
    incoming = Incoming(key, body, fields, fields.get("model"))
    if not isinstance(surface, OpenAIResponses):
        return incoming
    leans = bool(expand.wanted(fields))
    if accounts is not None:
        found = expand.resolve(accounts.responses, fields, key.id, now())
    else:
        found = expand.expand(fields, None, {})
    return surface.complete(incoming, found, leans=leans)


def _stand_ins(asking: Asking, route: Callable[[Raw | None], ToModel], ready: Sequence[str]) -> list[StandIn]:
    """The models that may answer in place of the one that was asked for, with what keeps some from it."""
    found = []
    for name in asking.backups:
        why = None
        try:
            model = route(jsonedit.text(name)).served.model.id
            if model not in ready:
                why = "This key may not use it."
        except RequestRefused as refused:
            model, why = name, refused.problem.message
        found.append(StandIn(model, why))
    return found


def _put_chat(surface: Conversation, routed: Routed, lane: ServedLane, put: Put) -> None:
    # Each lane has its own names and exceptions, which are written into the fields.
    incoming = msgspec.structs.replace(routed.incoming, fields=dict(routed.incoming.fields))
    routed = msgspec.structs.replace(routed, incoming=incoming, lane=lane, losses=put.losses)
    put.protocol = upstream = surface.upstream_of(routed)
    put.translated = not surface.passes_through(routed, upstream)
    if not put.translated:
        surface.untranslated(routed)
        return
    call = surface.read_call(routed)
    spoken: Origin = apis.interface(lane, call, upstream)
    put.protocol = spoken
    if media.needed(call, lane.destination.capabilities, spoken):
        put.known = False  # they would have to be fetched first
        return
    DIALECTS[spoken].write_request.write(call, lane.destination, put.losses)


def _put_embedding(asked: Embedding, lane: ServedLane, put: Put) -> None:
    put.protocol = lane.provider.protocol
    upstream = embed.embedder(lane, asked.served, embed.OPENAI)
    put.protocol = upstream.id
    put.translated = upstream.id != embed.OPENAI
    if put.translated:
        upstream.write(read_request.read(asked.asking.body, model=asked.served.model.id), lane.destination, put.losses)
    else:
        untranslated(asked, lane)
