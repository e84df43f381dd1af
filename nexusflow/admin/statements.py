"""Monthly statements, which equal the ledger."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, get
from litestar.params import PathParameter
from msgspec import Struct

from nexusflow.admin.office import Desk
from nexusflow.admin.problems import FINDS
from nexusflow.admin.usage import UsageLine
from nexusflow.admin.words import Org, invalid
from nexusflow.reports.statement import Statement, as_csv, month_span, statement
from nexusflow.reports.words import statement_words

Month = Annotated[str, PathParameter(pattern="^[0-9]{4}-[0-9]{2}$", description="Such as 2026-11, in UTC.")]


class StatementMovement(Struct, kw_only=True):
    """Money that an operator moved in the month; negative where it left the wallet."""

    id: str
    at: str
    kind: str
    amount: str
    reason: str | None


class StatementPage(Struct, kw_only=True):
    """`opening + credited - charged + refunded = closing`."""

    object: Literal["statement"]
    org: str
    month: str
    currency: str
    opening: str
    credited: str
    charged: str
    refunded: str
    closing: str
    usage: list[UsageLine]
    movements: list[StatementMovement]


class Statements(Controller):
    """What an organisation had, what it used, what is left."""

    path = "/organisations/{org:str}/statements"
    tags = ("reports",)

    @get("/{month:str}", responses=FINDS)
    async def statement(self, org: Org, month: Month, office: Desk) -> StatementPage:
        """The statement of a month."""
        return msgspec.convert(statement_words(await _statement(office, org, month)), StatementPage)

    @get("/{month:str}/csv", media_type="text/csv", responses=FINDS)
    async def statement_csv(self, org: Org, month: Month, office: Desk) -> str:
        """The same as a table: balances, movements, and a row for each model."""
        return as_csv(await _statement(office, org, month))


async def _statement(office: Desk, org: Org, month: str) -> Statement:
    try:
        month_span(month)
    except ValueError as error:
        raise invalid("month", f"{month!r} is no month like 2026-11.") from error
    payer = await office.run(lambda books: books.accounts.find_organisation(org).id)
    return await office.study(lambda database: statement(database, payer, month, office.currency))
