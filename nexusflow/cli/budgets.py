"""`nexusflow budgets`: bounds on spending, beside those of gateway.yaml."""

from typing import TYPE_CHECKING, Any, cast, get_args

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.tables import actor, format_option, nano, print_list, print_one
from nexusflow.ir.account import Mode, Period, Scope
from nexusflow.ir.money import as_text

if TYPE_CHECKING:
    from nexusflow.accounts import BudgetTable
    from nexusflow.ir.account import Budget


@click.group()
def budgets() -> None:
    """Set bounds on the spending of organisations, teams, keys, users and models.

    A hard budget refuses calls that it cannot pay for, a soft one only counts. Periods are days, weeks from Monday, and
    months, in UTC. A running gateway follows all changes within a second.
    """


@budgets.command()
@click.argument("scope", type=click.Choice(get_args(Scope)))
@click.argument("subject")
@click.argument("amount", type=nano)
@click.option("--per", "period", type=click.Choice(get_args(Period)), default="month", show_default=True)
@click.option("--soft", is_flag=True, help="Count, but refuse nothing.")
@click.option("--org", help="Only for calls of this organisation (id or name). A user tag needs it.")
@format_option
@data_option
def create(
    scope: str, subject: str, amount: int, period: str, soft: bool, org: str | None, layout: str, place: Place
) -> None:
    """Let SUBJECT spend AMOUNT, such as 12.50, per period.

    SUBJECT is an organisation (id or name), a team or user (id or ORG/NAME), a key, the tag by which requests name
    their user, a model, or `*`, which gives each one a sum of its own.
    """
    from nexusflow.accounts import BudgetTable
    from nexusflow.keys import KeyTable

    with opened_database(place) as (database, pepper):
        if scope == "key" and subject != "*":
            key = KeyTable(database, pepper).find(subject)
            subject = key.replaced_by or key.id
        made = BudgetTable(database).create(
            cast("Scope", scope),
            subject,
            cast("Period", period),
            amount,
            actor=actor(),
            mode="soft" if soft else "hard",
            org=org,
        )
    print_one(_described(made), layout, f"Made the budget {made.id}: {as_text(made.amount)} per {made.period}.")


@budgets.command("list")
@click.option("--org", help="Only those limited to this organisation (id or name).")
@format_option
@data_option
def list_budgets(org: str | None, layout: str, place: Place) -> None:
    """Show the budgets of the database, with what was spent in the period that runs.

    A budget for `*` has a line for each subject that has spent.
    """
    from nexusflow.accounts import BudgetTable

    with opened_database(place) as (database, _):
        table = BudgetTable(database)
        now_ms = database.now_ms()
        rows = [row for one in table.list(org) for row in _with_sums(table, one, now_ms)]
    print_list(rows, layout, "There are no budgets. Those of gateway.yaml are not shown here.")


@budgets.command()
@click.argument("budget")
@format_option
@data_option
def remove(budget: str, layout: str, place: Place) -> None:
    """End the budget with the id BUDGET."""
    from nexusflow.accounts import BudgetTable

    with opened_database(place) as (database, _):
        gone = BudgetTable(database).remove(budget, actor=actor())
    print_one(_described(gone), layout, f"Removed {gone.id}.")


def _described(budget: "Budget") -> dict[str, Any]:
    mode: Mode = budget.mode
    return {
        "id": budget.id,
        "scope": budget.scope,
        "subject": budget.subject,
        "org": budget.org,
        "per": budget.period,
        "mode": mode,
        "amount": as_text(budget.amount),
    }


def _with_sums(table: "BudgetTable", budget: "Budget", now_ms: int) -> list[dict[str, Any]]:
    from nexusflow.accounts.periods import span

    start_ms, _ = span(budget.period, now_ms)
    shown = _described(budget)
    return [
        {**shown, "spent_by": counter.subject, "spent": as_text(spent), "held": as_text(held)}
        for counter, (spent, held) in table.spent(budget, start_ms).items()
    ] or [{**shown, "spent_by": None, "spent": as_text(0), "held": as_text(0)}]
