"""`nexusflow explain NFxxx`: the page of one rule."""

import sys

import rich_click as click


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Show why the diagnostic CODE (such as NF203) exists, with a bad and a good example. Without CODE: list all."""
    from codegen import explain as pages

    if code is None:
        click.echo(pages.index())
        return
    try:
        click.echo(pages.page(code.upper()))
    except KeyError:
        near = pages.suggest(code.upper())
        hint = f"; did you mean {near}?" if near else ""
        click.echo(f"error: there is no rule {code}{hint} Run `nexusflow explain` for the list.", err=True)
        sys.exit(2)
