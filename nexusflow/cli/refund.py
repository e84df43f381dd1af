"""`nexusflow refund`: give back what a request was charged."""

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.movements import described
from nexusflow.cli.tables import actor, format_option, nano, once_option, print_one
from nexusflow.ir.money import as_text


@click.command()
@click.argument("request")
@click.option("--amount", type=nano, help="How much. Default: all that was not given back yet.")
@click.option("--reason", required=True, help="Why, for the statement.")
@once_option
@format_option
@data_option
def refund(request: str, amount: int | None, reason: str, id_: str | None, layout: str, place: Place) -> None:
    """Give back what REQUEST was charged, by the id that its answer carried in `x-request-id`.

    Never more than it was charged. Budgets that counted the charge get the amount back too.
    """
    from nexusflow.accounts import Money

    with opened_database(place) as (database, _):
        made = Money(database).refund(request, amount, reason, actor(), id_)
    print_one(described(made), layout, f"Gave {as_text(made.amount)} back to {made.org} ({made.id}).")
