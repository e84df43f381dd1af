"""`nexusflow explain NFxxx`: the page of one rule."""

import sys

import rich_click as click


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Show why the diagnostic CODE (such as NF201, or its name) exists, with a bad and a good example.

    Without CODE, list all rules.
    """
    from codegen import explain as pages
    from codegen.rules import RULES

    if code is None:
        for known in pages.codes():
            rule = RULES[known]
            click.echo(f"{rule.code} {rule.severity:<7} {rule.slug}")
        return
    try:
        click.echo(pages.page(code))
    except pages.UnknownRuleError as unknown:
        near = f" Did you mean {' or '.join(unknown.suggestions)}?" if unknown.suggestions else ""
        click.echo(f"error: there is no rule {code}.{near} `nexusflow explain` lists them all.", err=True)
        sys.exit(2)
