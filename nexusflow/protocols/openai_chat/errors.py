"""Errors in OpenAI's envelope: ours to the client, a provider's to our canonical form (reliability 1.7, U-16 ff.)."""

from typing import Any

import msgspec

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.common import provider_errors
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.openai_chat.wire import ErrorBody

# Kind: (status, error.type, error.code). The reliability table, column "OpenAI"; out of funds as the contract has it,
# with a status that the gateway's owner may change.
TABLE: dict[Kind, tuple[int, str, str | None]] = {
    Kind.PARSE: (400, "invalid_request_error", "invalid_json"),
    Kind.PARAM: (400, "invalid_request_error", "invalid_value"),
    Kind.CONTEXT: (400, "invalid_request_error", "context_length_exceeded"),
    Kind.CONTENT: (400, "invalid_request_error", "content_policy_violation"),
    Kind.AUTH: (401, "invalid_request_error", "invalid_api_key"),
    Kind.FUNDS: (403, "invalid_request_error", "insufficient_quota"),
    Kind.INFLIGHT: (429, "requests", "inflight_budget_exhausted"),
    Kind.PERMISSION: (403, "permission_error", "model_not_allowed"),
    Kind.MODEL: (404, "invalid_request_error", "model_not_found"),
    Kind.ROUTE: (404, "invalid_request_error", "not_found"),
    Kind.METHOD: (405, "invalid_request_error", "method_not_allowed"),
    Kind.CONFLICT: (409, "invalid_request_error", "idempotency_in_progress"),
    Kind.REUSE: (422, "invalid_request_error", "idempotency_key_reused"),
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
    Kind.UNKNOWN: (502, "server_error", "outcome_unknown"),
}


class _Body(msgspec.Struct, frozen=True):
    error: ErrorBody | str | None = None
    message: Any = None
    detail: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_error = msgspec.json.Decoder(ErrorBody | str).decode


def status(problem: Problem) -> int:
    """The HTTP status of `problem` on this protocol."""
    return problem.status or TABLE[problem.kind][0]


def envelope(problem: Problem, request_id: str = "") -> bytes:
    """The JSON body of `problem`: `{"error": {message, type, param, code}}`. It has no place for `request_id`."""
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


def event(problem: Problem, request_id: str = "") -> bytes:
    """`problem` inside a stream that has begun: one event, after which no `[DONE]` may follow (protocols 1.10.3)."""
    return b"data: " + envelope(problem, request_id) + b"\n\n"


def read(http_status: int, body: bytes, retry_after: int | None = None) -> Problem:
    """A provider's refusal in canonical form, whatever its body: other JSON, text, HTML or nothing (T106)."""
    return provider_errors.problem(http_status, _said(_provider_error(body)), retry_after)


def read_in_band(raw: bytes, http_status: int = 200) -> Problem:
    """An error object inside a 200 answer or a stream, mapped by its inner code as if that were the status (U-16)."""
    try:
        found = _decode_error(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
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


# The last ones are those of a failed response: what is wrong with the caller's picture.
_BY_WORD = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
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
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    **dict.fromkeys(
        (
            "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large",
            "image_too_small", "image_parse_error", "image_content_policy_violation", "invalid_image_mode",
            "image_file_too_large", "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
            "image_file_not_found",
        ),
        400,
    ),
}  # fmt: skip


def _said(error: ErrorBody) -> Said:
    """The members that have the type they should have."""
    given = (error.message, error.type, error.code, error.param)
    message, type_, code, param = (value if isinstance(value, str) and value else None for value in given)
    return Said(message=message, type=type_, code=code, param=param)


def _provider_error(body: bytes) -> ErrorBody:
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody()
    if isinstance(found.error, ErrorBody):
        return found.error
    return ErrorBody(message=found.error or found.message or found.detail)
