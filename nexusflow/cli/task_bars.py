"""Following tasks on a terminal, or line by line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich_click as click

from nexusflow.cli.task_words import is_over, percent
from nexusflow.tasks.words import STATUS

if TYPE_CHECKING:
    from nexusflow.store import Database
    from nexusflow.tasks.model import Task

LOOK_SECONDS = 0.5

Draw = Callable[["Task"], None]


def follow(database: "Database", begun: Sequence["Task"]) -> list["Task"]:
    """Show `begun` until all of them are over; how they stand then. One that is gone meanwhile stays as it was last.

    Raises StoreError.
    """
    from nexusflow.tasks.table import find

    latest = {task.id: task for task in begun}
    going = list(latest)
    with (_bars if sys.stdout.isatty() else _lines)() as draw:
        while True:
            for task in latest.values():
                draw(task)
            going = [id_ for id_ in going if not is_over(latest[id_])]
            if not going:
                return list(latest.values())
            time.sleep(LOOK_SECONDS)
            found = {id_: find(database, id_) for id_ in going}
            going = [id_ for id_ in going if found[id_] is not None]
            latest.update((id_, task) for id_, task in found.items() if task is not None)


@contextmanager
def _bars() -> Iterator[Draw]:
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    shown: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[status]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:

        def draw(task: "Task") -> None:
            status = _status(task)
            if task.id not in shown:
                shown[task.id] = progress.add_task(f"{task.id} {task.model}", total=100, status=status)
            bar = shown[task.id]
            progress.update(bar, completed=percent(task), status=status)
            if is_over(task):
                progress.stop_task(bar)

        yield draw


@contextmanager
def _lines() -> Iterator[Draw]:
    said: dict[str, str] = {}

    def draw(task: "Task") -> None:
        line = f"{task.id}  {percent(task):>3} %  {_status(task)}"
        if said.get(task.id) != line:
            said[task.id] = line
            click.echo(line)
            sys.stdout.flush()

    yield draw


def _status(task: "Task") -> str:
    return STATUS[task.state] + (f" ({task.error_code})" if task.error_code is not None else "")
