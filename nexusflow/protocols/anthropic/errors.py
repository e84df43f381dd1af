"""Errors in Anthropic's envelope: ours to the client, a provider's to our canonical form (reliability 1.7)."""

from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.common.provider_errors import problem as provider_problem

# Kind: (status, error.type). The reliability table, column "Anthropic".
TABLE: dict[Kind, tuple[int, str]] = {
    Kind.PARSE: (400, "invalid_request_error"),
    Kind.PARAM: (400, "invalid_request_error"),
    Kind.CONTEXT: (400, "invalid_request_error"),
    Kind.CONTENT: (400, "invalid_request_error"),
    Kind.AUTH: (401, "authentication_error"),
    Kind.FUNDS: (403, "billing_error"),
    Kind.INFLIGHT: (429, "rate_limit_error"),
    Kind.PERMISSION: (403, "permission_error"),
    Kind.MODEL: (404, "not_found_error"),
    Kind.ROUTE: (404, "not_found_error"),
    Kind.METHOD: (405, "invalid_request_error"),
    Kind.CONFLICT: (409, "conflict_error"),
    Kind.REUSE: (422, "invalid_request_error"),
    Kind.CLIENT_TIMEOUT: (408, "invalid_request_error"),
    Kind.SIZE: (413, "request_too_large"),
    Kind.HEADERS: (431, "invalid_request_error"),
    Kind.ENCODING: (415, "invalid_request_error"),
    Kind.RATE: (429, "rate_limit_error"),
    Kind.INTERNAL: (500, "api_error"),
    Kind.UPSTREAM: (502, "api_error"),
    Kind.UNAVAILABLE: (503, "api_error"),
    Kind.BUSY: (529, "overloaded_error"),
    Kind.DRAIN: (529, "overloaded_error"),
    Kind.STORE: (503, "api_error"),
    Kind.TIMEOUT: (504, "timeout_error"),
    Kind.UNKNOWN: (502, "api_error"),
}
# An error inside a 200 or a stream has no status of its own, only its type (protocols 1.10.2).
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_NO_CREDIT = "credit balance is too low"


class _Error(Struct, frozen=True):
    type: Any = None
    message: Any = None
    details: Any = None


class _Body(Struct, frozen=True):
    error: _Error | str | None = None
    message: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_error = msgspec.json.Decoder(_Error | str).decode


def status(problem: Problem) -> int:
    """The HTTP status of `problem` on this protocol."""
    return problem.status or TABLE[problem.kind][0]


def envelope(problem: Problem, request_id: str = "") -> bytes:
    """The JSON body of `problem`: `{"type": "error", "error": {type, message, details?}, "request_id"?}`.

    `details` holds what the protocol has no member for: the code, which its SDKs read as `error_code`, and the field.
    """
    error: dict[str, Any] = {"type": _type(problem), "message": problem.message}
    details = {"error_code": problem.code, "param": problem.param}
    if problem.code is not None or problem.param is not None:
        error["details"] = {name: value for name, value in details.items() if value is not None}
    body: dict[str, Any] = {"type": "error", "error": error}
    if request_id:
        body["request_id"] = request_id
    return msgspec.json.encode(body)


def event(problem: Problem, request_id: str = "") -> bytes:
    """`problem` inside a stream that has begun: one event, after which no `message_stop` may follow."""
    return b"event: error\ndata: " + envelope(problem, request_id) + b"\n\n"


def read(http_status: int, body: bytes, retry_after: int | None = None) -> Problem:
    """A provider's refusal in canonical form."""
    return _problem(http_status, _provider_error(body), retry_after)


def read_in_band(raw: bytes) -> Problem:
    """The error object inside a 200 answer or a stream, mapped by its type as if that were the status (U-16, U-17)."""
    try:
        found = _decode_error(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _problem(502, _Error(), None)
    error = _Error(message=found) if isinstance(found, str) else found
    return _problem(_STATUS_OF_TYPE.get(str(error.type), 502), error, None)


def _problem(http_status: int, error: _Error, retry_after: int | None) -> Problem:
    message = _text(error.message)
    if message is not None and http_status == 400 and _NO_CREDIT in message:
        http_status = 402  # this provider says so of the gateway's own account, with a 400 (U-24)
    details = error.details if isinstance(error.details, dict) else {}
    said = Said(message=message, type=_text(error.type), code=_text(details.get("error_code")))
    return provider_problem(http_status, said, retry_after)


def _type(problem: Problem) -> str:
    """A provider's own type is kept where this protocol has it; another protocol's word would say nothing here."""
    usual = TABLE[problem.kind][1]
    return problem.type if problem.type and _STATUS_OF_TYPE.get(problem.type) == status(problem) else usual


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _provider_error(body: bytes) -> _Error:
    """What the body says; nothing for HTML, text or an empty one (T106)."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    return found.error if isinstance(found.error, _Error) else _Error(message=found.error or found.message)
