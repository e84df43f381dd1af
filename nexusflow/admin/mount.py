"""The door of the admin API: who may come in, and with what. Behind it is an application of its own."""

import asyncio
from urllib.parse import unquote

from litestar import Litestar, asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPReceiveMessage, HTTPRequestEvent, Message, Receive, Scope, Send

from nexusflow.admin.app import ACTOR, ROOT, admin_app
from nexusflow.admin.office import Office
from nexusflow.endpoints.address import nowhere, path_of
from nexusflow.endpoints.surface import Call, Surface
from nexusflow.flow.admit import admit, client_address, permit_admin
from nexusflow.flow.body import read_body
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.plan import RequestBounds, Server
from nexusflow.keys.pepper import pepper_path
from nexusflow.protocols.openai_chat import errors as openai_errors
from nexusflow.runtime import Runtime, journal_folder
from nexusflow.wire import jsonedit
from nexusflow.wire.head import inspect

LARGEST_BODY = 65_536
_READING = frozenset(("GET", "HEAD"))
_PASSED_ON = ("type", "asgi", "http_version", "method", "scheme", "query_string", "headers", "client", "server")


class AdminPages(Surface):
    """Admits a request, bounds it, and gives it to the application. Errors are in OpenAI's form."""

    errors = openai_errors

    def __init__(self, runtime: Runtime, server: Server) -> None:
        self.bind(runtime)
        self._max_headers = server.request.max_headers
        self._bounds = RequestBounds(max_body_bytes=LARGEST_BODY, body_timeout_ms=server.request.body_timeout_ms)
        self._office = Office(
            thread=runtime.books,
            pepper=pepper_path(server.database, runtime.settings.root),
            journals=journal_folder(runtime.settings, server),
            currency=server.currency,
            meter=runtime.meter,
        )
        self._making: asyncio.Task[Litestar] | None = None

    async def serve(self, call: Call) -> None:
        """Without a right nothing here can be told from nothing at all, not even which addresses there are."""
        scope = call.scope
        head = inspect(scope["headers"], self._max_headers)
        key = admit(head.credential, self.runtime.keys)
        reading = scope.get("method") in _READING
        permit_admin(key, client_address(scope), write=not reading)
        path = _path(call)
        body = b"" if reading else await read_body(call.exchange, head, call.receive, self._bounds)
        if body:
            _check_json(body)
        # What changes money or keys is not given up half-way because the client leaves.
        call.exchange.answer()
        inner = {name: scope[name] for name in _PASSED_ON}  # type: ignore[literal-required]  # its keys are ASGI's
        inner |= {"path": path, "raw_path": path.encode(), "root_path": "", "state": {ACTOR: f"key:{key.id}"}}
        application = await self._application()
        await application(inner, _told(body), _signed(call))  # type: ignore[arg-type]  # as ASGI has it

    async def _application(self) -> Litestar:
        """Made when first wanted, as most workers never need it; in a thread, as other calls must not wait for it."""
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(admin_app, self._office))
        return await asyncio.shield(self._making)


def admin_routes(runtime: Runtime, server: Server) -> list[ASGIRouteHandler]:
    """The handler of all that is below `/admin`, bound to this worker."""
    pages = AdminPages(runtime, server)

    @asgi("/admin", is_mount=True, copy_scope=False)
    async def admin_pages(scope: Scope, receive: Receive, send: Send) -> None:
        await pages(scope, receive, send)

    return [admin_pages]


def _path(call: Call) -> str:
    """The path, spelled as it is documented: what rules of a proxy may read otherwise is nowhere (C-23)."""
    raw = path_of(call).decode("latin-1")
    if not raw.startswith(f"{ROOT}/") or "//" in raw:
        raise nowhere()
    path = unquote(raw)
    query = unquote(call.scope["query_string"].decode("latin-1"))
    if not (path + query).isprintable():
        raise refuse(Kind.PARAM, "The address holds characters that cannot be printed.")
    return path


def _check_json(body: bytes) -> None:
    try:
        jsonedit.split(body)
        body.decode()
    except jsonedit.InvalidJSON as error:
        raise refuse(Kind.PARSE, f"{error}.") from error
    except UnicodeDecodeError as error:
        raise refuse(Kind.PARSE, "the body is not valid UTF-8.") from error


def _told(body: bytes) -> Receive:
    """Tells the application the body that was read."""

    async def receive() -> HTTPReceiveMessage:
        return HTTPRequestEvent(type="http.request", body=body, more_body=False)

    return receive


def _signed(call: Call) -> Send:
    """Every answer carries the request's id (L55), and is nobody's to keep: it may hold a new key's secret (SEC-53)."""
    headers = [*call.client.headers, (b"cache-control", b"no-store")]

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await call.send(message)

    return send
