"""Images and videos: how far they are, what they cost, and what was made."""

from typing import get_args

from litestar import Controller, Response, get, post
from litestar.exceptions import NotFoundException

from nexusflow.console.desk import Console, Who
from nexusflow.console.render import page
from nexusflow.console.rights import require
from nexusflow.ir.task import State
from nexusflow.store import Database
from nexusflow.tasks import listing, table
from nexusflow.tasks.ending import link
from nexusflow.tasks.listing import Wanted
from nexusflow.tasks.model import Task

PAGE = 50


class Tasks(Controller):
    """Tasks, the newest first."""

    path = "/tasks"

    @get("/")
    async def list_all(
        self, desk: Console, who: Who, status: str = "", model: str = "", after: str = ""
    ) -> Response[str]:
        """A page of them."""
        wanted = Wanted(states=(status,) if status else None, model=model or None, after=after or None, limit=PAGE)
        found: list[Task] = await desk.runtime.engine.run(listing.page, wanted)
        return page(
            "tasks.html",
            who,
            tasks=found,
            more=found[-1].id if len(found) == PAGE else None,
            wanted={"status": status, "model": model},
            states=get_args(State),
        )

    @get("/{id:str}")
    async def show(self, id: str, desk: Console, who: Who) -> Response[str]:
        """One task with what it made."""
        task: Task | None = await desk.runtime.engine.run(table.find, id)
        if task is None:
            raise NotFoundException("There is no such task, or its time is over.")
        results = desk.runtime.results
        outputs = [(one, link(one, task, results)) for one in task.output or ()]
        return page("task.html", who, task=task, outputs=outputs, currency=desk.office.currency)

    @post("/{id:str}/cancel", status_code=303)
    async def cancel(self, id: str, desk: Console, who: Who) -> Response[str]:
        """Ask its provider to stop."""
        require(who, "tasks")
        await desk.runtime.engine.run(_cancel, id)
        desk.runtime.engine.hurry()
        return Response("", status_code=303, headers={"location": f"/console/tasks/{id}"})


def _cancel(database: Database, id_: str) -> None:
    table.ask_to_cancel(database, id_, database.now_ms())
