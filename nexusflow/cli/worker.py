"""`nexusflow worker`: carries tasks to their end in a process that serves nobody."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli.serve import build_option, prepare

if TYPE_CHECKING:
    from nexusflow.settings import Settings


@click.command()
@build_option
def worker(build_dir: Path) -> None:
    """Carry tasks to their end, without serving HTTP.

    Every worker of `nexusflow serve` does this too; run more beside it for many tasks, or one instead of it to finish
    what was accepted. All of them share the database, by which each task is worked on by one of them at a time. A later
    build is followed as `serve` follows it. Ends on SIGINT or SIGTERM; what is under way then is taken up by another.
    """
    settings, _ = prepare(build_dir)
    asyncio.run(_work(settings))


async def _work(settings: "Settings") -> None:
    from nexusflow.host import Live

    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not the loop's own way to take signals, which Windows does not have.
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
    live = Live()
    await live.start(settings)
    click.echo("working on tasks; press Ctrl-C to stop")
    try:
        await told.wait()
    finally:
        await live.stop()
