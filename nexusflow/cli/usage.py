"""`nexusflow usage`: reports, monthly statements and the call log, from the ledger."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.tables import print_json, print_list

if TYPE_CHECKING:
    from nexusflow.reports.usage import Dimension, Span
    from nexusflow.store import Database

DAYS = 30

list_option = click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="A table to read, or JSON or CSV for programs.",
)
org_option = click.option("--org", help="Only this organisation (id or name).")
key_option = click.option("--key", help="Only the key with this id.")
_COLUMNS = (
    "at", "id", "key_id", "model", "provider", "status", "outcome", "input", "output", "amount", "total_ms",
)  # fmt: skip


def _day(value: str) -> int:
    """A day in UTC as milliseconds since 1970. Anything else is a usage error."""
    try:
        return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no day like 2026-11-23.") from error


def _month(value: str) -> str:
    """A month such as 2026-11. Anything else is a usage error."""
    from nexusflow.reports.statement import month_span

    try:
        month_span(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no month like 2026-11.") from error
    return value


def _this_month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


@click.group()
def usage() -> None:
    """Show what was used and what it cost.

    Reports and statements are sums over the ledger's own lines, which are kept for ever. The call log is kept for as
    long as `gateway.billing.call_log_days` says.
    """


@usage.command()
@click.option(
    "--by", default="model", show_default=True, help="Comma-separated: org, team, key, model, provider, day, tag."
)
@click.option("--from", "since", type=_day, metavar="DAY", help="First day, such as 2026-11-01. Default: 30 days ago.")
@click.option("--until", type=_day, metavar="DAY", help="First day that is left out. Default: now.")
@org_option
@key_option
@list_option
@data_option
def report(
    by: str, since: int | None, until: int | None, org: str | None, key: str | None, layout: str, place: Place
) -> None:
    """Usage and cost by any dimensions."""
    from nexusflow.reports.usage import DIMENSIONS, Whose
    from nexusflow.reports.usage import report as read
    from nexusflow.reports.words import usage_words

    names = [name.strip() for name in by.split(",") if name.strip()]
    for name in names:
        if name not in DIMENSIONS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(DIMENSIONS)}.", param_hint="--by")
    with opened_database(place) as (database, _):
        whose = Whose(org=_payer(database, org), key=key)
        lines = read(database, _span(since, until), cast("list[Dimension]", names), whose)
    print_list([usage_words(line) for line in lines], layout, "Nothing was used in this time.")


@usage.command()
@click.argument("org", default="default")
@click.option(
    "--month", type=_month, default=_this_month, metavar="MONTH", help="Such as 2026-11, in UTC. Default: this month."
)
@click.option("--format", "layout", type=click.Choice(["json", "csv"]), default="csv", show_default=True)
@click.option("--currency", default="USD", show_default=True, help="The currency to print; amounts are not converted.")
@data_option
def statement(org: str, month: str, layout: str, currency: str, place: Place) -> None:
    """The monthly statement of ORG (id or name): opening balance, movements, usage, closing balance."""
    from nexusflow.accounts import AccountTable
    from nexusflow.reports.statement import as_csv
    from nexusflow.reports.statement import statement as read
    from nexusflow.reports.words import statement_words

    with opened_database(place) as (database, _):
        found = read(database, AccountTable(database).find_organisation(org).id, month, currency)
    if layout == "csv":
        click.echo(as_csv(found), nl=False)
    else:
        print_json(statement_words(found))


@usage.command()
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@key_option
@org_option
@list_option
@data_option
def calls(limit: int, key: str | None, org: str | None, layout: str, place: Place) -> None:
    """The latest calls, newest first."""
    from nexusflow.reports.calls import calls as read
    from nexusflow.reports.usage import Span, Whose
    from nexusflow.reports.words import call_words

    with opened_database(place) as (database, _):
        found = read(database, Span(0, 1 << 62), Whose(org=_payer(database, org), key=key), limit=limit)
    rows = [call_words(one) for one in found]
    if layout == "table":
        rows = [{name: row[name] for name in _COLUMNS} for row in rows]
    print_list(rows, layout, "No calls are on record.")


def _span(since: int | None, until: int | None) -> "Span":
    from nexusflow.reports.usage import Span

    now = time.time_ns() // 1_000_000 + 1
    return Span(now - DAYS * 86_400_000 if since is None else since, now if until is None else until)


def _payer(database: "Database", org: str | None) -> str | None:
    """The id of the organisation that is named, if one is."""
    from nexusflow.accounts import AccountTable

    return None if org is None else AccountTable(database).find_organisation(org).id
