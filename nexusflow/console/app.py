"""The console as an application of its own, behind its door."""

import logging

from litestar import Litestar, Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import Scope

from nexusflow.accounts.model import AccountProblem
from nexusflow.console.desk import Asked, Desk
from nexusflow.console.pages import PAGES
from nexusflow.console.render import page
from nexusflow.console.rights import NotAllowed
from nexusflow.console.session import DESK, OPERATOR, ROOT, SECRET
from nexusflow.console.sign_in import SignIn
from nexusflow.keys.model import KeyProblem
from nexusflow.operators import Operator
from nexusflow.store import StoreError

_log = logging.getLogger("nexusflow.console")


def console_app() -> Litestar:
    """It expects requests that were admitted, with the desk and who asks in their scope's state."""
    return Litestar(
        route_handlers=[Router(path=ROOT, route_handlers=[SignIn, *PAGES])],
        dependencies={
            DESK: Provide(_desk, sync_to_thread=False),
            OPERATOR: Provide(_who, sync_to_thread=False),
            SECRET: Provide(_secret, sync_to_thread=False),
        },
        exception_handlers={
            HTTPException: _problem,
            NotAllowed: _problem,
            AccountProblem: _problem,
            KeyProblem: _problem,
            StoreError: _problem,
            ValueError: _problem,
            Exception: _bug,
        },
        openapi_config=None,
        logging_config=None,
    )


def _desk(scope: Scope) -> Desk:
    found: Desk = scope["state"][DESK]
    return found


def _who(scope: Scope) -> Operator | None:
    found: Operator | None = scope["state"][OPERATOR]
    return found


def _secret(scope: Scope) -> str | None:
    found: str | None = scope["state"][SECRET]
    return found


def _bug(request: Asked, error: Exception) -> Response[str]:
    _log.error("a page failed: %s", request.url.path, exc_info=error)
    return page("problem.html", None, status=500, title="That did not work", text="This is a bug; the log tells more.")


def _problem(request: Asked, error: Exception) -> Response[str]:
    """A failure as a page, in its own words where they are fit to show."""
    status, text = 400, str(error)
    if isinstance(error, HTTPException):
        status, text = error.status_code, error.detail if error.status_code < 500 else "Something went wrong."
    elif isinstance(error, NotAllowed):
        status = 403
    elif isinstance(error, StoreError):
        status = 503
    return page("problem.html", _who(request.scope), status=status, title="That did not work", text=text)
