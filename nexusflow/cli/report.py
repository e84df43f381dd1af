"""Printing diagnostics for the verbs that compile, and the exit codes they share."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from codegen import Compiled
    from codegen.render import Format

CLEAN, FINDINGS, USAGE, BUG = 0, 1, 2, 3
FORMATS = ("text", "json", "github", "sarif")

file_option = click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), default=Path("gateway.yaml"), show_default=True,
    help="The gateway.yaml to read.",
)  # fmt: skip
file_argument = click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False), default=Path("gateway.yaml"), required=False
)


def show(compiled: "Compiled", output: "Format" = "text") -> None:
    """Print diagnostics: text to standard error for people, the other formats to standard output for programs."""
    from codegen.render import render

    people = output == "text"
    colour = people and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    columns = shutil.get_terminal_size((120, 40)).columns
    text = render(compiled.diagnostics, compiled.source, output, colour=colour, width=columns)
    if text:
        click.echo(text.rstrip("\n"), err=people)


def summary(compiled: "Compiled") -> str:
    """`2 errors, 1 warning` or `no findings`."""
    errors = sum(found.severity == "error" for found in compiled.diagnostics)
    warnings = sum(found.severity == "warning" for found in compiled.diagnostics)
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return ", ".join(parts) or "no findings"


def mention_warnings(compiled: "Compiled") -> None:
    """One line where warnings would drown the news."""
    if len(compiled.diagnostics):
        click.echo(f"{compiled.source.name}: {summary(compiled)}; `nexusflow check` shows them", err=True)
