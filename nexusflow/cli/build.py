"""`nexusflow build`: compile, prove by loading, write, make current, and keep gateway.lock in step."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli import report

if TYPE_CHECKING:
    from nexusflow.ir.plan import Plan


@click.command()
@report.file_argument
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Artifact folder. Default: `build` beside FILE."
)
@click.option("--check", "check_only", is_flag=True, help="Write nothing; exit 1 when gateway.lock is not up to date.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def build(file: Path, out: Path | None, check_only: bool, quiet: bool) -> None:
    """Compile FILE (default: gateway.yaml) into an artifact and make it the one that `serve` runs.

    The artifact is imported once before it becomes current. gateway.lock, beside FILE, is rewritten: commit it.
    """
    from codegen import compile_file

    started = time.perf_counter()
    compiled = compile_file(file)
    if compiled.plan is None:
        report.show(compiled)
        click.echo(f"{file}: {report.summary(compiled)}; nothing was built", err=True)
        sys.exit(report.FINDINGS)
    if check_only:
        sys.exit(_check_lock(file, compiled.plan))
    digest = make_current(compiled.plan, file, out or file.parent / "build")
    if not quiet:
        seconds = time.perf_counter() - started
        click.echo(f"built {digest[:12]}: {len(compiled.plan.models)} models in {seconds:.2f} s")
        report.mention_warnings(compiled)


def make_current(plan: "Plan", file: Path, out: Path) -> str:
    """Emit, write, prove by loading, flip `current`, write the lock. Returns the artifact's digest.

    Raises `nexusflow.loading.ArtifactRefused` when the new artifact does not load; `current` then stays as it was.
    """
    from codegen import GENERATOR, digest, emit, emit_lock
    from codegen.write import activate, prune, write_artifact
    from nexusflow.loading import forget, load

    files = emit(plan)
    target = write_artifact(out, files)
    forget(load(target).module.__name__)
    activate(out, target)
    prune(out)
    lock = file.parent / "gateway.lock"
    lock.write_text(emit_lock(plan, GENERATOR, digest(files)), encoding="utf-8")
    return digest(files)


def _check_lock(file: Path, plan: "Plan") -> int:
    from codegen import GENERATOR, digest, emit, emit_lock

    lock = file.parent / "gateway.lock"
    wanted = emit_lock(plan, GENERATOR, digest(emit(plan)))
    if lock.is_file() and lock.read_text(encoding="utf-8") == wanted:
        click.echo(f"{lock} is up to date")
        return report.CLEAN
    click.echo(f"error: {lock} is not up to date; run `nexusflow build` and commit it", err=True)
    return report.FINDINGS
