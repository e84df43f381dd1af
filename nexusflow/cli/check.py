"""`nexusflow check`: everything the compiler knows about a gateway.yaml, without writing anything."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli import report

if TYPE_CHECKING:
    from codegen import Compiled
    from codegen.render import Format


@click.command()
@report.file_argument
@click.option(
    "--format", "output", type=click.Choice(report.FORMATS), default="text", show_default=True,
    help="`text` for people, `json` one object a line, `github` workflow annotations, `sarif` for code scanning.",
)  # fmt: skip
@click.option("--fix", is_flag=True, help="Apply the fixes that findings offer, then check again.")
@click.option(
    "--fail-on", type=click.Choice(("error", "warning")), default="error", show_default=True,
    help="The least severity that makes the exit code 1.",
)  # fmt: skip
def check(file: Path, output: "Format", fix: bool, fail_on: str) -> None:
    """Validate FILE (default: gateway.yaml) and explain what is wrong, where, and how to mend it.

    Exit codes: 0 clean, 1 findings at or above --fail-on, 2 wrong usage, 3 a bug in NexusFlow.
    """
    from codegen import compile_file

    compiled = compile_file(file)
    if fix:
        compiled = _mend(file, compiled)
    report.show(compiled, output)
    if output == "text":
        click.echo(f"{file}: {report.summary(compiled)}", err=True)
    failing = {"error"} if fail_on == "error" else {"error", "warning"}
    found = any(one.severity in failing for one in compiled.diagnostics)
    sys.exit(report.FINDINGS if found else report.CLEAN)


def _mend(file: Path, compiled: "Compiled") -> "Compiled":
    """Apply fixes until none is left, since one mended error may uncover the next; bounded, in case two disagree."""
    from codegen import compile_file
    from codegen.fixes import apply

    applied = 0
    for _ in range(10):
        fixes = [found.fix for found in compiled.diagnostics if found.fix is not None]
        if not fixes:
            break
        file.write_text(apply(compiled.source.text, fixes), encoding="utf-8")
        applied += len(fixes)
        compiled = compile_file(file)
    click.echo(f"{file}: {applied} fixes applied", err=True)
    return compiled
