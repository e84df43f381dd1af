"""`POST /v1beta/models/{model}:{verb}`, and the same under `/v1`: Google's addresses, which name the model.

`GET` on the same addresses is the model list (`nexusflow.endpoints.models`); `by_method` tells them apart.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from litestar.types import ASGIApp, Receive, Scope, Send

from nexusflow.endpoints.address import nowhere, path_of, require_post
from nexusflow.endpoints.conversation import Conversation, Incoming, Routed
from nexusflow.endpoints.counting import answer_count
from nexusflow.endpoints.gemini_embeddings import GeminiEmbeddings
from nexusflow.endpoints.surface import Call
from nexusflow.flow.admit import admit
from nexusflow.flow.body import read_body
from nexusflow.ir.chat import ChatCall
from nexusflow.protocols.dialect import Tap
from nexusflow.protocols.gemini import count_tokens, json_array, keys, signatures
from nexusflow.protocols.gemini.dialect import GEMINI
from nexusflow.wire import jsonedit
from nexusflow.wire.head import gemini_credential, inspect
from nexusflow.wire.jsonedit import Fields

PREFIXES = ("/v1beta/models/", "/v1/models/", "/v1beta/")
"""The last for clients that take `vendor/name` for a collection and a name in it, as the AI SDK does."""


@dataclass(frozen=True, slots=True)
class Address:
    """What the address of a call says."""

    model: str
    verb: str
    sse: bool


def by_method(models: ASGIApp, generate: ASGIApp | None = None) -> ASGIApp:
    """One address, two surfaces: a POST with a verb is a call, and everything else is the model list's business."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        verb = scope.get("method") == "POST" and b":" in scope["raw_path"]
        await (generate if verb and generate is not None else models)(scope, receive, send)

    return choose


class GeminiGenerate(Conversation):
    """The surface of Google's verbs of one artifact."""

    dialect = GEMINI
    endpoint = "generate"

    async def serve(self, call: Call) -> None:
        """Answer the verb that the address names."""
        address = _address(call)
        if address.verb in ("generateContent", "streamGenerateContent"):
            await self.converse(call, await self.receive(call))
        elif address.verb == "countTokens":
            await answer_count(self, call, _read_count, count_tokens.write_answer)
        elif address.verb in ("embedContent", "batchEmbedContents"):
            batch = address.verb == "batchEmbedContents"
            await GeminiEmbeddings(self).serve(call, address.model, batch=batch)
        else:
            raise nowhere()

    async def receive(self, call: Call) -> Incoming:
        """The caller, who may give the key in the query, and the body with one spelling of every key."""
        address = _address(call)
        head = inspect(call.scope["headers"], self.bounds.max_headers)
        key = admit(gemini_credential(head, call.scope, self.artifact.plan.server), self.runtime.keys)
        self.desk.gate.early(key, self.dialect.id, call.client.headers)
        body, fields = self.parse(await read_body(call.exchange, head, call.receive, self.bounds))
        streams = address.verb == "streamGenerateContent"
        return Incoming(key, body, fields, jsonedit.text(address.model), streams=streams)

    def parse(self, body: bytes) -> tuple[bytes, Fields]:
        """See `Conversation`; keys may be spelled in two ways."""
        return keys.normalise(body, self.dialect.identity_request.MONEY_FIELDS)

    def holds_foreign_turns(self, routed: Routed) -> bool:
        """See `Conversation`; Google's clients carry envelopes in base64, and calls without any state are foreign too
        where the model wants it back (protocols 1.5.5)."""
        level = routed.lane.destination.capabilities.reasoning.shape == "level"
        return signatures.any_foreign(routed.incoming.body, unsigned=level)

    def framed(self, call: Call, tap: Tap) -> Tap:
        """Without `alt=sse` the stream is one JSON array (protocols 1.5.3)."""
        if _address(call).sse:
            return tap
        array = json_array.ArrayTap(tap)
        call.failure = array.event
        call.client.content_type = (b"content-type", b"application/json; charset=utf-8")
        call.client.keep_alive_frame = json_array.KEEP_ALIVE
        return array


def _read_count(body: bytes, model: str) -> ChatCall:
    return count_tokens.read(body, model=model)


def _address(call: Call) -> Address:
    """Names may hold slashes and colons: the verb stands behind the last colon."""
    require_post(call, frozenset((path_of(call),)))
    path = path_of(call).decode("latin-1")
    prefix = next((prefix for prefix in PREFIXES if path.startswith(prefix)), None)
    name, colon, verb = path.removeprefix(prefix or "").rpartition(":")
    if prefix is None or not colon or not name:
        raise nowhere()
    query = parse_qs(call.scope.get("query_string", b"").decode("latin-1"))
    model = unquote(name).removeprefix("models/")
    return Address(model, verb, "sse" in query.get("alt", ()))
