"""`nexusflow accounts`: organisations, their teams and users, and who changed what."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.tables import (
    UNLIMITED,
    actor,
    format_option,
    moment,
    nano,
    nano_or_unlimited,
    once_option,
    print_json,
    print_list,
    print_one,
    print_rows,
)
from nexusflow.ir.money import as_text

if TYPE_CHECKING:
    from nexusflow.accounts import AccountTable, Organisation, Wallet
    from nexusflow.accounts.model import Account


@click.group()
def accounts() -> None:
    """Manage organisations, their teams and users.

    An organisation pays, from one wallet; a key belongs to one organisation, and may belong to a team and a user of it.
    A fresh gateway has the organisation `default`, which may spend without bound. A running gateway follows all changes
    within a second.
    """


@accounts.command()
@click.argument("name")
@click.option("--plan", help="The plan whose limits apply to it.")
@click.option(
    "--credit-line",
    type=nano_or_unlimited,
    metavar="AMOUNT",
    default="0",
    show_default=True,
    help=f"How far its balance may fall below zero, or `{UNLIMITED}`.",
)
@format_option
@data_option
def create(name: str, plan: str | None, credit_line: int | None, layout: str, place: Place) -> None:
    """Make the organisation NAME, with an empty wallet."""
    with _table(place, create=True) as table:
        made = table.create_organisation(name, actor=actor(), plan=plan, credit_line=credit_line)
        wallet = table.wallet(made.id)
    print_one(
        _organisation(made, wallet),
        layout,
        f"Made the organisation {made.id} ({made.name}). Pay money in with: nexusflow credit {made.id} AMOUNT",
    )


@accounts.command("list")
@format_option
@data_option
def list_accounts(layout: str, place: Place) -> None:
    """Show all organisations with their money."""
    with _table(place) as table:
        rows = [_organisation(one, table.wallet(one.id)) for one in table.organisations()]
    print_list(rows, layout, "There are no organisations.")


@accounts.command()
@click.argument("org")
@format_option
@data_option
def show(org: str, layout: str, place: Place) -> None:
    """Show the organisation ORG (id or name) with its money, teams and users."""
    with _table(place) as table:
        found = table.find_organisation(org)
        whole = _organisation(found, table.wallet(found.id))
        teams = [_part(one) for one in table.teams(found.id)]
        users = [_part(one) for one in table.members(found.id)]
    if layout == "json":
        print_json({**whole, "teams": teams, "users": users})
        return
    print_rows([whole])
    for title, parts in (("Teams", teams), ("Users", users)):
        click.echo(f"\n{title}:")
        print_list(parts, layout, "none")


@accounts.command()
@click.argument("account")
@format_option
@data_option
def suspend(account: str, layout: str, place: Place) -> None:
    """Refuse all calls of ACCOUNT: an organisation (id or name), or a team or user (id or ORG/NAME)."""
    with _table(place) as table:
        found = table.suspend(account, actor=actor())
    print_one(_part(found), layout, f"Suspended {found.id} ({found.name}). Its calls are refused within a second.")


@accounts.command()
@click.argument("account")
@format_option
@data_option
def resume(account: str, layout: str, place: Place) -> None:
    """End the suspension of ACCOUNT."""
    with _table(place) as table:
        found = table.resume(account, actor=actor())
    print_one(_part(found), layout, f"Resumed {found.id} ({found.name}).")


@accounts.command("credit-line")
@click.argument("org")
@click.argument("amount", type=nano_or_unlimited)
@format_option
@data_option
def credit_line(org: str, amount: int | None, layout: str, place: Place) -> None:
    """Let the balance of ORG fall AMOUNT below zero, or `unlimited`."""
    with _table(place) as table:
        wallet = table.set_credit_line(org, amount, actor=actor())
    found = _wallet(wallet)
    print_one({"id": wallet.org, **found}, layout, f"The credit line of {wallet.org} is {found['credit_line']}.")


@accounts.command()
@click.argument("org")
@click.argument("name", required=False)
@format_option
@data_option
def plan(org: str, name: str | None, layout: str, place: Place) -> None:
    """Give ORG the plan NAME; without a NAME it has none."""
    with _table(place) as table:
        found = table.set_plan(org, name, actor=actor())
    print_one(_part(found), layout, f"The plan of {found.id} ({found.name}) is {found.plan or 'none'}.")


@accounts.command(context_settings={"ignore_unknown_options": True})
@click.argument("org")
@click.argument("amount", type=nano)
@click.option("--reason", required=True, help="Why, for the statement.")
@once_option
@format_option
@data_option
def adjust(org: str, amount: int, reason: str, id_: str | None, layout: str, place: Place) -> None:
    """Correct the wallet of ORG by AMOUNT, which may be negative, like -2.50."""
    from nexusflow.accounts import Money
    from nexusflow.cli.movements import described

    with opened_database(place) as (database, _):
        made = Money(database).adjust(org, amount, reason, actor(), id_)
    print_one(described(made), layout, f"Corrected {made.org} by {as_text(amount)} ({made.id}).")


@accounts.group()
def team() -> None:
    """Teams of an organisation."""


@team.command("add")
@click.argument("org")
@click.argument("name")
@format_option
@data_option
def add_team(org: str, name: str, layout: str, place: Place) -> None:
    """Make the team NAME of the organisation ORG."""
    with _table(place) as table:
        made = table.create_team(org, name, actor=actor())
    print_one(_part(made), layout, f"Made the team {made.id} ({made.name}).")


@accounts.group()
def user() -> None:
    """Users of an organisation, who own keys."""


@user.command("add")
@click.argument("org")
@click.argument("name")
@format_option
@data_option
def add_user(org: str, name: str, layout: str, place: Place) -> None:
    """Make the user NAME of the organisation ORG."""
    with _table(place) as table:
        made = table.create_member(org, name, actor=actor())
    print_one(_part(made), layout, f"Made the user {made.id} ({made.name}).")


@accounts.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--before", metavar="ID", help="Only those before this one, for the next page.")
@format_option
@data_option
def audit(limit: int, before: str | None, layout: str, place: Place) -> None:
    """Show who changed what, the latest change first."""
    import msgspec

    from nexusflow.accounts import entries

    with opened_database(place) as (database, _):
        found = entries(database, limit, before=before)
    rows = [{**msgspec.structs.asdict(one), "at": moment(one.at_ms)} for one in found]
    names = ("id", "at", "actor", "action", "subject", "detail")
    print_list([{name: row[name] for name in names} for row in rows], layout, "Nothing was changed yet.")


@contextmanager
def _table(place: Place, create: bool = False) -> Iterator["AccountTable"]:
    from nexusflow.accounts import AccountTable

    with opened_database(place, create) as (database, _):
        yield AccountTable(database)


def _organisation(found: "Organisation", wallet: "Wallet") -> dict[str, Any]:
    return {**_part(found), "plan": found.plan, **_wallet(wallet)}


def _wallet(wallet: "Wallet") -> dict[str, Any]:
    available, line = wallet.available, wallet.credit_line
    return {
        "balance": as_text(wallet.balance),
        "held": as_text(wallet.held),
        "available": UNLIMITED if available is None else as_text(available),
        "credit_line": UNLIMITED if line is None else as_text(line),
    }


def _part(found: "Account") -> dict[str, Any]:
    return {"id": found.id, "name": found.name, "status": found.status, "created": moment(found.created_ms)}
