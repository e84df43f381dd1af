"""`nexusflow build`."""

from pathlib import Path
import rich_click as click


@click.command()
@click.option("--file", default="gateway.yaml")
@click.option("--out", default="build")
def build(file: str, out: str) -> None:
    """Temporary."""
    import yaml, msgspec
    from codegen import spec, resolve
    from codegen.emit import emit
    from codegen.write import activate, write_artifact

    files = emit(resolve.resolve(msgspec.convert(yaml.safe_load(Path(file).read_text()), spec.Spec)))
    activate(Path(out), write_artifact(Path(out), files))
