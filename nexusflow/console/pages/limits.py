"""What callers ask for beyond their limits, and what is decided."""

from litestar import Controller, Response, get, post

from nexusflow.console.desk import Asked, Console, Who
from nexusflow.console.render import page
from nexusflow.console.rights import require


class Limits(Controller):
    """Requests for more."""

    path = "/limits"

    @get("/")
    async def list_all(self, desk: Console, who: Who) -> Response[str]:
        """The open ones first."""
        rows = await desk.office.run(lambda books: books.quotas.requests(None, None))
        order = sorted(rows, key=lambda one: (one.state != "open", -one.created_ms))
        return page("limits.html", who, rows=order, load=desk.runtime.load.level)

    @post("/{id:str}/{act:str}", status_code=303)
    async def decide(self, id: str, act: str, request: Asked, desk: Console, who: Who) -> Response[str]:
        """Grant it as it was asked for, or turn it down."""
        actor = require(who, "limits")
        said = str((await request.form()).get("answer", "")).strip() or None
        if act == "approve":
            await desk.office.run(lambda books: books.quotas.approve(id, actor=actor, answer=said))
        else:
            await desk.office.run(lambda books: books.quotas.deny(id, actor=actor, answer=said))
        return Response("", status_code=303, headers={"location": "/console/limits/"})
