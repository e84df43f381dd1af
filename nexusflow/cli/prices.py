"""`nexusflow prices import`: the prices of gateway.yaml held against a published catalogue, as a diff to review."""

import difflib
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click

from nexusflow.cli import report


@click.group()
def prices() -> None:
    """Compare the price lists of gateway.yaml with what providers publish."""


@prices.command(name="import")
@report.file_argument
@click.option("--provider", metavar="NAME", help="Only the prices of this provider.")
@click.option("--write", is_flag=True, help="Write the changes into FILE. Without it they are only shown.")
def import_(file: Path, provider: str | None, write: bool) -> None:
    """Show as a diff how the prices in FILE (default: gateway.yaml) differ from those of the package genai-prices.

    The catalogue is somebody else's reading of the providers' pages: review every line. Nothing is fetched; the data
    is that of the installed version. Comments and layout of FILE are kept.
    """
    try:
        from codegen.catalogue import find, propose
    except ModuleNotFoundError as missing:
        if missing.name != "genai_prices":
            raise
        raise click.ClickException("the catalogue is not installed; run `pip install 'nexusflow[prices]'`") from None
    from codegen import compile_source
    from codegen.check import load

    source, unreadable = load(file)
    if unreadable is not None:
        raise click.ClickException(unreadable.message)
    try:
        proposal = propose(source, find, datetime.now(UTC), provider)
    except ValueError as wrong:
        raise click.ClickException(str(wrong)) from None
    for note in proposal.notes:
        click.echo(note, err=True)
    before, after = source.text.splitlines(keepends=True), proposal.text.splitlines(keepends=True)
    click.echo("".join(difflib.unified_diff(before, after, str(file), f"{file} (catalogue)")), nl=False)
    if not write or proposal.text == source.text:
        return
    if compile_source(type(source)(source.name, proposal.text)).diagnostics.has_errors:
        raise click.ClickException("the changed file would not compile, so nothing was written")
    file.write_text(proposal.text, encoding="utf-8")
    click.echo(f"{file}: written; review it with `git diff`", err=True)
