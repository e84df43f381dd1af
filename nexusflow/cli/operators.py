"""`nexusflow operators`: who may use the console, and in which role."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.tables import actor, format_option, moment, print_list
from nexusflow.operators.model import Role

if TYPE_CHECKING:
    from nexusflow.operators import Operator, OperatorTable


@click.group()
def operators() -> None:
    """Who may sign in at the console, `/console`, in which role.

    An `owner` may do everything, an `operator` all but money and operators, `finance` money alone, a `viewer` nothing
    but look.
    """


@operators.command()
@click.argument("name")
@click.option("--role", type=click.Choice(get_args(Role)), default="viewer", show_default=True)
@click.option("--quiet", is_flag=True, help="Print the token alone.")
@data_option
def create(name: str, role: Role, quiet: bool, place: Place) -> None:
    """Make the operator NAME, and show the token to sign in with, once."""
    with _table(place, create=True) as table:
        made, token = table.create(name, role, actor=actor())
    _show(f"Made the operator {made.id} ({made.name}, {made.role}).", token, quiet)


@operators.command()
@click.argument("handle", metavar="OPERATOR")
@click.option("--quiet", is_flag=True, help="Print the token alone.")
@data_option
def renew(handle: str, quiet: bool, place: Place) -> None:
    """Give OPERATOR (id or name) a new token, and end all of its sessions."""
    with _table(place) as table:
        found, token = table.renew(handle, actor=actor())
    _show(f"The operator {found.id} ({found.name}) has a new token.", token, quiet)


@operators.command()
@click.argument("handle", metavar="OPERATOR")
@data_option
def remove(handle: str, place: Place) -> None:
    """End OPERATOR (id or name) with all of its sessions."""
    with _table(place) as table:
        found = table.remove(handle, actor=actor())
    click.echo(f"Removed the operator {found.id} ({found.name}).")


@operators.command("list")
@format_option
@data_option
def list_operators(layout: str, place: Place) -> None:
    """Show all operators."""
    with _table(place) as table:
        rows = [_described(one) for one in table.list()]
    print_list(rows, layout, "There are no operators. Make one with: nexusflow operators create NAME --role owner")


def _described(one: "Operator") -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "role": one.role, "created": moment(one.created_ms)}


def _show(sentence: str, token: str, quiet: bool) -> None:
    if quiet:
        click.echo(token)
        return
    click.echo(f"{sentence}\n\n    {token}\n")
    click.echo("Sign in with it at /console. Copy it now: only a digest is stored, so it will not be shown again.")


@contextmanager
def _table(place: Place, *, create: bool = False) -> "Iterator[OperatorTable]":
    from nexusflow.operators import OperatorTable

    with opened_database(place, create=create) as (database, pepper):
        yield OperatorTable(database, pepper)
