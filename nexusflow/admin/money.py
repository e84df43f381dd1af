"""Money that operators move: paid in, corrected, given back."""

from typing import Annotated, Literal

from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from nexusflow.accounts import Movement as Made
from nexusflow.accounts.money import Kind
from nexusflow.admin.office import Actor, Desk
from nexusflow.admin.problems import CHANGES
from nexusflow.admin.words import Amount, Change, Org, Reference, nano
from nexusflow.ir.money import as_text
from nexusflow.reports.words import moment

Once = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_.:/-]{1,100}$",
        description="Your own id, such as an invoice's number: asked for again with it, nothing moves twice.",
    ),
]


class Credit(Struct, forbid_unknown_fields=True, kw_only=True):
    """Money that an organisation paid in; `source` says where it comes from."""

    amount: Amount
    source: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,40}$")] = "manual"
    memo: Reference = "top-up"
    id: Once | None = None


class Adjustment(Struct, forbid_unknown_fields=True, kw_only=True):
    """A correction of a wallet."""

    amount: Change
    reason: Reference
    id: Once | None = None


class Refund(Struct, forbid_unknown_fields=True, kw_only=True):
    """What to give back of a request's charge; without an `amount` all that was not given back yet."""

    request: Reference
    reason: Reference
    amount: Amount | None = None
    id: Once | None = None


class Movement(Struct, kw_only=True):
    """A line of the ledger: `amount` went from the account `debit` to the account `credit`."""

    object: Literal["movement"] = "movement"
    id: str
    kind: Kind
    org: str
    amount: str
    debit: str
    credit: str
    request: str | None
    reason: str
    created_at: str


class Movements(Controller):
    """What changes a wallet beside calls."""

    tags = ("money",)

    @post("/organisations/{org:str}/credits", responses=CHANGES)
    async def credit(self, org: Org, data: JSONBody[Credit], office: Desk, actor: Actor) -> Movement:
        """Pay money into the wallet of an organisation."""
        amount = nano(data.amount, "amount")
        return _shown(
            await office.run(lambda books: books.money.credit(org, amount, data.source, data.memo, actor, data.id))
        )

    @post("/organisations/{org:str}/adjustments", responses=CHANGES)
    async def adjust(self, org: Org, data: JSONBody[Adjustment], office: Desk, actor: Actor) -> Movement:
        """Correct the wallet of an organisation, up or down."""
        amount = nano(data.amount, "amount")
        return _shown(await office.run(lambda books: books.money.adjust(org, amount, data.reason, actor, data.id)))

    @post("/refunds", responses=CHANGES)
    async def refund(self, data: JSONBody[Refund], office: Desk, actor: Actor) -> Movement:
        """Give back what a request was charged, or a part. Budgets that counted the charge get it back too."""
        amount = None if data.amount is None else nano(data.amount, "amount")
        return _shown(
            await office.run(lambda books: books.money.refund(data.request, amount, data.reason, actor, data.id))
        )


def _shown(made: Made) -> Movement:
    return Movement(
        id=made.id,
        kind=made.kind,
        org=made.org,
        amount=as_text(made.amount),
        debit=made.debit,
        credit=made.credit,
        request=made.request,
        reason=made.reason,
        created_at=moment(made.at_ms),
    )
