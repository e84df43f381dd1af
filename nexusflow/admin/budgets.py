"""Budgets: bounds on spending, beside those of gateway.yaml."""

from typing import Annotated, Literal

from litestar import Controller, delete, get, post
from litestar.params import JSONBody, KwargDefinition
from msgspec import Struct

from nexusflow.accounts.periods import span
from nexusflow.admin.office import Actor, Books, Desk
from nexusflow.admin.problems import CHANGES, FINDS
from nexusflow.admin.words import USUAL, After, Amount, ByOrg, Id, Limit, Listed, Reference, listed, nano
from nexusflow.ir.account import Budget as Found
from nexusflow.ir.account import Mode, Period, Scope
from nexusflow.ir.money import as_text
from nexusflow.store import Page


class NewBudget(Struct, forbid_unknown_fields=True, kw_only=True):
    """A bound of `amount` on what `subject` spends in a period.

    `subject` is an organisation (id or name), a team or user (id or ORG/NAME), the id of a key, the tag by which
    requests name their user, a model, or `*`, which gives each one a sum of its own. `org` limits it to the calls of
    one organisation; a user tag needs it.
    """

    scope: Scope
    subject: Reference
    amount: Amount
    period: Period = "month"
    mode: Mode = "hard"
    org: Reference | None = None


class Budget(Struct, kw_only=True):
    """A hard budget refuses calls that it cannot pay for, a soft one only counts. Periods are in UTC."""

    object: Literal["budget"] = "budget"
    id: str
    scope: Scope
    subject: str
    org: str | None
    period: Period
    mode: Mode
    amount: str


BudgetList = Annotated[Listed[Budget], KwargDefinition(schema_component_key="BudgetList")]


class Spent(Struct, kw_only=True):
    """What one subject has spent, and holds for calls under way, in the period that runs."""

    subject: str
    spent: str
    held: str


class BudgetSpent(Budget, kw_only=True):
    """A budget with its sums."""

    spent: list[Spent]


class Budgets(Controller):
    """The budgets of the database."""

    path = "/budgets"
    tags = ("budgets",)

    @get(responses=FINDS)
    async def list_all(self, office: Desk, org: ByOrg = None, limit: Limit = USUAL, after: After = None) -> BudgetList:
        """All budgets, or those limited to one organisation, the oldest first."""
        rows = await office.run(lambda books: books.budgets.list(org, Page(limit + 1, after)))
        return listed([_shown(one) for one in rows], limit)

    @post(responses=CHANGES)
    async def create(self, data: JSONBody[NewBudget], office: Desk, actor: Actor) -> Budget:
        """Make a budget, in effect within a second."""
        amount = nano(data.amount, "amount")
        return _shown(
            await office.run(
                lambda books: books.budgets.create(
                    data.scope, data.subject, data.period, amount, actor=actor, mode=data.mode, org=data.org
                )
            )
        )

    @get("/{id:str}", responses=FINDS)
    async def show(self, id: Id, office: Desk) -> BudgetSpent:
        """A budget, with what was spent in the period that runs."""
        return await office.run(lambda books: _with_sums(books, id))

    @delete("/{id:str}", status_code=200, responses=CHANGES)
    async def remove(self, id: Id, office: Desk, actor: Actor) -> Budget:
        """End a budget; what it counted stays on record."""
        return _shown(await office.run(lambda books: books.budgets.remove(id, actor=actor)))


def _shown(one: Found) -> Budget:
    return Budget(
        id=one.id,
        scope=one.scope,
        subject=one.subject,
        org=one.org,
        period=one.period,
        mode=one.mode,
        amount=as_text(one.amount),
    )


def _with_sums(books: Books, id: str) -> BudgetSpent:
    budget = books.budgets.find(id)
    start_ms, _ = span(budget.period, books.database.now_ms())
    shown = _shown(budget)
    return BudgetSpent(
        id=shown.id,
        scope=shown.scope,
        subject=shown.subject,
        org=shown.org,
        period=shown.period,
        mode=shown.mode,
        amount=shown.amount,
        spent=[
            Spent(subject=counter.subject, spent=as_text(spent), held=as_text(held))
            for counter, (spent, held) in books.budgets.spent(budget, start_ms).items()
        ],
    )
