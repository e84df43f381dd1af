"""`nexusflow top`: what the gateway does now, in a terminal."""

import sys
import time
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli.database import Place, data_option, opened_database

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nexusflow.reports.overview import Glance
    from nexusflow.store import Database

BARS = " ▁▂▃▄▅▆▇█"
MINUTES = 60
_COLUMNS = (
    "model", "requests", "failed", "success", "first token", "per token", "latency", "in", "out", "charged",
)  # fmt: skip


@click.command()
@click.option("--seconds", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Between two looks.")
@click.option("--window", type=click.IntRange(1, 1440), default=5, show_default=True, help="Minutes to sum up.")
@click.option("--once", is_flag=True, help="Print one look and end, as is done where there is no terminal.")
@data_option
def top(seconds: float, window: int, once: bool, place: Place) -> None:
    """Show requests, success, speed, tokens and cost of the last minutes by model, and tasks under way.

    Read from the call log, so that all workers and machines are in it. End it with Ctrl-C.
    """
    from rich.console import Console
    from rich.live import Live

    with opened_database(place) as (database, _):
        if once or not sys.stdout.isatty():
            Console(width=None if sys.stdout.isatty() else 120).print(_look(database, window))
            return
        with Live(_look(database, window), screen=True, auto_refresh=False) as live:
            try:
                while True:
                    time.sleep(seconds)
                    live.update(_look(database, window), refresh=True)
            except KeyboardInterrupt:
                return


def _look(database: "Database", window: int) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from nexusflow.reports.overview import glances, per_minute, whole
    from nexusflow.reports.usage import Span

    now_ms = time.time_ns() // 1_000_000
    models = glances(database, Span(now_ms - window * 60_000, now_ms + 60_000), "model")
    total, minutes = whole(models), per_minute(database, now_ms, MINUTES)
    head = Text.assemble(
        ("NexusFlow", "bold"),
        f"  {time.strftime('%H:%M:%S', time.gmtime())} UTC  the last {window} min:  ",
        (f"{total.requests / window:,.1f} requests/min", "bold"),
        f"  {_percent(total.success)} success  {_ms(total.ttft)} to the first token\n",
        f"requests, the last hour  {bars(minutes)}  at most {max(minutes):,} in a minute\n",
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "model" else "right")
    for one in models:
        table.add_row(*_row(one), style=None if (one.success or 0) >= 95 else "red")
    return Group(head, table, Text(f"\ntasks: {_tasks(database)}"))


def _row(one: "Glance") -> list[str]:
    from nexusflow.ir.money import as_text

    return [
        one.name,
        f"{one.requests:,}",
        f"{one.errors:,}",
        _percent(one.success),
        _ms(one.ttft),
        _ms(one.tpot),
        _ms(one.latency),
        f"{one.input:,}",
        f"{one.output:,}",
        as_text(one.amount),
    ]


def bars(counts: list[int]) -> str:
    """A line of bars, the highest for the largest count; nothing is shown for 0 alone."""
    most = max(counts, default=0)
    steps = len(BARS) - 1
    return "".join(BARS[-(-count * steps // most)] if most else BARS[0] for count in counts)


def _tasks(database: "Database") -> str:
    rows = database.execute("SELECT state, count(*) FROM task GROUP BY state ORDER BY state")
    return ", ".join(f"{int(count or 0)} {state!s}" for state, count in rows) or "none"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{int(value * 100) / 100:g} %"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
