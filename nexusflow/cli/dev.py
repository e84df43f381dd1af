"""`nexusflow dev`: serve, watch gateway.yaml, swap on every good edit, explain every bad one."""

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli import report

if TYPE_CHECKING:
    from nexusflow.cli.stack import Stack
    from nexusflow.ir.plan import Plan

POLL_SECONDS = 0.3

Stamp = tuple[int, int]


@click.command()
@report.file_argument
@click.option("--mock", is_flag=True, help="Also run the simulated provider, for models that use it.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of `gateway.port`.")
def dev(file: Path, mock: bool, port: int | None) -> None:
    """Serve FILE (default: gateway.yaml) while you edit it.

    A good edit is live within a second, without losing a request. A broken one is explained here, and the last good
    artifact keeps serving.
    """
    from nexusflow.cli.stack import running_stack

    build = file.parent.resolve() / "build"
    seen = _stamp(file)  # before compiling, so that an edit made while the gateway starts is not missed
    plan = _compile(file, build)
    if plan is None:
        sys.exit(report.FINDINGS)
    with running_stack(build, plan.server.host, port or plan.server.port, simulate=mock) as stack:
        click.echo(f"serving {file} on {stack.url}; edit it, or press Ctrl-C to stop")
        with contextlib.suppress(KeyboardInterrupt):
            _watch(file, build, stack, seen)


def _watch(file: Path, build: Path, stack: "Stack", seen: Stamp | None) -> None:
    while stack.gateway.poll() is None:
        time.sleep(POLL_SECONDS)
        now = _stamp(file)
        if now == seen:
            continue
        seen = now
        if _compile(file, build) is None:
            click.echo("the last good artifact keeps serving", err=True)


def _compile(file: Path, build: Path) -> "Plan | None":
    """Compile and make current. None, with everything explained, when that fails."""
    from codegen import compile_file
    from nexusflow.cli.build import make_current
    from nexusflow.loading import ArtifactRefused

    started = time.perf_counter()
    compiled = compile_file(file)
    if compiled.plan is None:
        report.show(compiled)
        return None
    try:
        digest = make_current(compiled.plan, file, build)
    except ArtifactRefused as refused:
        click.echo(f"error: {refused}", err=True)
        return None
    milliseconds = (time.perf_counter() - started) * 1000
    click.echo(f"artifact {digest[:12]}: {len(compiled.plan.models)} models in {milliseconds:.0f} ms")
    report.mention_warnings(compiled)
    return compiled.plan


def _stamp(file: Path) -> Stamp | None:
    """Changes with the file; None while an editor has it replaced."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
