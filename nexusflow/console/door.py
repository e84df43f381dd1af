"""The door of the console: who may come in, from where, and with what (SEC-08, SEC-15, SEC-75)."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Iterable, Mapping
from importlib.resources import files
from urllib.parse import unquote, urlsplit

from litestar import Litestar, asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPReceiveMessage, HTTPRequestEvent, Message, Receive, Scope, Send

from nexusflow.admin.office import Office
from nexusflow.console.desk import Desk
from nexusflow.console.session import DESK, OPERATOR, ROOT, SECRET, SIGN_IN, cookie_of
from nexusflow.flow.admit import client_address
from nexusflow.flow.client import Header, answer
from nexusflow.ir.artifact import Artifact
from nexusflow.keys.pepper import pepper_path
from nexusflow.operators import Operator
from nexusflow.runtime import Runtime, journal_folder

LARGEST_BODY = 2_097_152
THROTTLED = "Too many wrong tokens. Wait a minute."
STATIC = f"{ROOT}/static/"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
GUARDS: tuple[Header, ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_TYPES = {"js": b"text/javascript; charset=utf-8", "css": b"text/css; charset=utf-8", "svg": b"image/svg+xml"}
_READING = frozenset(("GET", "HEAD"))
_PASSED_ON = ("type", "asgi", "http_version", "method", "scheme", "query_string", "headers", "client", "server")


class Door:
    """Admits a request to the console's application, which is made when first wanted."""

    def __init__(self, runtime: Runtime, artifact: Artifact) -> None:
        server = artifact.plan.server
        office = Office(
            thread=runtime.books,
            pepper=pepper_path(server.database, runtime.settings.root),
            journals=journal_folder(runtime.settings, server),
            currency=server.currency,
            meter=runtime.meter,
        )
        self._desk = Desk(office, runtime, artifact)
        self._static = _Static()
        self._tries = Tries()
        self._making: asyncio.Task[Litestar] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path, headers = _path(scope), dict(_headers(scope))
        if path == ROOT:
            await _redirect(send, f"{ROOT}/", headers)
        elif path.startswith(STATIC):
            await self._static.serve(path.removeprefix(STATIC), headers, send)
        else:
            await self._enter(scope, receive, send, path, headers)

    async def _enter(self, scope: Scope, receive: Receive, send: Send, path: str, headers: Mapping[str, str]) -> None:
        reading = scope.get("method") in _READING
        if not reading and not same_origin(headers):
            await _plain(send, 403, "This request does not come from the console's own pages.")
            return
        secret = cookie_of(headers.get("cookie", ""))
        operator = await self._desk.sessions(lambda table, _: table.whose(secret)) if secret else None
        address = client_address(scope) or ""
        if path == SIGN_IN:
            if not reading and not self._tries.may(address):
                await _plain(send, 429, THROTTLED, ((b"retry-after", b"60"),))
                return
        elif operator is None:
            await _redirect(send, SIGN_IN, headers)
            return
        body = b"" if reading else await _read(receive)
        if body is None:
            await _plain(send, 413, "That is too much.")
            return
        await self._pass_on(scope, body, send, {OPERATOR: operator, SECRET: secret})

    async def _pass_on(self, scope: Scope, body: bytes, send: Send, state: dict[str, Operator | str | None]) -> None:
        inner = {name: scope[name] for name in _PASSED_ON}  # type: ignore[literal-required]  # its keys are ASGI's
        path = _path(scope)
        inner |= {"path": path, "raw_path": path.encode(), "root_path": "", "state": {DESK: self._desk, **state}}
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(_application))
        application = await asyncio.shield(self._making)
        tries, address = self._tries, client_address(scope) or ""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                if path == SIGN_IN and message["status"] == 403:
                    tries.failed(address)
                message["headers"] = [*message["headers"], *GUARDS, (b"cache-control", b"no-store")]
            await send(message)

        await application(inner, _told(body), guarded)  # type: ignore[arg-type]  # as ASGI has it


class Tries:
    """How often signing in failed, so that tokens cannot be tried out: `most` in a minute for one address, and all."""

    def __init__(self, most: int = 5, most_of_all: int = 30) -> None:
        self._most, self._failures = most, deque[tuple[float, str]](maxlen=most_of_all)

    def may(self, address: str) -> bool:
        """Whether somebody there may try now."""
        since = time.monotonic() - 60
        recent = [where for at, where in self._failures if at > since]
        return len(recent) < (self._failures.maxlen or 0) and recent.count(address) < self._most

    def failed(self, address: str) -> None:
        """It was a wrong one."""
        self._failures.append((time.monotonic(), address))


class _Static:
    """The files of the pages, read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, bytes, bytes]] = {}

    async def serve(self, name: str, headers: Mapping[str, str], send: Send) -> None:
        if not self._known:
            folder = files("nexusflow.console").joinpath("static")
            for entry in folder.iterdir():
                kind = _TYPES.get(entry.name.rpartition(".")[2])
                if kind is not None:
                    content = entry.read_bytes()
                    self._known[entry.name] = (kind, content, f'"{hashlib.sha256(content).hexdigest()[:20]}"'.encode())
        found = self._known.get(name)
        if found is None:
            await _plain(send, 404, "There is nothing at this address.")
            return
        kind, content, tag = found
        fresh = headers.get("if-none-match", "").encode() == tag
        more = (*GUARDS, (b"etag", tag), (b"cache-control", b"no-cache"))
        await answer(send, 304 if fresh else 200, b"" if fresh else content, more, kind)


def console_routes(runtime: Runtime, artifact: Artifact) -> list[ASGIRouteHandler]:
    """The handler of all that is below `/console`; none where gateway.yaml wants no console."""
    if not artifact.plan.server.console:
        return []
    door = Door(runtime, artifact)

    @asgi(ROOT, is_mount=True, copy_scope=False)
    async def console(scope: Scope, receive: Receive, send: Send) -> None:
        await door(scope, receive, send)

    return [console]


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something comes from our own page, by what browsers say and pages cannot."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", " ")


def _application() -> Litestar:
    # With the templates: only those workers load them that somebody looks into.
    from nexusflow.console.app import console_app

    return console_app()


def _path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"].partition(b"?")[0]
    return unquote(raw.decode("latin-1"))


def _headers(scope: Scope) -> Iterable[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])


async def _redirect(send: Send, to: str, headers: Mapping[str, str]) -> None:
    """Elsewhere; a part of a page that was asked for takes the whole page there."""
    place = (b"hx-redirect" if "hx-request" in headers else b"location", to.encode())
    await answer(send, 204 if "hx-request" in headers else 303, b"", (*GUARDS, place), b"text/plain")


async def _plain(send: Send, status: int, text: str, more: tuple[Header, ...] = ()) -> None:
    await answer(send, status, text.encode(), (*GUARDS, *more), b"text/plain; charset=utf-8")


async def _read(receive: Receive) -> bytes | None:
    """The body; None where it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _told(body: bytes) -> Receive:
    async def receive() -> HTTPReceiveMessage:
        return HTTPRequestEvent(type="http.request", body=body, more_body=False)

    return receive
