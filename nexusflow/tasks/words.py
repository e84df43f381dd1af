"""A task as its owner sees it: the object of `GET /v1/tasks/{id}`, which is also what webhooks say (contract 2.8)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from nexusflow.ir.task import State
from nexusflow.tasks.model import Stored, Task

STATUS: dict[State, str] = {
    "queued": "pending",
    "submitting": "pending",
    "waiting": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "failed",
    "unknown": "unknown",
}
Link = Callable[[Stored], str | None]


def told(task: Task, link: Link, **more: Any) -> dict[str, Any]:
    """The object. `link` makes the address of a result; `more` is said of a task that waits."""
    done = task.completed_ms is not None
    found: dict[str, Any] = {
        "id": task.id,
        "object": "task",
        "status": STATUS[task.state],
        "model": task.model,
        "type": task.type,
        "created_at": moment(task.created_ms),
        "progress": 100 if task.state == "succeeded" else task.progress or 0,
        "completed_at": moment(task.completed_ms) if task.completed_ms is not None else None,
    }
    if task.state == "succeeded":
        found["output"] = output(task, link)
        found["expires_at"] = moment(task.expires_ms)
    if task.error is not None:
        # A succeeded task may have lost its result (U-37); that alone is no failure.
        found["error"] = task.error
        found["error_code"] = task.error_code
    if not done:
        found.update({name: value for name, value in more.items() if value is not None})
        if task.cancel:
            found["cancel_requested"] = True
    return found


def output(task: Task, link: Link) -> dict[str, Any]:
    """What was made (contract 3 row 6)."""
    items = []
    for one in task.output or ():
        url = link(one)
        if url is not None:
            item = {"url": url, "mime_type": one.mime, "bytes": one.bytes, "revised_prompt": one.revised_prompt}
            items.append({name: value for name, value in item.items() if value is not None})
    found: dict[str, Any] = {"type": task.type}
    if items:
        found[f"{task.type}_url"] = items[0]["url"]
    found[f"{task.type}s"] = items
    return found


def moment(ms: int) -> str:
    """ISO 8601 with milliseconds, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
