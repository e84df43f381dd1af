"""`nexusflow usage`: reports, monthly statements and the call log, from the ledger."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database

if TYPE_CHECKING:
    from nexusflow.reports.usage import Dimension, Span

DAYS = 30
_FORMATS = click.Choice(["table", "json", "csv"])


def _day(value: str) -> int:
    """A day in UTC as milliseconds since 1970. Anything else is a usage error."""
    try:
        return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no day like 2026-11-23.") from error


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
@click.option("--org", help="Only this organisation (id).")
@click.option("--key", help="Only this key (id).")
@click.option("--format", "layout", type=_FORMATS, default="table", show_default=True)
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
        lines = read(database, _span(since, until), cast("list[Dimension]", names), Whose(org=org, key=key))
    _print([usage_words(line) for line in lines], layout, "Nothing was used in this time.")


@usage.command()
@click.argument("org", default="org_default")
@click.option("--month", help="Such as 2026-11. Default: this month.")
@click.option("--format", "layout", type=click.Choice(["json", "csv"]), default="csv", show_default=True)
@click.option("--currency", default="USD", show_default=True, help="The currency to print; amounts are not converted.")
@data_option
def statement(org: str, month: str | None, layout: str, currency: str, place: Place) -> None:
    """The monthly statement of the organisation ORG: opening balance, movements, usage, closing balance."""
    import msgspec

    from nexusflow.reports.statement import as_csv
    from nexusflow.reports.statement import statement as read
    from nexusflow.reports.words import statement_words

    with opened_database(place) as (database, _):
        try:
            found = read(database, org, month or datetime.now(UTC).strftime("%Y-%m"), currency)
        except ValueError as error:
            raise click.BadParameter(f"{month!r} is no month like 2026-11.", param_hint="--month") from error
    if layout == "csv":
        click.echo(as_csv(found), nl=False)
    else:
        click.echo(msgspec.json.format(msgspec.json.encode(statement_words(found))).decode())


@usage.command()
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@click.option("--key", help="Only this key (id).")
@click.option("--org", help="Only this organisation (id).")
@click.option("--format", "layout", type=_FORMATS, default="table", show_default=True)
@data_option
def calls(limit: int, key: str | None, org: str | None, layout: str, place: Place) -> None:
    """The latest calls, newest first."""
    from nexusflow.reports.calls import calls as read
    from nexusflow.reports.usage import Span, Whose
    from nexusflow.reports.words import call_words

    with opened_database(place) as (database, _):
        found = read(database, Span(0, 1 << 62), Whose(org=org, key=key), limit=limit)
    rows = [call_words(one) for one in found]
    if layout == "table":
        shown = (
            "at",
            "id",
            "key_id",
            "model",
            "provider",
            "status",
            "outcome",
            "input",
            "output",
            "amount",
            "total_ms",
        )
        rows = [{name: row[name] for name in shown} for row in rows]
    _print(rows, layout, "No calls are on record.")


def _span(since: int | None, until: int | None) -> "Span":
    from nexusflow.reports.usage import Span

    now = time.time_ns() // 1_000_000 + 1
    return Span(now - DAYS * 86_400_000 if since is None else since, now if until is None else until)


def _print(rows: list[dict[str, Any]], layout: str, nothing: str) -> None:
    """Rows of equal keys as a table, JSON, or CSV."""
    if layout == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
    elif layout == "csv":
        import csv
        import sys

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([list(rows[0]), *(row.values() for row in rows)] if rows else [])
    elif rows:
        from nexusflow.cli.tables import print_rows

        print_rows(rows)
    else:
        click.echo(nothing)
