"""A provider's refusal as our problem, by its status and words, in any protocol (reliability 1.7, protocols 2.11).

Each protocol reads its own error body into `Said`; what the status means is the same for all.
"""

from msgspec import Struct

from nexusflow.ir.errors import Kind, Problem
from nexusflow.protocols.common.provider_text import is_context_overflow, redact

MAX_RETRY_AFTER = 120
"""Seconds. Some SDKs do not retry at all beyond it, others sleep whatever they are told (protocols 1.10.4)."""

_OURS = {
    401: "The provider refused the gateway's own credential.",
    402: "The provider refused the gateway's own account.",
    403: "The provider refused the gateway's own credential.",
    404: "The provider does not know this model or address.",
}
_CONTENT_CODES = frozenset(("content_policy_violation", "content_filter", "moderation_blocked"))


class Said(Struct, frozen=True, kw_only=True):
    """What a provider's error body says. Members of unexpected types are left out by the reader."""

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None


def problem(http_status: int, said: Said, retry_after: int | None = None) -> Problem:
    """The canonical problem of a provider's answer with `http_status`; `retry_after` is in seconds.

    Only the text of a 400-class refusal, which speaks of the caller's own request, is passed on, redacted and bounded.
    Our credential's failures are never shown as the caller's (U-24), and neither are the provider's other errors (G56).
    """
    if http_status in (400, 413, 422):
        return _callers_fault(http_status, said)
    if http_status == 429:
        return Problem(
            kind=Kind.RATE,
            message="The provider's rate limit is reached. Try again later.",
            retry_after=max(1, min(retry_after if retry_after is not None else 1, MAX_RETRY_AFTER)),
            cause=429,
        )
    if http_status in (503, 529):
        message = "The provider is overloaded. Try again later."
        return Problem(kind=Kind.BUSY, message=message, retry_after=2, cause=http_status)
    if http_status in (408, 504):
        return Problem(kind=Kind.TIMEOUT, message="The provider reported a timeout.", cause=http_status)
    message = _OURS.get(http_status, f"The provider failed with status {http_status}.")
    return Problem(kind=Kind.UPSTREAM, message=message, cause=http_status)


def _callers_fault(http_status: int, said: Said) -> Problem:
    message = said.message or "The provider refused the request."
    kind = Kind.SIZE if http_status == 413 else Kind.PARAM
    if said.code == "context_length_exceeded" or is_context_overflow(message):
        kind = Kind.CONTEXT
    elif said.code in _CONTENT_CODES:
        kind = Kind.CONTENT
    known = kind in (Kind.CONTEXT, Kind.CONTENT)
    return Problem(
        kind=kind,
        message=redact(message),
        param=said.param,
        code=None if known else said.code,
        type=None if known else said.type,
        status=http_status if kind in (Kind.PARAM, Kind.SIZE) else None,
        cause=http_status,
    )
