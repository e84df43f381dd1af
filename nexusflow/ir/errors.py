"""Canonical errors: what went wrong, without any protocol's wire form (reliability 1.7)."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr


class Kind(StrEnum):
    """The rows of the canonical error table; each protocol spells them in its own envelope."""

    PARSE = "E-PARSE"
    PARAM = "E-PARAM"
    CONTEXT = "E-CTX"
    CONTENT = "E-CONTENT"
    AUTH = "E-AUTH"
    FUNDS = "E-FUNDS"
    INFLIGHT = "E-INFLIGHT"
    PERMISSION = "E-PERM"
    MODEL = "E-MODEL"
    ROUTE = "E-ROUTE"
    METHOD = "E-METHOD"
    CONFLICT = "E-CONFLICT"
    REUSE = "E-REUSE"
    CLIENT_TIMEOUT = "E-408"
    SIZE = "E-SIZE"
    HEADERS = "E-HEADERS"
    ENCODING = "E-ENCODING"
    RATE = "E-RATE"
    INTERNAL = "E-INTERNAL"
    UPSTREAM = "E-UPSTREAM"
    UNAVAILABLE = "E-UNAVAILABLE"
    BUSY = "E-BUSY"
    DRAIN = "E-DRAIN"
    STORE = "E-STORE"
    TIMEOUT = "E-TIMEOUT"
    UNKNOWN = "E-UNKNOWN"


# Trying again can only fail again, or pay twice.
_FINAL = frozenset((Kind.FUNDS, Kind.UNKNOWN))
# Seconds after which trying again makes sense, where the kind alone tells.
_WAITS = {Kind.INFLIGHT: 1, Kind.CONFLICT: 2}


class Problem(Struct, frozen=True, kw_only=True):
    """One failure as told to a client.

    `message` is ours and safe to show. `param` names the offending field, `code` overrides the table's code, `status`
    the table's HTTP status, `type` the table's type. `retry_after` is in seconds, and `retry_after_ms` says it exactly.
    Where the kind alone decides whether and when to try again, they and `should_retry` need not be given. `cause` is
    the HTTP status that a provider's own error has or amounts to, for the gateway alone.
    """

    kind: Kind
    message: str
    param: str | None = None
    code: str | None = None
    type: str | None = None
    status: int | None = None
    retry_after: int | None = None
    retry_after_ms: int | None = None
    should_retry: bool | None = None
    close: bool = False
    allow: str | None = None
    cause: int | None = None

    def __post_init__(self) -> None:
        if self.should_retry is None and self.kind in _FINAL:
            force_setattr(self, "should_retry", False)
        if self.retry_after is None and self.retry_after_ms is not None:
            force_setattr(self, "retry_after", -(-self.retry_after_ms // 1000))
        if self.retry_after is None and self.kind in _WAITS:
            force_setattr(self, "retry_after", _WAITS[self.kind])
        if self.retry_after_ms is None and self.retry_after is not None:
            force_setattr(self, "retry_after_ms", self.retry_after * 1000)


class RequestRefused(Exception):
    """Raised anywhere in a request's life to end it with `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def refuse(
    kind: Kind, message: str, *, param: str | None = None, code: str | None = None, status: int | None = None
) -> RequestRefused:
    """The common short form: `raise refuse(Kind.PARAM, "...", param="n")`."""
    return RequestRefused(Problem(kind=kind, message=message, param=param, code=code, status=status))
