"""Errors in OpenAI's envelope: ours to the client, a provider's to our canonical form (reliability 1.7, U-16 ff.)."""

import re
from typing import Any

import msgspec

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.openai_chat.wire import ErrorBody

# Kind: (status, error.type, error.code). The reliability table, column "OpenAI".
TABLE: dict[Kind, tuple[int, str, str | None]] = {
    Kind.PARSE: (400, "invalid_request_error", "invalid_json"),
    Kind.PARAM: (400, "invalid_request_error", "invalid_value"),
    Kind.CONTEXT: (400, "invalid_request_error", "context_length_exceeded"),
    Kind.CONTENT: (400, "invalid_request_error", "content_policy_violation"),
    Kind.AUTH: (401, "invalid_request_error", "invalid_api_key"),
    Kind.PERMISSION: (403, "permission_error", "model_not_allowed"),
    Kind.MODEL: (404, "invalid_request_error", "model_not_found"),
    Kind.ROUTE: (404, "invalid_request_error", "not_found"),
    Kind.METHOD: (405, "invalid_request_error", "method_not_allowed"),
    Kind.CLIENT_TIMEOUT: (408, "invalid_request_error", "request_timeout"),
    Kind.SIZE: (413, "invalid_request_error", "request_too_large"),
    Kind.HEADERS: (431, "invalid_request_error", "headers_too_large"),
    Kind.ENCODING: (415, "invalid_request_error", "unsupported_encoding"),
    Kind.RATE: (429, "requests", "rate_limit_exceeded"),
    Kind.INTERNAL: (500, "server_error", "internal_error"),
    Kind.UPSTREAM: (502, "server_error", "upstream_error"),
    Kind.UNAVAILABLE: (503, "server_error", "model_unavailable"),
    Kind.BUSY: (503, "server_error", "overloaded"),
    Kind.DRAIN: (503, "server_error", "draining"),
    Kind.STORE: (503, "server_error", "store_unavailable"),
    Kind.TIMEOUT: (504, "server_error", "upstream_timeout"),
}
MAX_PROVIDER_TEXT = 500
_CONTEXT_WORDS = re.compile(r"context.{0,3}length|maximum context|too many tokens|prompt is too long", re.IGNORECASE)
_SECRET = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key)[-_][A-Za-z0-9_*-]{6,}|\bBearer [^\s\"']+|https?://[^\s\"'<>]+")


class _Body(msgspec.Struct, frozen=True):
    error: ErrorBody | str | None = None
    message: Any = None
    detail: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_error = msgspec.json.Decoder(ErrorBody | str).decode


def status(problem: Problem) -> int:
    """The HTTP status of `problem` on this protocol."""
    return problem.status or TABLE[problem.kind][0]


def envelope(problem: Problem) -> bytes:
    """The JSON body of `problem`: `{"error": {message, type, param, code}}`."""
    _, type_, code = TABLE[problem.kind]
    return msgspec.json.encode(
        {
            "error": {
                "message": problem.message,
                "type": problem.type or type_,
                "param": problem.param,
                "code": problem.code or code,
            }
        }
    )


def event(problem: Problem) -> bytes:
    """`problem` inside a stream that has begun: one event, after which no `[DONE]` may follow (protocols 1.10.3)."""
    return b"data: " + envelope(problem) + b"\n\n"


def read(http_status: int, body: bytes, retry_after: int | None = None) -> Problem:
    """A provider's refusal in canonical form.

    Only the text of a 400-class refusal, which speaks of the caller's own request, is passed on, redacted and bounded.
    Our credential's failures are never shown as the caller's (U-24), and neither are the provider's other errors (G56).
    """
    error = _provider_error(body)
    code = error.code if isinstance(error.code, str) else None
    if http_status in (400, 413, 422):
        return _callers_fault(http_status, error, code)
    if http_status == 429:
        return Problem(
            kind=Kind.RATE,
            message="The provider's rate limit is reached. Try again later.",
            retry_after=max(1, min(retry_after if retry_after is not None else 1, 120)),
        )
    if http_status in (503, 529):
        return Problem(kind=Kind.BUSY, message="The provider is overloaded. Try again later.", retry_after=2)
    if http_status in (401, 403):
        return Problem(kind=Kind.UPSTREAM, message="The provider refused the gateway's own credential.")
    if http_status == 404:
        return Problem(kind=Kind.UPSTREAM, message="The provider does not know this model or address.")
    if http_status in (408, 504):
        return Problem(kind=Kind.TIMEOUT, message="The provider reported a timeout.")
    return Problem(kind=Kind.UPSTREAM, message=f"The provider failed with status {http_status}.")


def read_in_band(raw: bytes, http_status: int = 200) -> Problem:
    """An error object inside a 200 answer or a stream, mapped by its inner code as if that were the status (U-16)."""
    try:
        found = _decode_error(raw)
    except msgspec.DecodeError:
        return read(502, b"")
    error = ErrorBody(message=found) if isinstance(found, str) else found
    return read(_inner_status(error, http_status), msgspec.json.encode({"error": error}))


def _inner_status(error: ErrorBody, http_status: int) -> int:
    for value in (error.code, error.type):
        if isinstance(value, int) and 400 <= value <= 599:
            return value
        if isinstance(value, str):
            if value.isdigit() and 400 <= int(value) <= 599:
                return int(value)
            if status_of := _BY_WORD.get(value):
                return status_of
    return 502 if http_status == 200 else http_status


_BY_WORD = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_policy_violation": 400,
    "content_filter": 400,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "overloaded": 529,
    "server_overloaded": 529,
    "timeout": 504,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
}


def _callers_fault(http_status: int, error: ErrorBody, code: str | None) -> Problem:
    message = error.message if isinstance(error.message, str) and error.message else "The provider refused the request."
    kind = Kind.SIZE if http_status == 413 else Kind.PARAM
    if code == "context_length_exceeded" or _CONTEXT_WORDS.search(message):
        kind = Kind.CONTEXT
    elif code in ("content_policy_violation", "content_filter", "moderation_blocked"):
        kind = Kind.CONTENT
    known = kind in (Kind.CONTEXT, Kind.CONTENT)
    return Problem(
        kind=kind,
        message=redact(message),
        param=error.param if isinstance(error.param, str) else None,
        code=None if known else code,
        type=error.type if isinstance(error.type, str) and not known else None,
        status=http_status if kind in (Kind.PARAM, Kind.SIZE) else None,
    )


def redact(text: str) -> str:
    """Provider text without keys and addresses, on one line, at most 500 characters (G56)."""
    return _SECRET.sub("[redacted]", " ".join(text.split()))[:MAX_PROVIDER_TEXT]


def _provider_error(body: bytes) -> ErrorBody:
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody()
    if isinstance(found.error, ErrorBody):
        return found.error
    return ErrorBody(message=found.error or found.message or found.detail)
