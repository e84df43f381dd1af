"""`nexusflow tasks`: images and videos as an operator sees them, straight from the database."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli.database import Place, built_plan, data_option, opened_database
from nexusflow.cli.tables import actor, print_json, print_list, print_rows

if TYPE_CHECKING:
    from nexusflow.store import Database
    from nexusflow.tasks.model import Task

STATUSES = ("pending", "running", "succeeded", "failed", "cancelled", "unknown")


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Gives `command` the option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of words.")(command)


@click.group()
def tasks() -> None:
    """Images and videos: how they stand, their webhooks, and a verdict where nobody knows what became of one.

    Works on the database, whether or not a gateway is running.
    """


@tasks.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that stand so.")
@click.option("--model", help="Only those of this model.")
@click.option("--key", help="Only those of this key (id, name or prefix).")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@json_option
@data_option
def list_tasks(status: str | None, model: str | None, key: str | None, limit: int, as_json: bool, place: Place) -> None:
    """Show the latest tasks, newest first."""
    from nexusflow.cli.task_words import COLUMNS, described
    from nexusflow.keys import KeyTable
    from nexusflow.tasks.listing import Wanted, page
    from nexusflow.tasks.words import STATUS

    states = [state for state, word in STATUS.items() if word == status] if status is not None else None
    with opened_database(place) as (database, pepper):
        key_id = KeyTable(database, pepper).find(key).id if key is not None else None
        found = page(database, Wanted(states=states, model=model, key_id=key_id, limit=limit))
    rows = [described(one) for one in found]
    if not as_json:
        rows = [{name: row[name] for name in COLUMNS} for row in rows]
    print_list(rows, "json" if as_json else "table", "There are no such tasks.")


@tasks.command()
@click.argument("id_", metavar="ID")
@json_option
@data_option
def show(id_: str, as_json: bool, place: Place) -> None:
    """Show the task ID, what it costs, and how the delivery of its webhooks stands."""
    from nexusflow.cli.task_words import delivered, described
    from nexusflow.tasks import webhooks

    with opened_database(place) as (database, _):
        found = described(_find(database, id_))
        sent = [delivered(one) for one in webhooks.of_task(database, id_)]
    if as_json:
        print_json({**found, "webhooks": sent})
        return
    for name, value in found.items():
        if value not in (None, []):
            click.echo(f"{name:<17} {', '.join(value) if isinstance(value, list) else value}")
    if sent:
        click.echo()
        print_rows(sent)


@tasks.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@data_option
def watch(ids: tuple[str, ...], place: Place) -> None:
    """Follow tasks until all of them are over: those named by ID, else all that are pending or running.

    Draws bars on a terminal, elsewhere a line for each change. Ends with exit code 1 when one of them did not succeed.
    """
    from nexusflow.cli.task_bars import follow
    from nexusflow.tasks.listing import Wanted, page
    from nexusflow.tasks.table import ACTIVE

    with opened_database(place) as (database, _):
        begun = [_find(database, id_) for id_ in dict.fromkeys(ids)]
        if not ids:
            begun = page(database, Wanted(states=ACTIVE, limit=1_000))[::-1]
        if not begun:
            click.echo("No task is pending or running.")
            return
        ended = follow(database, begun)
    if any(one.state != "succeeded" for one in ended):
        raise SystemExit(1)


@tasks.command()
@click.argument("id_", metavar="ID")
@data_option
def cancel(id_: str, place: Place) -> None:
    """Ask the task ID to end. One that nobody was sent ends at once; otherwise its provider decides, and may refuse."""
    from nexusflow.accounts.audit import change
    from nexusflow.tasks.table import ask_to_cancel

    with opened_database(place) as (database, _):
        task = _find(database, id_)
        with change(database, actor()) as under_way:
            if not ask_to_cancel(database, id_, under_way.at_ms):
                raise click.ClickException(f"{id_} is {task.state}; only what is pending or running can be cancelled.")
            under_way.note("task.cancel", id_, org=task.org)
    click.echo(f"Asked {id_} to end; a running gateway or `nexusflow worker` sees to it.")


@tasks.command()
@click.argument("id_", metavar="ID")
@data_option
def redeliver(id_: str, place: Place) -> None:
    """Send the webhooks of the task ID once more, from the first attempt on."""
    from nexusflow.accounts.audit import change
    from nexusflow.tasks.webhooks import send_again

    with opened_database(place) as (database, _):
        task = _find(database, id_)
        with change(database, actor()) as under_way:
            count = send_again(database, id_, under_way.at_ms)
            if not count:
                raise click.ClickException(f"{id_} has no webhooks to send.")
            under_way.note("task.redeliver", id_, org=task.org, webhooks=count)
    click.echo(f"{count} {'webhook is' if count == 1 else 'webhooks are'} sent again.")


@tasks.command()
@click.argument("id_", metavar="ID")
@click.option("--charge", is_flag=True, help="Charge what was reserved.")
@click.option("--void", is_flag=True, help="Charge nothing.")
@click.option("--reason", help="Why, for the audit log.")
@json_option
@data_option
def resolve(id_: str, charge: bool, void: bool, reason: str | None, as_json: bool, place: Place) -> None:
    """End the task ID, of which nobody knows what became, by your verdict.

    Look at the provider's own console first. For its client it has failed either way, with the code `outcome_unknown`:
    with --void nothing is charged, with --charge what was reserved is. It can be seen for as long as any task after its
    end.
    """
    from nexusflow.cli.task_words import described
    from nexusflow.ir.money import as_text
    from nexusflow.tasks.resolving import resolve as settle
    from nexusflow.tasks.table import Stale

    if charge == void:
        raise click.UsageError("Say either --charge or --void.")
    plan, _ = built_plan()
    keep_ms = plan.server.tasks.keep_ms
    with opened_database(place) as (database, _):
        task = _find(database, id_)
        if task.state != "unknown":
            raise click.ClickException(f"{id_} is {task.state}; only what nobody knows the end of needs a verdict.")
        try:
            done = settle(database, task, charge=charge, actor=actor(), reason=reason, keep_ms=keep_ms)
        except Stale as stale:
            raise click.ClickException(f"{id_} went on meanwhile; look at it again.") from stale
    if as_json:
        print_json(described(done))
    else:
        click.echo(f"{id_} has failed; charged {as_text(done.amount or 0)} of {as_text(done.held)} reserved.")


def _find(database: "Database", id_: str) -> "Task":
    from nexusflow.tasks.table import find

    found = find(database, id_)
    if found is None:
        raise click.ClickException(f"There is no task {id_}, or no longer.")
    return found
