"""`GET /v1/results/…`: what tasks made, by links that need no key and hold for a time (contract 2.8)."""

import time
from urllib.parse import parse_qsl

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from nexusflow.endpoints.address import nowhere, path_of
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.exchange import Phase
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.results.names import is_name
from nexusflow.results.results import Results, ResultsError
from nexusflow.results.signing import verified
from nexusflow.runtime import Runtime
from nexusflow.wire import ranges

PATH = "/v1/results"
_STALL_S = 60.0


class ResultPages(Surface):
    """The files of one gateway."""

    errors = openai_errors

    def __init__(self, runtime: Runtime) -> None:
        self.bind(runtime)

    async def serve(self, call: Call) -> None:
        """Send one file. Whatever is wrong with its link, the answer is the same (SEC-27)."""
        if call.scope.get("method") not in ("GET", "HEAD"):
            raise RequestRefused(Problem(kind=Kind.METHOD, message="This address takes GET only.", allow="GET, HEAD"))
        name = path_of(call).decode("latin-1").removeprefix(f"{PATH}/")
        query = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
        signed = verified(self.runtime.results_key, name, query.get("expires"), query.get("signature"), time.time())
        if not is_name(name) or signed is None:
            raise nowhere()
        await send_stored(call, self.runtime.results, name)


async def send_stored(call: Call, results: Results, name: str) -> None:
    """A file, or the part of it that is asked for, as it is read. Raises `RequestRefused` when it is not there (any
    more), or has no such part.
    """
    try:
        stored = await results.open(name)
    except ResultsError as error:
        raise refuse(Kind.STORE, "The file cannot be read now. Try again later.") from error
    if stored is None:
        raise nowhere()
    try:
        part = ranges.wanted(call.scope["headers"], stored.length)
        headers = [
            (b"content-type", stored.mime.encode()),
            (b"content-length", b"%d" % len(part if part is not None else range(stored.length))),
            (b"accept-ranges", b"bytes"),
            (b"cache-control", b"private, max-age=3600"),
            (b"x-content-type-options", b"nosniff"),
            *call.client.headers,
        ]
        if part is not None:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, stored.length)))
        await call.send({"type": "http.response.start", "status": 200 if part is None else 206, "headers": headers})
        if call.scope.get("method") != "HEAD":
            async for piece in ranges.cut(stored.pieces, part):
                call.exchange.enter(Phase.WRITE, _STALL_S)
                await call.send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        await stored.pieces.aclose()
    await call.send({"type": "http.response.body", "body": b"", "more_body": False})


def result_routes(runtime: Runtime) -> list[ASGIRouteHandler]:
    """The handler of the files, bound to this worker."""
    pages = ResultPages(runtime)

    @asgi(PATH, is_mount=True, copy_scope=False)
    async def result_pages(scope: Scope, receive: Receive, send: Send) -> None:
        await pages(scope, receive, send)

    return [result_pages]
