"""`POST /v1/responses`, and the addresses of what is stored: read, delete, list the input, count."""

import time
from typing import Any
from urllib.parse import parse_qsl, unquote

from nexusflow.endpoints.address import nowhere, path_of, require_post
from nexusflow.endpoints.conversation import Conversation, Incoming, Routed
from nexusflow.endpoints.counting import answer_count
from nexusflow.endpoints.surface import Call
from nexusflow.flow.admit import admit
from nexusflow.flow.client import answer
from nexusflow.ir.chat import ChatCall
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.usage import Usage
from nexusflow.keys.model import Key
from nexusflow.protocols.dialect import Tap
from nexusflow.protocols.openai_responses import identity_reply, input_tokens, read_request
from nexusflow.protocols.openai_responses.dialect import RESPONSES
from nexusflow.protocols.openai_responses.identity_stream import IdentityStream
from nexusflow.responses import expand, keep
from nexusflow.responses.expand import Expanded
from nexusflow.wire.head import inspect

PREFIXES = (b"/v1/responses", b"/responses")
_METHOD = Problem(kind=Kind.METHOD, message="This address takes GET and DELETE only.", allow="GET, DELETE")


class OpenAIResponses(Conversation):
    """The Responses surface of one artifact. Each request's state is kept for its own key alone."""

    dialect = RESPONSES
    endpoint = "responses"
    paths = frozenset(PREFIXES)
    counters = frozenset(prefix + b"/input_tokens" for prefix in PREFIXES)

    async def serve(self, call: Call) -> None:
        """Create a response, or look after a stored one."""
        path = path_of(call)
        if path in self.paths:
            await super().serve(call)
        elif path in self.counters:
            require_post(call, self.counters)
            await answer_count(self, call, _read_count, _write_count)
        else:
            await self._stored(call, path)

    async def receive(self, call: Call) -> Incoming:
        """The request with the stored items that it refers to in their places."""
        incoming = await super().receive(call)
        asked = expand.wanted(incoming.fields)
        if asked:
            store = self.runtime.responses
            found = await store.run(expand.resolve, incoming.fields, str(incoming.key.id), _now())
        else:
            found = expand.expand(incoming.fields, None, {})
        return self.complete(incoming, found, leans=bool(asked))

    def complete(self, incoming: Incoming, found: Expanded, *, leans: bool) -> Incoming:
        """`incoming` as it was `found` to mean; `leans` tells whether it refers to anything stored."""
        incoming.state = found
        incoming.fields = found.fields
        if leans:
            incoming.body = found.body
        return incoming

    def continues(self, wanted: Any) -> bool:
        """See `Conversation`; here what the model said is items of many kinds, or stored."""
        return True

    def read_call(self, routed: Routed) -> ChatCall:
        """The call, which knows the response that it continues, for its answer to name it too."""
        body, model = routed.incoming.body, routed.served.model.id
        return read_request.read(body, model=model, stream=routed.streams, previous_response_id=_previous(routed))

    def relabel(self, routed: Routed, body: bytes) -> bytes:
        """With the id of the response that this one continues, which the provider was not told."""
        return identity_reply.relabel(body, routed.served.raw_id, previous=_previous(routed))

    def tap(self, routed: Routed) -> Tap:
        """The same for a stream."""
        return IdentityStream(routed.served.raw_id, previous=_previous(routed))

    async def answered(self, routed: Routed, body: bytes) -> None:
        """Store the answer before the client has it, so that its next request may already refer to it."""
        incoming = routed.incoming
        if isinstance(incoming.state, Expanded) and expand.stores(incoming.fields):
            await self.runtime.responses.run(keep.keep, incoming.state, body, str(incoming.key.id), _now())

    async def streamed(self, routed: Routed, tap: Tap) -> None:
        """The same for a stream, whose last event holds the whole response."""
        body = getattr(tap, "response", None)
        if body is not None:
            await self.answered(routed, body)

    async def _stored(self, call: Call, path: bytes) -> None:
        head = inspect(call.scope["headers"], self.bounds.max_headers)
        key = admit(head.credential, self.runtime.keys)
        prefix = next((one + b"/" for one in PREFIXES if path.startswith(one + b"/")), None)
        if prefix is None:
            raise nowhere()
        id_, _, verb = path.removeprefix(prefix).decode("latin-1").partition("/")
        body = await self._about(call, key, unquote(id_), verb)
        await answer(call.send, 200, body, call.client.headers)

    async def _about(self, call: Call, key: Key, id_: str, verb: str) -> bytes:
        store, key_id, method = self.runtime.responses, str(key.id), str(call.scope.get("method"))
        if verb == "input_items" and method == "GET":
            query = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
            return await store.run(keep.list_input, id_, key_id, _now(), query)
        if verb == "cancel" and method == "POST":
            await store.run(keep.retrieve, id_, key_id, _now())
            raise refuse(Kind.PARAM, "Only a background response can be cancelled.", param="response_id")
        if verb:
            raise nowhere()
        if method == "GET":
            return await store.run(keep.retrieve, id_, key_id, _now())
        if method == "DELETE":
            return await store.run(keep.remove, id_, key_id, _now())
        raise RequestRefused(_METHOD)


def _previous(routed: Routed) -> str | None:
    state = routed.incoming.state
    return state.previous if isinstance(state, Expanded) else None


def _read_count(body: bytes, model: str) -> ChatCall:
    return input_tokens.read(body, model=model)


def _write_count(usage: Usage) -> bytes:
    return input_tokens.write(usage.total_input)


def _now() -> int:
    return time.time_ns() // 1_000_000
