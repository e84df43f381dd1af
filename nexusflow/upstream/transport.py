"""What the gateway needs of an HTTP client, and nothing more, so that the client can be replaced (one file each).

An implementation never retries, never follows redirects, sends no header of its own but `host` and framing, reads no
proxy from the environment, and cancelling the task that awaits it ends the upstream call at once.
"""

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Fault(StrEnum):
    """Where a call failed. The first five were never dispatched: nothing reached the provider (class N, 1.3)."""

    DNS = "dns_error"
    CONNECT = "connect_error"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls_error"
    POOL = "pool_exhausted"
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


class Outgoing(Struct, frozen=True):
    """One POST. `headers` is complete but for host and length. `connect_seconds` covers DNS, TCP and TLS."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    connect_seconds: float


class Reply(Protocol):
    """An answer whose headers have arrived. Exactly one of `read` and `pieces` is used, then `close`."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """Case-insensitive."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body, content coding undone. Raises `UpstreamFault`: TOO_LARGE beyond `limit` bytes, RESET."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, content coding undone. Raises `UpstreamFault` RESET when it breaks off."""
        ...

    def close(self, *, reusable: bool) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        ...


class Transport(Protocol):
    """A connection pool to one provider."""

    async def send(self, call: Outgoing) -> Reply:
        """Send and wait for the response headers. Raises `UpstreamFault`."""
        ...

    async def close(self) -> None: ...
