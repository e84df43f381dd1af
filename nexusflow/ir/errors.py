"""Canonical errors: what went wrong, without any protocol's wire form (reliability 1.7)."""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """The rows of the canonical error table; each protocol spells them in its own envelope."""

    PARSE = "E-PARSE"
    PARAM = "E-PARAM"
    CONTEXT = "E-CTX"
    CONTENT = "E-CONTENT"
    AUTH = "E-AUTH"
    PERMISSION = "E-PERM"
    MODEL = "E-MODEL"
    ROUTE = "E-ROUTE"
    METHOD = "E-METHOD"
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


class Problem(Struct, frozen=True, kw_only=True):
    """One failure as told to a client.

    `message` is ours and safe to show. `param` names the offending field, `code` overrides the table's code, `status`
    the table's HTTP status, `type` the table's type (only for a provider's own 400). `retry_after` is in seconds.
    """

    kind: Kind
    message: str
    param: str | None = None
    code: str | None = None
    type: str | None = None
    status: int | None = None
    retry_after: int | None = None
    should_retry: bool | None = None
    close: bool = False
    allow: str | None = None


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
