"""A key's own limits: `GET /v1/limits` says how they stand, `/v1/limit-requests` asks for more (contract 2.10)."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from nexusflow.accounts.model import AccountInvalid, AccountTaken
from nexusflow.accounts.quotas import LimitRequest, QuotaTable
from nexusflow.endpoints.address import find_model, path_of
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit, client_address, permit
from nexusflow.flow.body import read_body
from nexusflow.flow.client import answer
from nexusflow.flow.desk import Desk
from nexusflow.flow.served import ByName, ServedModel
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.quota import Quota
from nexusflow.keys.model import Key
from nexusflow.limits import LimitsAway
from nexusflow.limits.words import limit_words
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.runtime import Runtime
from nexusflow.store import Database
from nexusflow.wire import jsonedit
from nexusflow.wire.head import Head, inspect

PATHS = ("/v1/limits", "/v1/limit-requests")


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for more: of one `model` or of all."""

    model: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    reason: str = ""


_decode = msgspec.json.Decoder(Wish).decode


class LimitPages(Surface):
    """The pages of one artifact. Their errors are in OpenAI's form."""

    errors = openai_errors
    desk: Desk

    def __init__(self, runtime: Runtime, artifact: Artifact) -> None:
        self.bind(runtime)
        self._bounds = artifact.plan.server.request
        self._models: ByName = runtime.catalogue(artifact)
        self._gate = runtime.desk(artifact).gate

    async def serve(self, call: Call) -> None:
        """Answer the one page that the address names."""
        head = inspect(call.scope["headers"], self._bounds.max_headers)
        key = admit(head.credential, self.runtime.keys)
        permit(key, None, None, "limits", client_address(call.scope))
        asks = path_of(call).decode("latin-1") == PATHS[1]
        method = call.scope.get("method")
        if method == "GET":
            found = await self._filed(key) if asks else await self._standing(key, call)
        elif method == "POST" and asks:
            found = _request_words(await self._file(key, head, call))
        else:
            allow = "GET, POST" if asks else "GET"
            raise RequestRefused(Problem(kind=Kind.METHOD, message=f"This address takes {allow} only.", allow=allow))
        await answer(call.send, 200, msgspec.json.encode(found), call.client.headers)

    async def _standing(self, key: Key, call: Call) -> dict[str, Any]:
        query = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
        name = query.get("model")
        model = self._model(name).model if name else None
        limits = self._gate.limits(key, model)
        try:
            states = await self._gate.peek(limits)
        except LimitsAway:
            states = None
        return {"object": "list", "model": model.id if model else None, "data": limit_words(limits, states)}

    async def _filed(self, key: Key) -> dict[str, Any]:
        def read(database: Database) -> list[dict[str, Any]]:
            return [_request_words(one) for one in QuotaTable(database).requests(key_id=key.id)]

        return {"object": "list", "data": await self.runtime.books.run(read)}

    async def _file(self, key: Key, head: Head, call: Call) -> LimitRequest:
        body = await read_body(call.exchange, head, call.receive, self._bounds)
        wish = _read(body)
        model = self._model(wish.model).model.id if wish.model else ""
        wanted = Quota(rpm=wish.rpm, tpm=wish.tpm, concurrency=wish.concurrency)

        def ask(database: Database) -> LimitRequest:
            return QuotaTable(database).ask(key.org, key.id, key.owner or key.id, model, wanted, wish.reason)

        try:
            return await self.runtime.books.run(ask)
        except AccountInvalid as error:
            raise refuse(Kind.PARAM, str(error), param=error.field) from error
        except AccountTaken as error:
            raise refuse(Kind.CONFLICT, str(error), code="too_many_open_requests") from error

    def _model(self, name: str) -> ServedModel:
        return find_model(self._models, jsonedit.text(name))


def limit_routes(runtime: Runtime, artifact: Artifact) -> list[ASGIRouteHandler]:
    """The handlers of the pages, bound to this worker."""
    pages = LimitPages(runtime, artifact)

    @asgi([*PATHS], copy_scope=False)
    async def limit_pages(scope: Scope, receive: Receive, send: Send) -> None:
        await pages(scope, receive, send)

    return [limit_pages]


def _read(body: bytes) -> Wish:
    checks.parse(body, ("rpm", "tpm", "concurrency", "model"))
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise checks.explain(str(error)) from None


def _request_words(asked: LimitRequest) -> dict[str, Any]:
    words = msgspec.structs.asdict(asked)
    return {
        "object": "limit_request",
        **{name: words[name] for name in ("id", "state", "rpm", "tpm", "concurrency", "reason", "answer")},
        "model": asked.model or None,
        "created": asked.created_ms // 1000,
        "decided": None if asked.decided_ms is None else asked.decided_ms // 1000,
    }
