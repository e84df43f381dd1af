"""Organisations: their wallets, and whether they may call."""

from litestar import Controller, Response, get, post

from nexusflow.accounts import Organisation, Wallet
from nexusflow.admin.office import Books
from nexusflow.console.desk import Asked, Console, Who
from nexusflow.console.render import page
from nexusflow.console.rights import require
from nexusflow.ir.money import as_nano

_ACCOUNTS = "/console/accounts/"


class Accounts(Controller):
    """All organisations."""

    path = "/accounts"

    @get("/")
    async def list_all(self, desk: Console, who: Who) -> Response[str]:
        """Each with its money."""

        def read(books: Books) -> list[tuple[Organisation, Wallet]]:
            return [(one, books.accounts.wallet(one.id)) for one in books.accounts.organisations()]

        rows = await desk.office.run(read)
        return page("accounts.html", who, rows=rows, currency=desk.office.currency)

    @post("/", status_code=303)
    async def create(self, request: Asked, desk: Console, who: Who) -> Response[str]:
        """A new one, with an empty wallet."""
        actor = require(who, "accounts")
        name = str((await request.form()).get("name", "")).strip()
        await desk.office.run(lambda books: books.accounts.create_organisation(name, actor=actor, credit_line=0))
        return Response("", status_code=303, headers={"location": _ACCOUNTS})

    @post("/{id:str}/credit", status_code=303)
    async def credit(self, id: str, request: Asked, desk: Console, who: Who) -> Response[str]:
        """Money that was paid in."""
        actor = require(who, "money")
        form = await request.form()
        amount, memo = as_nano(str(form.get("amount", ""))), str(form.get("memo", "")).strip()
        once = str(form.get("once", "")) or None  # a form that is sent twice pays once
        await desk.office.run(lambda books: books.money.credit(id, amount, "console", memo, actor, once))
        return Response("", status_code=303, headers={"location": _ACCOUNTS})

    @post("/{id:str}/{act:str}", status_code=303)
    async def set_status(self, id: str, act: str, desk: Console, who: Who) -> Response[str]:
        """Suspend it, or let it call again."""
        actor = require(who, "accounts")

        def change(books: Books) -> None:
            (books.accounts.suspend if act == "suspend" else books.accounts.resume)(id, actor=actor)

        await desk.office.run(change)
        return Response("", status_code=303, headers={"location": _ACCOUNTS})
