"""`nexusflow serve`: Granian around the built artifact, with a supervisor that drains before it stops."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from nexusflow.ir.plan import Server
    from nexusflow.settings import Settings

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


build_option = click.option(
    "--build", "build_dir", type=click.Path(path_type=Path), default=Path("build"), show_default=True,
    help="Folder that `nexusflow build` wrote.",
)  # fmt: skip


def prepare(build_dir: Path) -> "tuple[Settings, Server]":
    """Set this process up for the artifact in `build_dir`, and try it and its store.

    Raises what loading an artifact and opening a store raise.
    """
    from nexusflow.loading import load
    from nexusflow.runtime import prove_store
    from nexusflow.settings import BUILD, ROOT, Settings

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    server = load((build_dir / "current").resolve()).plan.server
    os.environ[BUILD] = str(build_dir.resolve())
    os.environ.setdefault(ROOT, str(build_dir.resolve().parent))
    settings = Settings.read()
    prove_store(settings, server)
    return settings, server


@click.command()
@build_option
@click.option("--host", help="Listen here instead of `gateway.host`.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of `gateway.port`.")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes instead of `gateway.workers`.")
def serve(build_dir: Path, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the artifact that `nexusflow build` made current.

    Artifact and store are tried before any worker starts; one that fails is refused with exit code 1. A later
    build is picked up while serving: good ones replace the running one without losing a request, bad ones are refused.
    """
    from nexusflow.serving import run

    settings, server = prepare(build_dir)
    if server.console:
        _first_operator(settings, server)
    sys.exit(run(server, host=host or server.host, port=port or server.port, workers=workers or server.workers))


def _first_operator(settings: "Settings", server: "Server") -> None:
    """A gateway that nobody can look into yet gets an owner, whose token is printed this once (SEC-75)."""
    from nexusflow.keys.pepper import pepper_of, pepper_path
    from nexusflow.operators import OperatorTable
    from nexusflow.store import open_store

    with open_store(server.database, settings.root) as database:
        pepper = pepper_of(database, pepper_path(server.database, settings.root))
        made = OperatorTable(database, pepper).first()
    if made is not None:
        click.echo(f"The console is at /console. Sign in as its first operator, shown this once: {made[1]}", err=True)
