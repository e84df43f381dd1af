"""What a key may know of its own account: `GET /v1/balance`, `/v1/usage`, `/v1/requests` and `/v1/requests/{id}`.

Each key sees its own calls and usage, and the balance of the organisation that pays for them.
"""

import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from nexusflow.endpoints.address import path_of
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit, client_address, permit
from nexusflow.flow.client import answer
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.plan import Server
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.reports import account
from nexusflow.reports.calls import LONGEST, call, calls
from nexusflow.reports.usage import DIMENSIONS, Dimension, Span, Whose, report
from nexusflow.reports.words import call_words, usage_words
from nexusflow.runtime import Runtime
from nexusflow.wire.head import inspect

PATHS = ("/v1/balance", "/v1/usage", "/v1/requests")
DAY_MS = 86_400_000
DEFAULT_DAYS = 30
_METHOD = Problem(kind=Kind.METHOD, message="This address takes GET only.", allow="GET")


class AccountPages(Surface):
    """The pages of one gateway. Their errors are in OpenAI's form."""

    errors = openai_errors

    def __init__(self, runtime: Runtime, server: Server) -> None:
        self.bind(runtime)
        self._server = server

    async def serve(self, call: Call) -> None:
        """Answer the one page that the address names."""
        if call.scope.get("method") != "GET":
            raise RequestRefused(_METHOD)
        head = inspect(call.scope["headers"], self._server.request.max_headers)
        key = admit(head.credential, self.runtime.keys)
        path = path_of(call).decode("latin-1")
        permit(key, None, None, path.split("/")[2], client_address(call.scope))
        query = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
        read = self.runtime.books.run
        if path == "/v1/balance":
            found: Any = await read(account.balance, key.org, self._server.currency)
        elif path == "/v1/usage":
            by = _dimensions(query)
            lines = await read(report, _span(query), by, Whose(key=key.id))
            found = {"object": "list", "currency": self._server.currency, "data": [usage_words(one) for one in lines]}
        elif path == "/v1/requests":
            limit = _number(query, "limit", 20, LONGEST)
            rows = await read(calls, _span(query), Whose(key=key.id), limit=limit, before=query.get("after"))
            found = {"object": "list", "data": [call_words(one) for one in rows], "has_more": len(rows) == limit}
        else:
            found = await self._one(unquote(path.removeprefix("/v1/requests/")), key.id)
        await answer(call.send, 200, msgspec.json.encode(found), call.client.headers)

    async def _one(self, id_: str, key_id: str) -> dict[str, Any]:
        found = await self.runtime.books.run(call, id_, Whose(key=key_id)) if "/" not in id_ else None
        if found is None:
            raise refuse(Kind.MODEL, f"No request `{id_}` of this key is on record.", code="request_not_found")
        return call_words(found)


def account_routes(runtime: Runtime, server: Server) -> list[ASGIRouteHandler]:
    """The handlers of the pages, bound to this worker."""
    pages = AccountPages(runtime, server)

    @asgi([*PATHS[:2]], copy_scope=False)
    async def account_pages(scope: Scope, receive: Receive, send: Send) -> None:
        await pages(scope, receive, send)

    @asgi(PATHS[2], is_mount=True, copy_scope=False)
    async def request_pages(scope: Scope, receive: Receive, send: Send) -> None:
        await pages(scope, receive, send)

    return [account_pages, request_pages]


def _span(query: Mapping[str, str]) -> Span:
    """`start` and `end` in seconds since 1970; by default the last 30 days until now."""
    now = time.time_ns() // 1_000_000
    end = _number(query, "end", now // 1000 + 1, 1 << 33) * 1000
    return Span(_number(query, "start", (end - DEFAULT_DAYS * DAY_MS) // 1000, 1 << 33) * 1000, end)


def _dimensions(query: Mapping[str, str]) -> list[Dimension]:
    names = [name for name in query.get("group_by", "model").split(",") if name]
    for name in names:
        if name not in DIMENSIONS:
            raise refuse(Kind.PARAM, f"`group_by` knows {', '.join(DIMENSIONS)}, not `{name}`.", param="group_by")
    return cast("list[Dimension]", names)


def _number(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= largest:
        raise refuse(Kind.PARAM, f"`{name}` must be a whole number from 1 to {largest}.", param=name)
    return int(text)
