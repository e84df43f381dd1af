"""`nexusflow init`: a gateway.yaml to start from."""

import sys
from pathlib import Path

import rich_click as click


@click.command()
@click.option("--force", is_flag=True, help="Overwrite an existing gateway.yaml.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), required=False)
def init(folder: Path, force: bool) -> None:
    """Write a commented gateway.yaml into FOLDER (default: here).

    It serves the built-in simulated provider at once, and OpenAI as soon as OPENAI_API_KEY is set. The schema is
    written beside it, so that an editor with a YAML language server completes and checks as you type.
    """
    from codegen.schema import schema_text
    from codegen.starter import STARTER

    target = folder / "gateway.yaml"
    if target.exists() and not force:
        click.echo(f"error: {target} exists; use --force to overwrite it", err=True)
        sys.exit(1)
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    (folder / "schemas" / "gateway.v1.schema.json").write_text(schema_text(), encoding="utf-8")
    target.write_text(STARTER, encoding="utf-8")
    click.echo(f"wrote {target}\nnext: nexusflow check, nexusflow build, nexusflow serve (or just nexusflow dev)")
