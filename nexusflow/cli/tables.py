"""What the verbs on the store share: tables and JSON to print, times and amounts to read and write, who is typing."""

import getpass
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import rich_click as click

from nexusflow.ir.money import as_nano

UNLIMITED = "unlimited"

format_option = click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table to read, or JSON for programs.",
)


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Left-aligned columns, never cut: an id that is cut cannot be copied. `rows` is not empty and has equal keys."""
    lines = [[title.upper() for title in rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_json(found: object) -> None:
    """Indented JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """A line of titles and one for each of `rows`, which have equal keys; nothing where there are none."""
    import csv
    import sys

    if rows:
        csv.writer(sys.stdout, lineterminator="\n").writerows([list(rows[0]), *(row.values() for row in rows)])


def print_list(rows: Sequence[dict[str, Any]], layout: str, nothing: str) -> None:
    """`rows` as `--format` asks; `nothing` is what a reader is told where there are none."""
    if layout == "json":
        print_json(rows)
    elif layout == "csv":
        print_csv(rows)
    elif rows:
        print_rows(rows)
    else:
        click.echo(nothing)


def print_one(found: dict[str, Any], layout: str, sentence: str) -> None:
    """One thing: as JSON, or what a sentence says of it."""
    if layout == "json":
        print_json(found)
    else:
        click.echo(sentence)


def moment(at_ms: int | None) -> str | None:
    """A time in UTC, to the second."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nano(value: str) -> int:
    """An amount as integer nano-units. Anything but a plain decimal is a usage error."""
    try:
        return as_nano(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def nano_or_unlimited(value: str) -> int | None:
    """An amount, or `unlimited` for None."""
    return None if value == UNLIMITED else nano(value)


def actor() -> str:
    """Who types the command, for the audit log: `cli:` and the user of the operating system."""
    if os.name != "posix":
        return f"cli:{getpass.getuser()}"
    import pwd

    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"  # a container's user need not have a name


def once_option(command: Callable[..., None]) -> Callable[..., None]:
    """Gives `command` the option `--id`, which makes it safe to repeat."""
    return click.option(
        "--id", "id_", metavar="ID", help="Your own id for this movement: a second command with it moves nothing."
    )(command)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return ",".join(map(str, value)) or "-" if isinstance(value, list | tuple) else str(value)
