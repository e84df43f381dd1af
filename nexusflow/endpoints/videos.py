"""`/v1/videos`: OpenAI's interface as another face of the same tasks (protocols 1.7)."""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from nexusflow.endpoints.address import nowhere
from nexusflow.endpoints.made import fingerprint, repeats
from nexusflow.endpoints.results import send_stored
from nexusflow.endpoints.surface import Call
from nexusflow.flow.admit import client_address, permit
from nexusflow.flow.body import read_body
from nexusflow.flow.client import answer
from nexusflow.flow.once import name_of
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.task import FINAL, State
from nexusflow.keys.model import Key
from nexusflow.protocols.common import checks
from nexusflow.protocols.tasks import read_request
from nexusflow.tasks import listing, table
from nexusflow.tasks.accepting import Wish
from nexusflow.tasks.lanes import MediaModel
from nexusflow.tasks.listing import Wanted
from nexusflow.tasks.model import Task
from nexusflow.wire import forms, jsonedit
from nexusflow.wire.forms import Form
from nexusflow.wire.head import Head
from nexusflow.wire.jsonedit import Fields

if TYPE_CHECKING:
    from nexusflow.endpoints.tasks import Tasks

PATH = "/v1/videos"
_PROTOCOL = "nexusflow/tasks"
_STATUS: dict[State, str] = {
    "queued": "queued",
    "submitting": "queued",
    "waiting": "in_progress",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "unknown": "failed",
}


async def serve(tasks: "Tasks", call: Call, path: str) -> None:
    """Answer one request by its address and method."""
    head, key = tasks.admitted(call)
    permit(key, None, None, "tasks", client_address(call.scope))
    method, parts = str(call.scope.get("method")), path.removeprefix(PATH).strip("/").split("/")
    if parts == [""] and method == "POST":
        await _create(tasks, call, head, key)
    elif parts == [""] and method == "GET":
        await _list(tasks, call, key)
    elif len(parts) == 1 and method in ("GET", "DELETE"):
        task = await tasks.owned(parts[0], key)
        shown = await _delete(tasks, task) if method == "DELETE" else words(task)
        await answer(call.send, 200, msgspec.json.encode(shown), call.client.headers)
    elif len(parts) == 2 and parts[1] == "content" and method == "GET":
        await _content(tasks, call, await tasks.owned(parts[0], key))
    elif len(parts) <= 2:
        allow = "GET, POST" if parts == [""] else "GET, DELETE"
        raise RequestRefused(Problem(kind=Kind.METHOD, message=f"This address takes {allow} only.", allow=allow))
    else:
        raise nowhere()


def words(task: Task) -> dict[str, Any]:
    """OpenAI's video object."""
    brief = task.brief
    failed = _STATUS[task.state] == "failed"
    return {
        "id": task.id,
        "object": "video",
        "created_at": task.created_ms // 1000,
        "status": _STATUS[task.state],
        "model": task.model,
        "progress": 100 if task.state == "succeeded" else task.progress or 0,
        "seconds": str(brief.duration) if brief.duration is not None else None,
        "size": brief.size or brief.resolution,
        "prompt": brief.prompt,
        "completed_at": task.completed_ms // 1000 if task.completed_ms is not None else None,
        "expires_at": task.expires_ms // 1000 if task.completed_ms is not None else None,
        "remixed_from_video_id": None,
        "error": {"code": task.error_code, "message": task.error} if failed else None,
    }


async def _create(tasks: "Tasks", call: Call, head: Head, key: Key) -> None:
    tasks.desk.gate.early(key, _PROTOCOL, call.client.headers)
    body = await read_body(call.exchange, head, call.receive, tasks.bounds)
    content_type = head.first(b"content-type")
    form = forms.read(content_type or b"", body) if forms.is_form(content_type) else _json(body)
    media = tasks.find(form.fields.get("model"), _PROTOCOL)
    if media.type != "video":
        raise refuse(Kind.PARAM, f"`{media.model.id}` makes no videos.", param="model", code="model_not_supported")
    fields = read_request.canonical(_as_task(form, media))
    decoder = tasks.artifact.decoders[media.model.requests[_PROTOCOL]]
    request = read_request.validate(fields, decoder, media.model)
    wish = Wish(
        key=key,
        address=client_address(call.scope),
        media=media,
        face=_PROTOCOL,
        endpoint="tasks",
        brief=read_request.brief(request, fields, media.type, media.model),
        fingerprint=fingerprint("openai/videos", body),
        base_url=tasks.base_url(call),
        name=name_of(call.scope["headers"]),
        retry=repeats(head),
    )
    task, _ = await tasks.desk.accept(wish, call.exchange.request_id, call.client.headers)
    await answer(call.send, 200, msgspec.json.encode(words(task)), call.client.headers)


def _json(body: bytes) -> Form:
    return Form(dict(checks.parse(body, read_request.MONEY_FIELDS)), {})


def _as_task(form: Form, media: MediaModel) -> Fields:
    """The fields in the words of tasks: whole seconds, the first frame, and size as what the model is asked by."""
    fields = dict(form.fields)
    seconds = jsonedit.as_text(fields["seconds"]) if "seconds" in fields else None
    if seconds is not None and seconds.isascii() and seconds.isdigit():
        fields["seconds"] = msgspec.Raw(str(int(seconds)).encode())
    if "input_reference" in form.files:
        fields["img_url"] = jsonedit.text(form.files["input_reference"][0])
    rules = media.model.media
    size = jsonedit.as_text(fields["size"]) if "size" in fields else None
    if size is not None and rules is not None and rules.resolutions and not rules.sizes:
        del fields["size"]
        fields.update(_by_lines(size))
    return fields


def _by_lines(size: str) -> Fields:
    """A size in pixels as resolution and ratio. Raises `RequestRefused` for what is none."""
    width, _, height = size.partition("x")
    if not (
        width.isascii() and width.isdigit() and height.isascii() and height.isdigit() and int(width) and int(height)
    ):
        raise refuse(Kind.PARAM, "`size` must be WIDTHxHEIGHT, such as 1280x720", param="size", code="invalid_type")
    ratios = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4}
    is_ = int(width) / int(height)
    ratio = min(ratios, key=lambda name: abs(ratios[name] - is_))
    lines = min(int(width), int(height))
    return {"resolution": jsonedit.text(f"{lines}P"), "ratio": jsonedit.text(ratio)}


async def _list(tasks: "Tasks", call: Call, key: Key) -> None:
    query = dict(parse_qsl(call.scope.get("query_string", b"").decode("latin-1")))
    limit = query.get("limit", "20")
    if not limit.isascii() or not limit.isdigit() or not 0 < int(limit) <= 100:
        raise refuse(Kind.PARAM, "`limit` must be a whole number from 1 to 100.", param="limit")
    wanted = Wanted(owner=key.owner or key.id, type="video", after=query.get("after"), limit=int(limit))
    found: list[Task] = await tasks.runtime.engine.run(listing.page, wanted)
    body = {
        "object": "list",
        "data": [words(one) for one in found],
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
        "has_more": len(found) == wanted.limit,
    }
    await answer(call.send, 200, msgspec.json.encode(body), call.client.headers)


async def _delete(tasks: "Tasks", task: Task) -> dict[str, Any]:
    """A video that is over is gone with its file; one that is not is cancelled first, where that can be."""
    if task.state not in FINAL:
        await tasks.cancelled(task)
    else:
        now_ms = time.time_ns() // 1_000_000
        await tasks.runtime.engine.run(table.change, task, {"expires_ms": now_ms})
        for one in task.output or ():
            if one.name is not None:
                await tasks.runtime.results.delete(one.name)
    return {"id": task.id, "object": "video.deleted", "deleted": True}


async def _content(tasks: "Tasks", call: Call, task: Task) -> None:
    output = task.output[0] if task.output else None
    if task.state != "succeeded" or output is None or output.name is None:
        raise refuse(Kind.CONFLICT, f"The video is {_STATUS[task.state]}; there is nothing to fetch.", code="not_ready")
    await send_stored(call, tasks.runtime.results, output.name)
