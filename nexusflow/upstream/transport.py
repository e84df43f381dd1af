"""What the gateway needs of an HTTP client, and nothing more, so that the client can be replaced (one file each).

An implementation never retries, never follows redirects, sends no header of its own but `host` and framing, reads no
proxy from the environment, and cancelling the task that awaits it ends the upstream call at once.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from msgspec import Struct


class Fault(StrEnum):
    """Where a call failed. The first four were never dispatched: nothing reached the provider (class N, 1.3)."""

    DNS = "dns_error"
    CONNECT = "connect_error"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls_error"
    STALE = "stale_connection"
    RESET = "reset"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"


class UpstreamFault(Exception):
    """The call broke below HTTP. `detail` is for logs only: it may hold addresses."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class Target(Struct, frozen=True):
    """Where calls go and what they always say, prepared once. `head` is complete but for the body's length."""

    host: str
    port: int
    secure: bool
    head: bytes


class Outgoing(Struct, frozen=True):
    """One request. `connect_seconds` covers DNS, TCP and TLS together.

    `extra` is whole header lines of this call alone, from values that are known to hold no line break. `fresh`: not
    over a connection that was used before.
    """

    target: Target
    body: bytes
    connect_seconds: float
    extra: bytes = b""
    fresh: bool = False


def target(url: str, headers: Mapping[str, str], method: str = "POST") -> Target:
    """Prepare calls to `url` with `headers`, which lack only host and length.

    Raises `ValueError` for an address that is not http(s), and for a line break in a header (SEC-72).
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ValueError(f"not an http(s) address: {url}")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(char in line for line in lines for char in "\r\n\0"):
        raise ValueError("a line break in a request header")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n"
    return Target(parts.hostname, parts.port or (443 if secure else 80), secure, head)


class Reply(Protocol):
    """An answer whose headers have arrived. Either `read` once or `next` until its end, then `close`."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """Case-insensitive."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body, content coding undone. Raises `UpstreamFault`: TOO_LARGE beyond `limit` bytes, RESET."""
        ...

    async def next(self) -> bytes | None:
        """The next piece of the body as it arrives, content coding undone, or None at the end.

        Raises `UpstreamFault` RESET when it breaks off.
        """
        ...

    def close(self, *, reusable: bool) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        ...


class Transport(Protocol):
    """A connection pool to one provider.

    `certified_until` is when the certificate ends that it showed last, in seconds since 1970; None: it showed none.
    """

    certified_until: float | None

    async def send(self, call: Outgoing) -> Reply:
        """Send and wait for the response headers. Raises `UpstreamFault`."""
        ...

    async def close(self) -> None: ...
