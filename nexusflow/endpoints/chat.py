"""`POST /v1/chat/completions`: the steps of one call, in order."""

import asyncio
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow import attempt, route, stream
from nexusflow.flow.admit import admit
from nexusflow.flow.body import read_body
from nexusflow.flow.client import Header, answer
from nexusflow.flow.exchange import Phase
from nexusflow.flow.served import ByName, ServedLane, ServedModel, serve_models
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.plan import Protocol
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_chat import errors, identity_reply, identity_request
from nexusflow.protocols.openai_chat.identity_stream import IdentityStream
from nexusflow.runtime import Runtime
from nexusflow.upstream.transport import Reply
from nexusflow.wire import jsonedit
from nexusflow.wire.head import inspect
from nexusflow.wire.jsonedit import Fields

PROTOCOL: Protocol = "openai/chat-completions"
PATH = b"/v1/chat/completions"
UPSTREAM_PATH = "/chat/completions"

_METHOD = Problem(kind=Kind.METHOD, message="This address takes POST only.", allow="POST")
_SIMULATED: Header = (b"x-nexusflow-simulated", b"true")


class OpenAIChat(Surface):
    """The chat surface of one artifact."""

    errors = errors

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self._bounds = artifact.plan.server.request
        self._models: ByName = {}

    def bind(self, runtime: Runtime) -> None:
        """See `Surface.bind`; also opens the connection pools that the models need."""
        super().bind(runtime)
        artifact = self._artifact
        self._models = serve_models(artifact.plan, UPSTREAM_PATH, artifact.decoders, runtime)

    async def serve(self, call: Call) -> None:
        """Admit, read, validate, route, and answer as JSON or as a stream."""
        if call.scope["raw_path"].partition(b"?")[0].removesuffix(b"/") != PATH:
            # The router also takes encoded and doubled slashes, which a proxy's rules may read otherwise (C-23).
            raise refuse(Kind.ROUTE, "There is nothing at this address.")
        if call.scope.get("method") != "POST":
            raise RequestRefused(_METHOD)
        head = inspect(call.scope["headers"], self._bounds.max_headers)
        admit(head.credential, self.runtime.keys)
        body = await read_body(call.exchange, head, call.receive, self._bounds)
        fields = checks.parse(body, identity_request.MONEY_FIELDS)
        served, decoder = self._find(fields)
        wanted = identity_request.validate(body, decoder, served.model, self._bounds)
        checks.check_names(fields, identity_request.KNOWN, served.model)
        lane = route.choose(served)
        if lane.provider.simulated:
            call.client.headers.append(_SIMULATED)
        streaming = bool(wanted.stream)
        usage = lane.provider.stream_usage
        outgoing = identity_request.prepare(fields, served.model, lane.model, stream=streaming, usage=usage)
        if streaming:
            asked = wanted.stream_options is not None and bool(wanted.stream_options.include_usage)
            tap = IdentityStream(served.raw_id, hide_usage=usage == "option" and not asked)
            await self._stream(call, lane, outgoing, tap)
        else:
            await self._unary(call, served, lane, outgoing)

    def _find(self, fields: Fields) -> tuple[ServedModel, msgspec.json.Decoder[Any]]:
        """The model by the raw bytes of its name; a name spelled with escapes is decoded first."""
        raw = fields.get("model")
        if raw is None:
            raise refuse(Kind.PARAM, "`model` is required", param="model", code="missing_required_parameter")
        served = self._models.get(bytes(raw))
        if served is None:
            name = jsonedit.as_text(raw)
            if name is None:
                raise refuse(Kind.PARAM, "`model` must be a string", param="model", code="invalid_type")
            served = self._models.get(bytes(jsonedit.text(name)))
        if served is None:
            raise refuse(Kind.MODEL, "The model does not exist. GET /v1/models lists the models.", param="model")
        if served.decoder is None:
            offers = ", ".join(served.model.protocols)
            message = f"`{served.model.id}` is not offered over {PROTOCOL}; it is offered over: {offers}"
            raise refuse(Kind.MODEL, message, param="model")
        return served, served.decoder

    async def _unary(self, call: Call, served: ServedModel, lane: ServedLane, outgoing: bytes) -> None:
        exchange = call.exchange
        exchange.limit_total(lane.total)
        exchange.enter(Phase.FIRST_BYTE, lane.total)
        reply = await attempt.send(lane, outgoing, stream=False, request_id=exchange.request_id)
        complete = False
        try:
            await self._require_success(reply, lane, exchange.request_id)
            attempt.require_json(reply)
            body = await attempt.read(reply, lane, attempt.MAX_BODY_BYTES, exchange.request_id)
            complete = True
        finally:
            reply.close(reusable=complete)
        body = identity_reply.relabel(body, served.raw_id)
        exchange.enter(Phase.WRITE, lane.write_stall)
        await answer(call.send, 200, body, call.client.headers)

    async def _stream(self, call: Call, lane: ServedLane, outgoing: bytes, tap: IdentityStream) -> None:
        exchange = call.exchange
        exchange.limit_total(lane.stream_total)
        exchange.enter(Phase.FIRST_BYTE, lane.first_byte)
        watcher = asyncio.create_task(stream.watch_client(exchange, call.receive))
        try:
            reply = await attempt.send(lane, outgoing, stream=True, request_id=exchange.request_id)
            await self._require_stream(reply, lane, exchange.request_id)
            await stream.pump(exchange, reply, tap, call.client, lane)
        finally:
            watcher.cancel()

    async def _require_success(self, reply: Reply, lane: ServedLane, request_id: str) -> None:
        if reply.status != 200:
            body = await attempt.read(reply, lane, attempt.MAX_ERROR_BYTES, request_id)
            raise RequestRefused(errors.read(reply.status, body, attempt.retry_after(reply)))

    async def _require_stream(self, reply: Reply, lane: ServedLane, request_id: str) -> None:
        """Refuse an answer that is no event stream: an HTTP error, an error in a 200, an HTML page (U-15, U-16)."""
        try:
            await self._require_success(reply, lane, request_id)
            kind = reply.headers.get("content-type", "text/event-stream")
            if "event-stream" in kind:
                return
            attempt.require_json(reply)
            identity_reply.relabel(await attempt.read(reply, lane, attempt.MAX_BODY_BYTES, request_id), Raw(b"null"))
            raise refuse(Kind.UPSTREAM, "The provider answered a stream with a single object.")
        except BaseException:
            reply.close(reusable=False)
            raise
