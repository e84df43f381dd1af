"""What a request's header block says, read in one pass and before any of its body."""

from collections.abc import Iterable

from msgspec import Struct

from nexusflow.ir.errors import Kind, RequestRefused, refuse

MAX_HEADER_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024

_SINGLE = frozenset((b"authorization", b"host", b"content-type", b"content-length", b"x-api-key", b"x-goog-api-key"))
_WANTED = _SINGLE | {b"content-encoding"}


class Head(Struct):
    """The parts of a header block that decide a request's fate. `credential` is the bare key, as sent."""

    credential: bytes | None
    content_length: int | None
    content_encoding: bytes | None


def inspect(headers: Iterable[tuple[bytes, bytes]], max_headers: int) -> Head:
    """Read the headers that matter; header names arrive in lower case.

    Raises `RequestRefused`: too many or too large headers (431, C-15), a repeated Authorization, Host or Content-Type
    (400, C-15), two different credentials in one request (400, SEC-56).
    """
    seen: dict[bytes, bytes] = {}
    total = count = 0
    for name, value in headers:
        count += 1
        size = len(name) + len(value)
        total += size
        if size > MAX_HEADER_BYTES:
            raise _too_large(f"one header exceeds {MAX_HEADER_BYTES} bytes")
        if name in _WANTED:
            if name in seen and name in _SINGLE:
                raise refuse(Kind.PARAM, f"the header {name.decode()} is repeated", code="duplicate_header")
            seen[name] = value
    if count > max_headers:
        raise _too_large(f"more than {max_headers} headers")
    if total > MAX_HEAD_BYTES:
        raise _too_large(f"the headers exceed {MAX_HEAD_BYTES} bytes")
    length = seen.get(b"content-length")
    return Head(
        credential=_credential(seen),
        content_length=int(length) if length is not None and length.isdigit() else None,
        content_encoding=seen.get(b"content-encoding"),
    )


def _credential(seen: dict[bytes, bytes]) -> bytes | None:
    """The key, from any of the three headers that the official SDKs use (protocols 1.1)."""
    found = [value.strip() for name in (b"x-api-key", b"x-goog-api-key") if (value := seen.get(name))]
    authorization = seen.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and token.strip():
            found.append(token.strip())
    if not found:
        return None
    if any(key != found[0] for key in found):
        raise refuse(Kind.PARAM, "two different credentials in one request", code="conflicting_credentials")
    return found[0]


def _too_large(what: str) -> RequestRefused:
    return refuse(Kind.HEADERS, f"request headers refused: {what}")
