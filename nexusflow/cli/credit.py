"""`nexusflow credit`: money that an organisation paid in."""

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.movements import described
from nexusflow.cli.tables import actor, format_option, nano, once_option, print_one
from nexusflow.ir.money import as_text


@click.command()
@click.argument("org")
@click.argument("amount", type=nano)
@click.option("--source", default="manual", show_default=True, help="Where it comes from, such as bank or card.")
@click.option("--memo", default="top-up", show_default=True, help="What it is, for the statement.")
@once_option
@format_option
@data_option
def credit(org: str, amount: int, source: str, memo: str, id_: str | None, layout: str, place: Place) -> None:
    """Pay AMOUNT, such as 12.50, into the wallet of the organisation ORG (id or name).

    Amounts are in the gateway's currency and have at most nine decimals. Give each payment an --id, such as the number
    of its invoice, and the command can be repeated without paying twice.
    """
    from nexusflow.accounts import AccountTable, Money

    with opened_database(place) as (database, _):
        made = Money(database).credit(org, amount, source, memo, actor(), id_)
        balance = AccountTable(database).wallet(made.org).balance
    print_one(
        {**described(made), "balance": as_text(balance)},
        layout,
        f"Paid {as_text(made.amount)} into {made.org} ({made.id}). Its balance is {as_text(balance)}.",
    )
