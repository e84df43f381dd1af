"""What a request's header block says, read in one pass and before any of its body.

Credentials (contract 2.1, protocols 1.1): `x-api-key`, `x-goog-api-key` and `Authorization: Bearer` count on every
address, whichever SDK sends them, and `?key=` on Gemini's addresses, where `gateway.query_key` allows it. Of several
the first in this order counts, as at the vendors; the others are not looked at.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.plan import Server

MAX_HEADER_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024

_SINGLE = frozenset((b"authorization", b"host", b"content-type", b"content-length", b"x-api-key", b"x-goog-api-key"))
_WANTED = _SINGLE | {b"content-encoding", b"transfer-encoding"}

Headers = Iterable[tuple[bytes, bytes]]
"""A header block. ASGI servers hand it over as a list, which can be searched again."""


class Head(Struct):
    """The parts of a header block that decide a request's fate. `credential` is the bare key, as sent.

    `content_length` is the body's length where that is known beforehand.
    """

    credential: bytes | None
    content_length: int | None
    content_encoding: bytes | None
    headers: Headers = ()

    def first(self, name: bytes) -> bytes | None:
        """The first value of a header that only some protocols look at (`anthropic-version`, `x-goog-api-client`).

        Searched when asked for: most requests never are, and reading them all in advance would cost every one.
        """
        return next((value for found, value in self.headers if found == name), None)

    def every(self, name: bytes) -> list[bytes]:
        """All values of a header that may repeat and list several things in one value, such as `anthropic-beta`."""
        return [
            item
            for found, value in self.headers
            if found == name
            for part in value.split(b",")
            if (item := part.strip())
        ]


def inspect(headers: Headers, max_headers: int) -> Head:
    """Read the headers that matter; header names arrive in lower case.

    Raises `RequestRefused`: too many or too large headers (431, C-15), a repeated Authorization, Host or Content-Type
    (400, C-15).
    """
    headers = list(headers)
    total = sum(map(len, chain.from_iterable(headers)))
    if total > MAX_HEADER_BYTES and any(len(name) + len(value) > MAX_HEADER_BYTES for name, value in headers):
        raise _too_large(f"one header exceeds {MAX_HEADER_BYTES} bytes")
    seen: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            if name in seen and name in _SINGLE:
                raise refuse(Kind.PARAM, f"the header {name.decode()} is repeated", code="duplicate_header")
            seen[name] = value
    if len(headers) > max_headers:
        raise _too_large(f"more than {max_headers} headers")
    if total > MAX_HEAD_BYTES:
        raise _too_large(f"the headers exceed {MAX_HEAD_BYTES} bytes")
    # Beside Transfer-Encoding the length says nothing (RFC 9112, 6.3).
    length = seen.get(b"content-length") if b"transfer-encoding" not in seen else None
    return Head(
        credential=_credential(seen),
        content_length=int(length) if length is not None and length.isdigit() else None,
        content_encoding=seen.get(b"content-encoding"),
        headers=headers,
    )


def query_credential(scope: Mapping[str, Any], server: Server) -> bytes | None:
    """The key in `?key=`, for Gemini's addresses only; None without one, or where the gateway does not take it there.

    Raises `RequestRefused` (400) when the query names two different ones: they have no order (SEC-56).
    """
    query: bytes = scope.get("query_string", b"")
    if not server.query_key or b"key" not in query:
        return None
    found = {value.strip() for name, value in parse_qsl(query.decode("latin-1")) if name == "key" and value.strip()}
    if len(found) > 1:
        raise refuse(Kind.PARAM, "two different credentials in one query", code="conflicting_credentials")
    return found.pop().encode() if found else None


def gemini_credential(head: Head, scope: Mapping[str, Any], server: Server) -> bytes | None:
    """The key of a call to one of Gemini's addresses: of its headers, or else of its query. Raises as
    `query_credential` does."""
    return head.credential or query_credential(scope, server)


def _credential(seen: dict[bytes, bytes]) -> bytes | None:
    """The key, from the first of the three headers that the official SDKs use (protocols 1.1)."""
    for name in (b"x-api-key", b"x-goog-api-key"):
        if key := seen.get(name, b"").strip():
            return key
    scheme, _, token = seen.get(b"authorization", b"").partition(b" ")
    return token.strip() or None if scheme.lower() == b"bearer" else None


def _too_large(what: str) -> RequestRefused:
    return refuse(Kind.HEADERS, f"request headers refused: {what}")
