"""Keys: made, shown, given a new secret, ended."""

from collections.abc import Sequence

from litestar import Controller, Response, get, post

from nexusflow.admin.office import Books
from nexusflow.console.desk import Asked, Console, Desk, Who
from nexusflow.console.render import page
from nexusflow.console.rights import require
from nexusflow.keys import Key, KeyUse
from nexusflow.keys.model import wall_ms
from nexusflow.operators import Operator

GRACE_MS = 86_400_000


class Keys(Controller):
    """All keys, masked. A secret is shown once, in the answer that made it."""

    path = "/keys"

    @get("/")
    async def list_all(self, desk: Console, who: Who, org: str = "") -> Response[str]:
        """All of them, or those of one organisation."""
        return await _listed(desk, who, org=org)

    @post("/", status_code=200)
    async def create(self, request: Asked, desk: Console, who: Who) -> Response[str]:
        """A new one."""
        actor = require(who, "keys")
        form = await request.form()
        name, org, plan = (str(form.get(field, "")).strip() for field in ("name", "org", "plan"))
        key, secret = await desk.office.run(
            lambda books: books.keys.create(name, org=org or "default", plan=plan or None, actor=actor)
        )
        return await _listed(desk, who, made=key, secret=secret)

    @post("/{id:str}/rotate", status_code=200)
    async def rotate(self, id: str, desk: Console, who: Who) -> Response[str]:
        """A new secret; the one before works for another day."""
        actor = require(who, "keys")
        key, secret = await desk.office.run(lambda books: books.keys.rotate(id, GRACE_MS, actor=actor))
        return await _listed(desk, who, made=key, secret=secret)

    @post("/{id:str}/revoke", status_code=303)
    async def revoke(self, id: str, desk: Console, who: Who) -> Response[str]:
        """The end of it, at once."""
        actor = require(who, "keys")
        await desk.office.run(lambda books: books.keys.revoke(id, actor=actor))
        return Response("", status_code=303, headers={"location": "/console/keys/"})


async def _listed(
    desk: Desk, who: Operator, *, org: str = "", made: Key | None = None, secret: str | None = None
) -> Response[str]:
    def read(books: Books) -> tuple[Sequence[Key], dict[str, KeyUse], dict[str, str]]:
        payer = books.accounts.find_organisation(org).id if org else None
        names = {one.id: one.name for one in books.accounts.organisations()}
        return books.keys.list(payer), books.keys.uses(), names

    keys, uses, orgs = await desk.office.run(read)
    return page(
        "keys.html",
        who,
        keys=keys,
        uses=uses,
        orgs=orgs,
        plans=sorted(desk.artifact.plan.limits.plans),
        now_ms=wall_ms(),
        made=made,
        secret=secret,
    )
