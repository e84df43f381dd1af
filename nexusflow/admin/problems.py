"""How the admin API refuses: every failure in OpenAI's envelope, with the field that it is about."""

import logging
import re
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from nexusflow.accounts import AccountProblem, AccountTaken, AccountUnknown, MoneyRefused
from nexusflow.accounts.quotas import RequestDecided
from nexusflow.endpoints.respond import error_headers
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.keys import KeyProblem, KeyUnknown, PepperProblem
from nexusflow.protocols.openai_chat import errors
from nexusflow.store import StoreError

_log = logging.getLogger("nexusflow.admin")
_NAMED = re.compile(r"Object (?:contains unknown|missing required) field `([^`]*)`")
# What tables and handlers call otherwise than the API, which takes no milliseconds.
_FIELDS = {"expires_ms": "expires_at", "grace_ms": "grace_seconds", "in_state": "state"}


class ErrorBody(Struct):
    """What is wrong. `param` names the field of the request that it is about, where it is about one."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Struct):
    """A refusal, in the envelope of OpenAI's API."""

    error: ErrorBody


_WHY = {
    400: "A field is missing, unknown or not acceptable; `param` names it.",
    401: "No key, or one that is unknown, revoked or expired.",
    403: "The key has no admin right, or not the one that this needs, or may not be used from this address.",
    404: "There is nothing with this id.",
    409: "There is one like this already, it was decided before, or the money for it is not there.",
    503: "The database does not answer, or the gateway is stopping.",
}
_SPECS = {
    status: ResponseSpec(Error, generate_examples=False, description=why, media_type="application/json")
    for status, why in _WHY.items()
}
READS = {status: _SPECS[status] for status in (400, 401, 403, 503)}
"""Answers beside the good one, of what only reads a list."""
FINDS = {**READS, 404: _SPECS[404]}
"""The same of what names one thing."""
CHANGES = {**FINDS, 409: _SPECS[409]}
"""The same of what changes something."""


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to what a handler, or the way to one, raised."""
    problem = problem_of(error)
    status = errors.status(problem)
    if status >= 500:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = {name.decode(): value.decode() for name, value in error_headers(problem, status)}
    return Response(errors.envelope(problem), status_code=status, media_type="application/json", headers=headers)


def problem_of(error: Exception) -> Problem:
    """Our words for a failure; those of the store and of bugs stay in the log."""
    match error:
        case RequestRefused():
            return error.problem
        case PepperProblem() | StoreError():
            return Problem(kind=Kind.STORE, message="The database cannot be used at the moment.")
        case AccountUnknown() | KeyUnknown():
            return Problem(kind=Kind.ROUTE, message=str(error), param=error.field)
        case AccountTaken():
            return _conflict(error, "already_exists")
        case MoneyRefused():
            return _conflict(error, "money_refused")
        case RequestDecided():
            return _conflict(error, "already_decided")
        case AccountProblem() | KeyProblem():
            field = None if error.field is None else _FIELDS.get(error.field, error.field)
            return Problem(kind=Kind.PARAM, message=str(error), param=field)
        case ValidationException():
            return _invalid(error)
        case HTTPException():
            return _routing(error)
    return Problem(kind=Kind.INTERNAL, message="An internal error occurred.")


def _conflict(error: AccountProblem, code: str) -> Problem:
    return Problem(kind=Kind.PARAM, status=409, code=code, message=str(error), param=error.field, should_retry=False)


def _invalid(error: ValidationException) -> Problem:
    """The first field that does not fit its type."""
    extra = error.extra
    first: dict[str, str] = extra[0] if isinstance(extra, list) and extra else {}
    text, field = first.get("message", "The request is not valid."), first.get("key", "")
    inner = "" if field == "data" else _FIELDS.get(field, field)
    if named := _NAMED.match(text):
        inner = f"{inner}.{named[1]}".removeprefix(".")
    message = f"`{inner}`: {text}." if inner else f"The body is not valid: {text}."
    return Problem(kind=Kind.PARAM, message=message, param=inner or None)


def _routing(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem(kind=Kind.ROUTE, message="There is nothing at this address.")
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow")
        return Problem(kind=Kind.METHOD, message="The address does not take this method.", allow=allow)
    if error.status_code < 500:
        return Problem(kind=Kind.PARAM, message=f"The request is not valid: {error.detail}", status=error.status_code)
    return Problem(kind=Kind.INTERNAL, message="An internal error occurred.")
