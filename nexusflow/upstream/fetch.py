"""Fetching media that a caller gave by URL, for providers that take only bytes (protocols 2.1.2, SEC-20 to SEC-27).

An address given by a caller may point anywhere, so it is parsed once, resolved once, and refused as a whole when any
of its addresses is not on the public internet; the connection then goes to the very address that was checked.
"""

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httptools

from nexusflow.upstream.inflate import inflater
from nexusflow.upstream.transport import UpstreamFault

MAX_BYTES = 20 * 1024 * 1024
MAX_HEAD = 64 * 1024
SECONDS = 10.0
MAX_REDIRECTS = 3
PORTS = {"https": 443, "http": 80}
_HEAD = "accept: */*\r\nuser-agent: nexusflow\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n"
_PIECE = 64 * 1024
_UNREACHABLE = "the address could not be fetched"
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All that is handed out of IPv6. Outside of it lie NAT64, site-local and IPv4-compatible addresses, among others."""
_TUNNELS = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))
"""6to4 and Teredo carry an IPv4 address inside: where they lead is not known before it is too late."""


class NotFetched(Exception):
    """The media could not be had. The message is the same for every cause below HTTP (SEC-27)."""


class Fetcher:
    """GETs of public addresses, without proxies, cookies or credentials (SEC-23).

    `allow` names `host:port` pairs that may be private, on another port or without TLS: own file servers. `http` opens
    plain http to the public internet as well.
    """

    def __init__(
        self,
        allow: frozenset[str] = frozenset(),
        *,
        http: bool = False,
        max_bytes: int = MAX_BYTES,
        seconds: float = SECONDS,
    ) -> None:
        self._allow = allow
        self._http = http
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def fetch(self, url: str) -> tuple[bytes, str]:
        """The bytes behind `url` and their content type as the server says it. Raises `NotFetched`."""
        try:
            async with asyncio.timeout(self._seconds):
                for _ in range(MAX_REDIRECTS + 1):
                    answer = await self._get(_parse(url))
                    if answer.location is None:
                        return answer.whole()
                    url = urljoin(url, answer.location)
        except (OSError, TimeoutError, httptools.HttpParserError, ValueError, UpstreamFault) as error:
            raise NotFetched(_UNREACHABLE) from error
        raise NotFetched("the address redirects too often")

    async def _get(self, parts: SplitResult) -> "_Answer":
        reader, writer = await self._connected(parts)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            writer.write(f"GET {path} HTTP/1.1\r\nhost: {parts.netloc}\r\n{_HEAD}".encode("ascii"))
            answer = _Answer(self._max_bytes)
            while not answer.complete and (piece := await reader.read(_PIECE)):
                answer.feed(piece)
            return answer
        finally:
            writer.close()

    async def _connected(self, parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to one of the checked addresses, which is not asked by its name again."""
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        trusted = f"{f'[{host}]' if ':' in host else host}:{port}" in self._allow
        if parts.scheme == "http" and not (trusted or self._http):
            raise NotFetched("the address must be https")
        if not trusted and port != PORTS[parts.scheme]:
            raise NotFetched("the address has a port that is not fetched from")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not trusted and not all(is_public(address) for address in addresses):
            raise NotFetched(_UNREACHABLE)
        tls = _verifying() if parts.scheme == "https" else None
        for address in addresses:
            try:
                reader, writer = await asyncio.open_connection(
                    address, port, ssl=tls, server_hostname=host if tls else None
                )
            except ssl.SSLError:
                raise
            except OSError:
                continue
            if trusted or not _is_ours(writer.get_extra_info):
                return reader, writer
            writer.close()
        raise NotFetched(_UNREACHABLE)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whatever spelling hides it (SEC-21)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found not in _GLOBAL_V6 or any(found in network for network in _TUNNELS):
            return False
    return found.is_global and not found.is_multicast


def _is_ours(info: Callable[[str], Any]) -> bool:
    """Whether a connection leads back to this machine: a public address may be one of our own."""
    own, peer = info("sockname"), info("peername")
    return own is None or peer is None or own[0] == peer[0]


@functools.cache
def _verifying() -> ssl.SSLContext:
    return ssl.create_default_context()


def _parse(url: str) -> SplitResult:
    """The parts of a URL that nobody could read in another way. Raises `NotFetched` for others (SEC-20)."""
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        raise NotFetched("the address is not a plain URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotFetched("the address is not a plain URL") from None
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
        raise NotFetched("the address must be http(s), with a host and without a user")
    return parts


class _Answer:
    """What one server answers, as far as it has come."""

    def __init__(self, max_bytes: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._max_bytes = max_bytes
        self._body = bytearray()
        self._inflate: Callable[[bytes], bytes] | None = None
        self._in_head = 0
        self._headed = False
        self._too_large = False
        self.headers: dict[str, str] = {}
        self.complete = False

    def feed(self, piece: bytes) -> None:
        """One more piece from the socket. Raises `NotFetched` for too much, `HttpParserError` for what is no HTTP."""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserCallbackError:
            if self._too_large:
                raise NotFetched(f"the file exceeds {self._max_bytes} bytes") from None
            raise
        if not self._headed:
            self._in_head += len(piece)
            if self._in_head > MAX_HEAD:
                raise NotFetched(_UNREACHABLE)
        elif self.location is not None:
            self.complete = True  # nobody reads the body of a redirect

    @property
    def location(self) -> str | None:
        """Where a redirect leads."""
        redirects = self._headed and self._parser.get_status_code() in (301, 302, 303, 307, 308)
        return self.headers.get("location") if redirects else None

    def whole(self) -> tuple[bytes, str]:
        """The body and its type. Raises `NotFetched` for anything but a complete 200."""
        bounded = "content-length" in self.headers or "transfer-encoding" in self.headers
        if not self._headed or (bounded and not self.complete):
            raise NotFetched(_UNREACHABLE)
        status = self._parser.get_status_code()
        if status != 200:
            raise NotFetched(f"the address answers with status {status}")
        return bytes(self._body), self.headers.get("content-type", "")

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools' own name."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """httptools' own name."""
        self._headed = True
        self._inflate = inflater(self.headers.get("content-encoding"))

    def on_body(self, data: bytes) -> None:
        """httptools' own name."""
        if self.location is not None:
            return
        self._body += data if self._inflate is None else self._inflate(data)
        if len(self._body) > self._max_bytes:
            self._too_large = True
            raise NotFetched

    def on_message_complete(self) -> None:
        """httptools' own name. An answer of the 100s is only a word before the real one."""
        self.complete = self._parser.get_status_code() >= 200
        if not self.complete:
            self._headed = False
            self.headers = {}
