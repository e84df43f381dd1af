"""`Transport` over aiohttp. Timeouts other than connecting belong to the caller, who cancels."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from nexusflow.upstream.transport import Fault, Outgoing, Reply, UpstreamFault

# Providers and load balancers close idle connections after a minute or more; we close first (class K, reliability 1.3).
KEEP_ALIVE_SECONDS = 20.0
MAX_RATIO = 100
_RATIO_FLOOR = 1024 * 1024
_SKIP = ("accept", "accept-encoding", "user-agent", "content-type")


class AiohttpTransport:
    """One pooled client session to one provider."""

    def __init__(self, max_in_flight: int) -> None:
        connector = aiohttp.TCPConnector(
            limit=max_in_flight, keepalive_timeout=KEEP_ALIVE_SECONDS, ttl_dns_cache=60, enable_cleanup_closed=True
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIP,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=256 * 1024,
        )
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def send(self, call: Outgoing) -> Reply:
        """See `Transport.send`."""
        url = self._urls.get(call.url) or self._urls.setdefault(call.url, URL(call.url, encoded=True))
        try:
            response = await self._session.post(
                url,
                data=call.body,
                headers=call.headers,
                allow_redirects=False,
                timeout=self._timeout(call.connect_seconds),
            )
        except aiohttp.ClientError as error:
            raise _fault(error) from error
        except (TimeoutError, OSError, ValueError) as error:
            raise _fault(error) from error
        return AiohttpReply(response)

    def _timeout(self, connect_seconds: float) -> aiohttp.ClientTimeout:
        known = self._timeouts.get(connect_seconds)
        if known is None:
            known = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
            self._timeouts[connect_seconds] = known
        return known

    async def close(self) -> None:
        """Close idle and open connections."""
        await self._session.close()
        await asyncio.sleep(0)  # lets the closed sockets' callbacks run


class AiohttpReply:
    """See `Reply`."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self, limit: int) -> bytes:
        """See `Reply.read`."""
        declared = self._response.content_length
        if declared is not None and declared <= limit and "content-encoding" not in self.headers:
            try:
                return await self._response.read()
            except (aiohttp.ClientError, OSError) as error:
                raise UpstreamFault(Fault.RESET, repr(error)) from error
        total = 0
        found: list[bytes] = []
        async for piece in self.pieces():
            total += len(piece)
            if total > limit:
                raise UpstreamFault(Fault.TOO_LARGE, f"body exceeds {limit} bytes")
            found.append(piece)
        return b"".join(found)

    async def pieces(self) -> AsyncIterator[bytes]:
        """See `Reply.pieces`."""
        inflate = _inflater(self.headers.get("content-encoding"))
        try:
            async for piece in self._response.content.iter_any():
                data = inflate(piece) if inflate else piece
                if data:
                    yield data
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFault(Fault.RESET, repr(error)) from error

    def close(self, *, reusable: bool) -> None:
        """See `Reply.close`. aiohttp returns a fully read connection to the pool by itself."""
        if reusable:
            self._response.release()
        else:
            self._response.close()


class _Inflate:
    """Bounded gzip and zlib decoding; a bomb is an error, not memory (U-19)."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=47)
        self._in = self._out = 0

    def __call__(self, piece: bytes) -> bytes:
        self._in += len(piece)
        allowed = max(_RATIO_FLOOR, self._in * MAX_RATIO) - self._out
        try:
            data = self._zlib.decompress(piece, allowed + 1)
        except zlib.error as error:
            raise UpstreamFault(Fault.MALFORMED, str(error)) from error
        self._out += len(data)
        if len(data) > allowed or self._zlib.unconsumed_tail:
            raise UpstreamFault(Fault.TOO_LARGE, "the compressed body inflates too far")
        return data


def _inflater(coding: str | None) -> _Inflate | None:
    """We ask for no content coding; some providers compress all the same."""
    if coding is None or coding.strip().lower() in ("", "identity"):
        return None
    if coding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return _Inflate()
    raise UpstreamFault(Fault.MALFORMED, f"unknown content-encoding {coding[:40]!r}")


def _fault(error: Exception) -> UpstreamFault:
    """Tell apart what never left us from what broke on the way (classes N, K and U of reliability 1.3)."""
    detail = repr(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return UpstreamFault(Fault.TLS, detail)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamFault(Fault.DNS, detail)
    if isinstance(error, aiohttp.ServerTimeoutError | TimeoutError):
        return UpstreamFault(Fault.CONNECT_TIMEOUT, detail)
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamFault(Fault.CONNECT, detail)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return UpstreamFault(Fault.STALE, detail)
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return UpstreamFault(Fault.CONNECT, detail)
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamFault(Fault.MALFORMED, detail)
    return UpstreamFault(Fault.RESET, detail)
