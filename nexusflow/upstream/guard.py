"""Connections to addresses that a caller or a provider named: to the public internet only (SEC-20, SEC-21).

Such an address may point anywhere, so it is parsed once, resolved once, and refused as a whole when any of its
addresses is not on the public internet; the connection then goes to the very address that was checked.
"""

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

PORTS = {"https": 443, "http": 80}
UNREACHABLE = "the address could not be fetched"
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All that is handed out of IPv6. Outside of it lie NAT64, site-local and IPv4-compatible addresses, among others."""
_CLOSED = tuple(
    ipaddress.ip_network(one)
    for one in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""What `is_global` takes for public in some version of Python, and 6to4 and Teredo: these carry an IPv4 address inside,
so where they lead is not known before it is too late. 192.0.0.192 is a cloud's metadata server."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NotFetched(Exception):
    """The address could not be used. The message is the same for every cause below HTTP (SEC-27)."""


class Guard:
    """Opens connections. `allow` names `host:port` pairs that may be private, on another port or without TLS; `http`
    opens plain http to the public internet as well."""

    def __init__(self, allow: frozenset[str] = frozenset(), *, http: bool = False) -> None:
        self._allow = allow
        self._http = http

    async def connect(self, parts: SplitResult, also: frozenset[str] = frozenset(), *, http: bool = False) -> Streams:
        """A connection to one of the checked addresses, which is not asked by its name again.

        `also` and `http` allow more for this one. Raises `NotFetched`; OSError for a name or a certificate that is
        not right.
        """
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        trusted = pair(parts) in self._allow | also
        if parts.scheme == "http" and not (trusted or http or self._http):
            raise NotFetched("the address must be https")
        if not trusted and port != PORTS[parts.scheme]:
            raise NotFetched("the address has a port that is not fetched from")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not trusted and not all(is_public(address) for address in addresses):
            raise NotFetched(UNREACHABLE)
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
        raise NotFetched(UNREACHABLE)


def parse(url: str) -> SplitResult:
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


def pair(parts: SplitResult) -> str:
    """`host:port`, as lists of allowed servers have it; an IPv6 address stands in brackets."""
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}"


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whatever spelling hides it (SEC-21)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found not in _GLOBAL_V6:
            return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _CLOSED)


def _is_ours(info: Callable[[str], Any]) -> bool:
    """Whether a connection leads back to this machine: a public address may be one of our own."""
    own, peer = info("sockname"), info("peername")
    return own is None or peer is None or own[0] == peer[0]


@functools.cache
def _verifying() -> ssl.SSLContext:
    return ssl.create_default_context()
