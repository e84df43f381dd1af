"""The admin API as an application of its own, with the OpenAPI document that Litestar makes of its handlers."""

import msgspec
from litestar import Litestar, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Method, Scope
from litestar.types.internal_types import PathParameterDefinition

from nexusflow import __version__
from nexusflow.admin.audit import Audit
from nexusflow.admin.budgets import Budgets
from nexusflow.admin.calls import Calls
from nexusflow.admin.keys import Keys
from nexusflow.admin.ledger import Ledger
from nexusflow.admin.limit_requests import LimitRequests
from nexusflow.admin.money import Movements
from nexusflow.admin.office import Office
from nexusflow.admin.organisations import Organisations
from nexusflow.admin.problems import refused
from nexusflow.admin.quotas import Quotas
from nexusflow.admin.statements import Statements
from nexusflow.admin.teams import Teams
from nexusflow.admin.usage import Usage
from nexusflow.admin.users import Users

ROOT = "/admin/v1"
ACTOR = "actor"
_RESOURCES = (
    Organisations, Teams, Users, Keys, Movements, Budgets, Quotas, LimitRequests, Usage, Statements, Calls, Ledger,
    Audit,
)  # fmt: skip
_ABOUT = """\
Accounts, keys, money, limits and reports of one gateway. Send a key with an admin scope as `Authorization: Bearer` or
`x-api-key`: `read` for what only reads, `write` for everything; such a key calls no models. Amounts are decimals in
the gateway's currency, as strings. Every change is in the audit log, and in effect in every worker within a second."""


def admin_app(office: Office) -> Litestar:
    """The application. It expects requests that were admitted, with the actor in their scope's state."""

    document: dict[str, object] = {}

    def provide_office() -> Office:
        return office

    @get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response[bytes]:
        return Response(msgspec.json.encode(document, order="sorted"), media_type="application/json")

    app = Litestar(
        route_handlers=[Router(path=ROOT, route_handlers=[*_RESOURCES, openapi])],
        dependencies={
            "office": Provide(provide_office, sync_to_thread=False),
            ACTOR: Provide(_provide_actor, sync_to_thread=False),
        },
        exception_handlers={HTTPException: refused, Exception: refused},
        openapi_config=OpenAPIConfig(
            title="NexusFlow admin API",
            version=__version__,
            description=_ABOUT,
            operation_id_creator=_operation_id,
            use_handler_docstrings=True,
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer"),
                    "header": SecurityScheme(type="apiKey", name="x-api-key", security_scheme_in="header"),
                }
            ),
            security=[{"bearer": []}, {"header": []}],
        ),
        logging_config=None,
    )
    document.update(app.openapi_schema.to_schema())
    return app


def _operation_id(handler: HTTPRouteHandler, _: Method, path: list[str | PathParameterDefinition]) -> str:
    """`keys_create` of POST /admin/v1/keys."""
    return f"{path[2]}_{handler.handler_name}".removesuffix("_all").replace("-", "_")


def _provide_actor(scope: Scope) -> str:
    return str(scope["state"][ACTOR])
