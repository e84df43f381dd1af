"""Errors in Google's envelope: ours to the client, a provider's to our canonical form (reliability 1.7, U-16 ff.)."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.common import provider_errors
from nexusflow.protocols.common.provider_errors import Said

# Kind: (status, error.status, ErrorInfo.reason). The reliability table, column "Gemini".
TABLE: dict[Kind, tuple[int, str, str]] = {
    Kind.PARSE: (400, "INVALID_ARGUMENT", "INVALID_JSON"),
    Kind.PARAM: (400, "INVALID_ARGUMENT", "INVALID_VALUE"),
    Kind.CONTEXT: (400, "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"),
    Kind.CONTENT: (400, "INVALID_ARGUMENT", "CONTENT_POLICY_VIOLATION"),
    Kind.AUTH: (401, "UNAUTHENTICATED", "API_KEY_INVALID"),
    Kind.FUNDS: (403, "PERMISSION_DENIED", "INSUFFICIENT_QUOTA"),
    Kind.INFLIGHT: (429, "RESOURCE_EXHAUSTED", "INFLIGHT_BUDGET_EXHAUSTED"),
    Kind.PERMISSION: (403, "PERMISSION_DENIED", "MODEL_NOT_ALLOWED"),
    Kind.MODEL: (404, "NOT_FOUND", "MODEL_NOT_FOUND"),
    Kind.ROUTE: (404, "NOT_FOUND", "NOT_FOUND"),
    Kind.METHOD: (405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
    Kind.CONFLICT: (409, "ABORTED", "IDEMPOTENCY_IN_PROGRESS"),
    Kind.REUSE: (422, "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED"),
    Kind.CLIENT_TIMEOUT: (408, "DEADLINE_EXCEEDED", "REQUEST_TIMEOUT"),
    Kind.SIZE: (413, "INVALID_ARGUMENT", "REQUEST_TOO_LARGE"),
    Kind.HEADERS: (431, "INVALID_ARGUMENT", "HEADERS_TOO_LARGE"),
    Kind.ENCODING: (415, "INVALID_ARGUMENT", "UNSUPPORTED_ENCODING"),
    Kind.RATE: (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
    Kind.INTERNAL: (500, "INTERNAL", "INTERNAL_ERROR"),
    Kind.UPSTREAM: (502, "UNAVAILABLE", "UPSTREAM_ERROR"),
    Kind.UNAVAILABLE: (503, "UNAVAILABLE", "MODEL_UNAVAILABLE"),
    Kind.BUSY: (503, "UNAVAILABLE", "OVERLOADED"),
    Kind.DRAIN: (503, "UNAVAILABLE", "DRAINING"),
    Kind.STORE: (503, "UNAVAILABLE", "STORE_UNAVAILABLE"),
    Kind.TIMEOUT: (504, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT"),
    Kind.UNKNOWN: (502, "UNKNOWN", "OUTCOME_UNKNOWN"),
}
PATIENCE = 60
"""Seconds above which trying again at once is no use (protocols 1.10.4)."""

_RPC = "type.googleapis.com/google.rpc."
_DOMAIN = "nexusflow"
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
    "UNKNOWN": 500,
}


class _Error(Struct, frozen=True):
    code: Any = None
    message: Any = None
    status: Any = None
    details: Any = None

    def detail(self, kind: str) -> Mapping[str, Any]:
        """The first of the details that is a `google.rpc` message of this kind, or an empty one."""
        for entry in self.details if isinstance(self.details, list) else ():
            if isinstance(entry, dict) and str(entry.get("@type", "")).endswith("." + kind):
                return entry
        return {}


class _Body(Struct, frozen=True):
    error: _Error | str | None = None


_decode = msgspec.json.Decoder(_Body | list[_Body]).decode
_decode_error = msgspec.json.Decoder(_Error | str).decode


def status(problem: Problem) -> int:
    """The HTTP status of `problem` on this protocol."""
    return problem.status or TABLE[problem.kind][0]


def envelope(problem: Problem, request_id: str = "") -> bytes:
    """The JSON body of `problem`: `{"error": {code, message, status, details}}`; `error` is its first key."""
    return msgspec.json.encode(
        {
            "error": {
                "code": status(problem),
                "message": problem.message,
                "status": TABLE[problem.kind][1],
                "details": _details(problem, request_id),
            }
        }
    )


def event(problem: Problem, request_id: str = "") -> bytes:
    """`problem` inside a stream that has begun: one frame, after which the stream closes (protocols 1.10.3)."""
    return b"data: " + envelope(problem, request_id) + b"\r\n\r\n"


def _details(problem: Problem, request_id: str) -> list[dict[str, Any]]:
    """ErrorInfo always; BadRequest for a named field, RetryInfo for a wait, RequestInfo for an id."""
    reason = problem.code.upper() if problem.code else TABLE[problem.kind][2]
    info: dict[str, Any] = {"@type": _RPC + "ErrorInfo", "reason": reason, "domain": _DOMAIN}
    if problem.kind is Kind.AUTH:
        info["reason"] = "API_KEY_INVALID"  # the word by which Google's clients know a bad key
    details = [info]
    if problem.param is not None:
        violation = {"field": problem.param, "description": problem.message}
        details.append({"@type": _RPC + "BadRequest", "fieldViolations": [violation]})
    if problem.retry_after_ms is not None:
        seconds, rest = divmod(problem.retry_after_ms, 1000)
        delay = f"{seconds}.{rest:03}".rstrip("0") if rest else str(seconds)
        details.append({"@type": _RPC + "RetryInfo", "retryDelay": f"{delay}s"})
    if request_id:
        details.append({"@type": _RPC + "RequestInfo", "requestId": request_id})
    return details


def read(http_status: int, body: bytes, retry_after: int | None = None) -> Problem:
    """A provider's refusal in canonical form.

    Only the text of a 400-class refusal, which speaks of the caller's own request, is passed on, redacted and bounded.
    Our credential's failures are never shown as the caller's: Google answers a bad key with a 400 (U-24).
    """
    return _explain(http_status, _error_of(body), retry_after)


def read_in_band(raw: bytes) -> Problem:
    """An error object inside a 200 answer or a stream, mapped by its own code or status word (U-16)."""
    try:
        found = _decode_error(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _explain(502, _Error(), None)
    error = _Error(message=found) if isinstance(found, str) else found
    if isinstance(error.code, int) and 400 <= error.code <= 599:
        return _explain(error.code, error, None)
    return _explain(_STATUSES.get(error.status, 502) if isinstance(error.status, str) else 502, error, None)


def _explain(http_status: int, error: _Error, retry_after: int | None) -> Problem:
    if error.detail("ErrorInfo").get("reason") == "API_KEY_INVALID":
        http_status = 401
    told = _seconds(error.detail("RetryInfo").get("retryDelay"))
    wait = retry_after if retry_after is not None else told
    said = Said(message=error.message if isinstance(error.message, str) else None, param=_field(error))
    problem = provider_errors.problem(http_status, said, wait)
    if problem.kind is not Kind.RATE:
        return problem
    daily = _quota_of_a_day(error)
    return msgspec.structs.replace(
        problem,
        message="The provider's quota is used up for today." if daily else problem.message,
        should_retry=False if daily or (wait or 0) > PATIENCE else None,
    )


def _field(error: _Error) -> str | None:
    violations = error.detail("BadRequest").get("fieldViolations")
    first = violations[0] if isinstance(violations, list) and violations else None
    field = first.get("field") if isinstance(first, dict) else None
    return field if isinstance(field, str) and field else None


def _quota_of_a_day(error: _Error) -> bool:
    """Whether no second try will help before tomorrow (T104)."""
    violations = error.detail("QuotaFailure").get("violations")
    return isinstance(violations, list) and any("PerDay" in str(entry) for entry in violations)


def _seconds(delay: object) -> int | None:
    """Whole seconds of a `google.protobuf.Duration` such as `1.5s`."""
    if not isinstance(delay, str) or not delay.endswith("s"):
        return None
    try:
        seconds = float(delay[:-1])
    except ValueError:
        return None
    return math.ceil(seconds) if 0 <= seconds < 1e9 else None


def _error_of(body: bytes) -> _Error:
    """The error of a body, which Google sometimes wraps in a list of one."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    if isinstance(found, list):
        found = found[0] if found else _Body()
    return _Error(message=found.error) if isinstance(found.error, str) else found.error or _Error()
