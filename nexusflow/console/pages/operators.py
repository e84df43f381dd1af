"""Who may use the console."""

from collections.abc import Sequence
from typing import cast, get_args

from litestar import Controller, Response, get, post

from nexusflow.console.desk import Asked, Console, Desk, Who
from nexusflow.console.render import page
from nexusflow.console.rights import require
from nexusflow.operators import Operator, Role


class Operators(Controller):
    """Operators and their roles. A token is shown once, in the answer that made it."""

    path = "/operators"

    @get("/")
    async def list_all(self, desk: Console, who: Who) -> Response[str]:
        """All of them."""
        return await _listed(desk, who)

    @post("/", status_code=200)
    async def create(self, request: Asked, desk: Console, who: Who) -> Response[str]:
        """A new one."""
        actor = require(who, "operators")
        form = await request.form()
        name, role = str(form.get("name", "")).strip(), cast("Role", str(form.get("role", "viewer")))
        _, token = await desk.sessions(lambda _, table: table.create(name, role, actor=actor))
        return await _listed(desk, who, name=name, token=token)

    @post("/{id:str}/renew", status_code=200)
    async def renew(self, id: str, desk: Console, who: Who) -> Response[str]:
        """A new token; whoever is signed in by the one before is no longer."""
        actor = require(who, "operators")
        found, token = await desk.sessions(lambda _, table: table.renew(id, actor=actor))
        return await _listed(desk, who, name=found.name, token=token)

    @post("/{id:str}/remove", status_code=303)
    async def remove(self, id: str, desk: Console, who: Who) -> Response[str]:
        """The end of it."""
        actor = require(who, "operators")
        await desk.sessions(lambda _, table: table.remove(id, actor=actor))
        return Response("", status_code=303, headers={"location": "/console/operators/"})


async def _listed(desk: Desk, who: Operator, *, name: str = "", token: str | None = None) -> Response[str]:
    rows: Sequence[Operator] = await desk.sessions(lambda _, table: table.list())
    return page("operators.html", who, rows=rows, roles=get_args(Role), name=name, token=token)
