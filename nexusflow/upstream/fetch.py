"""Access to addresses that are not the operator's: media of callers, results at providers, webhooks (SEC-20 to SEC-27).

Where a connection may go is `guard`'s to say; here are the bounds of time and size, and redirects.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin

from nexusflow.upstream.exchange import BROKEN, Exchange
from nexusflow.upstream.guard import UNREACHABLE, Guard, NotFetched, pair, parse
from nexusflow.upstream.transport import target

MAX_BYTES = 20 * 1024 * 1024
SECONDS = 10.0
MAX_REDIRECTS = 3
MAX_DISCARDED = 64 * 1024
_DISCARD_SECONDS = 1.0
_HEADERS = {"accept": "*/*", "user-agent": "nexusflow", "accept-encoding": "identity", "connection": "close"}
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NOBODY: frozenset[str] = frozenset()


class Opened(NamedTuple):
    """A file at another server. `length` in bytes, where it is told; `pieces` can be read once."""

    content_type: str
    length: int | None
    pieces: AsyncGenerator[bytes, None]


class Fetcher:
    """GETs and POSTs to public addresses, without proxies, cookies or credentials of our own (SEC-23).

    `allow` names `host:port` pairs that may be private, on another port or without TLS: own servers. `http` opens
    plain http to the public internet as well. `max_bytes` and `seconds` bound `fetch`.
    """

    def __init__(
        self,
        allow: frozenset[str] = _NOBODY,
        *,
        http: bool = False,
        max_bytes: int = MAX_BYTES,
        seconds: float = SECONDS,
    ) -> None:
        self._guard = Guard(allow, http=http)
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def fetch(self, url: str) -> tuple[bytes, str]:
        """The bytes behind `url` and their content type as the server says it. Raises `NotFetched`."""
        async with self.open(url, max_bytes=self._max_bytes, seconds=self._seconds) as opened:
            return b"".join([piece async for piece in opened.pieces]), opened.content_type

    @asynccontextmanager
    async def open(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        max_bytes: int,
        seconds: float,
        also: frozenset[str] = _NOBODY,
    ) -> AsyncGenerator[Opened, None]:
        """What lies behind `url`, as it arrives. Raises `NotFetched`, from reading `pieces` as well.

        `headers` may hold a credential: they go to the server of `url` and to no other that it redirects to. `also`
        names `host:port` pairs that are allowed this once. `seconds` bounds all of it, the caller's own part included.
        """
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(seconds) as deadline:
                with _told():
                    exchange = await self._follow(url, headers or {}, also)
                    opened = _opened(exchange, max_bytes)
                async with aclosing(opened.pieces):
                    yield opened
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise NotFetched(UNREACHABLE) from error
        finally:
            if exchange is not None:
                exchange.close()

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float = SECONDS,
        *,
        also: frozenset[str] = _NOBODY,
        http: bool = False,
    ) -> int:
        """Send `body` and return the status of the answer, the rest of which is thrown away (SEC-25).

        No redirect is followed. `also` as for `open`; `http` allows plain http this once. Raises `NotFetched`.
        """
        parts = parse(url)
        lines = {**_HEADERS, **headers, "content-length": str(len(body))}
        with _told():
            async with asyncio.timeout(seconds):
                exchange = Exchange(*await self._guard.connect(parts, also, http=http))
                try:
                    await exchange.ask(target(url, lines), body)
                    await _discard(exchange)
                finally:
                    exchange.close()
        return exchange.status

    async def _follow(self, url: str, headers: Mapping[str, str], also: frozenset[str]) -> Exchange:
        """The first answer that leads nowhere else."""
        parts = parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            exchange = await self._get(url, parts, headers, also)
            to = exchange.headers.get("location") if exchange.status in _REDIRECTS else None
            if to is None:
                return exchange
            exchange.close()  # nobody reads the body of a redirect
            url = urljoin(url, to)
            before, parts = parts, parse(url)
            if (parts.scheme, pair(parts)) != (before.scheme, pair(before)):
                headers = {}
        raise NotFetched("the address redirects too often")

    async def _get(self, url: str, parts: SplitResult, headers: Mapping[str, str], also: frozenset[str]) -> Exchange:
        exchange = Exchange(*await self._guard.connect(parts, also))
        try:
            await exchange.ask(target(url, {**_HEADERS, **headers}, "GET"))
        except BaseException:
            exchange.close()
            raise
        return exchange


def _opened(exchange: Exchange, max_bytes: int) -> Opened:
    """The body of a 200 that is not too large as far as one can see. Raises `NotFetched` for anything else."""
    if exchange.status != 200:
        raise NotFetched(f"the address answers with status {exchange.status}")
    if exchange.length is not None and exchange.length > max_bytes:
        raise _too_large(max_bytes)
    return Opened(exchange.headers.get("content-type", ""), exchange.length, _bounded(exchange, max_bytes))


async def _bounded(exchange: Exchange, max_bytes: int) -> AsyncGenerator[bytes, None]:
    size = 0
    with _told():
        async with aclosing(exchange.pieces()) as pieces:
            async for piece in pieces:
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                yield piece


async def _discard(exchange: Exchange) -> None:
    """Reads the body of an answer to a bound, so that a server that is still writing sees no reset.

    The status has said what matters: a body that breaks, or goes on and on, does not make an answer a failure.
    """
    size = 0
    with suppress(*BROKEN):
        async with asyncio.timeout(_DISCARD_SECONDS), aclosing(exchange.pieces()) as pieces:
            async for piece in pieces:
                size += len(piece)
                if size > MAX_DISCARDED:
                    return


def _too_large(max_bytes: int) -> NotFetched:
    return NotFetched(f"the file exceeds {max_bytes} bytes")


@contextmanager
def _told() -> Iterator[None]:
    """Whatever breaks below HTTP is called the same, so that nobody learns what is there (SEC-27)."""
    try:
        yield
    except BROKEN as error:
        raise NotFetched(UNREACHABLE) from error
