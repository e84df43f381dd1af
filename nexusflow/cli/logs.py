"""`nexusflow logs`: the call log as it grows, a line for each call."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database
from nexusflow.cli.usage import key_option

if TYPE_CHECKING:
    from nexusflow.reports.calls import LoggedCall
    from nexusflow.reports.usage import Whose
    from nexusflow.store import Database

LOOK_SECONDS = 0.5
LATE_MS = 10_000
"""A call is in the log when the ledger has posted it, some time after it began."""


@click.command()
@click.option("--lines", type=click.IntRange(0, 1_000), default=20, show_default=True, help="Calls to begin with.")
@click.option("--follow", "-f", is_flag=True, help="Go on with every new call, until interrupted.")
@click.option("--model", help="Only this model.")
@key_option
@click.option("--failed", is_flag=True, help="Only calls that did not end well.")
@click.option("--format", "layout", type=click.Choice(["text", "json"]), default="text", show_default=True)
@data_option
def logs(lines: int, follow: bool, model: str | None, key: str | None, failed: bool, layout: str, place: Place) -> None:
    """Show calls as they end, the oldest first. Prompts and answers are in no log."""
    import msgspec

    from nexusflow.reports.usage import Whose
    from nexusflow.reports.words import call_words

    with opened_database(place) as (database, _):
        for one in _calls(database, Whose(model=model, key=key), lines, follow=follow):
            if failed and one.outcome == "done":
                continue
            words = call_words(one)
            click.echo(msgspec.json.encode(words).decode() if layout == "json" else _line(words))


def _calls(database: "Database", whose: "Whose", lines: int, *, follow: bool) -> "Iterator[LoggedCall]":
    from nexusflow.reports.calls import calls
    from nexusflow.reports.usage import Span

    first = calls(database, Span(0, 1 << 62), whose, limit=lines) if lines else []
    yield from reversed(first)
    seen, since = {one.id for one in first}, time.time_ns() // 1_000_000
    while follow:
        time.sleep(LOOK_SECONDS)
        found = calls(database, Span(since - LATE_MS, 1 << 62), whose, limit=1_000)
        yield from (one for one in reversed(found) if one.id not in seen)
        # What is older than a look reaches need not be remembered.
        since, seen = time.time_ns() // 1_000_000, {one.id for one in found}


def _line(words: dict[str, Any]) -> str:
    status = click.style(str(words["status"]), fg="green" if words["status"] < 400 else "red")
    first = f", first {words['first_ms']} ms" if words["first_ms"] is not None else ""
    tokens = f"{words['input']}+{words['output']} tokens"
    who = f"{words['model']} at {words['provider'] or '-'}"
    error = f" {words['error']}" if words["error"] else ""
    return (
        f"{words['at']} {status} {words['outcome']} {who}, {tokens}, {words['amount']},"
        f" {words['total_ms']} ms{first}, {words['id']}{error}"
    )
