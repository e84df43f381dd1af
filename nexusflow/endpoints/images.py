"""`POST /v1/images/generations`, `/edits`, `/variations` over every image model (contract 2.7).

Each request is a task that its client waits for, so it survives us, is charged once, and is never sent twice.
"""

import asyncio
import base64
from typing import Any

import msgspec

from nexusflow.endpoints.address import path_of, require_post
from nexusflow.endpoints.made import MediaSurface, fingerprint, repeats
from nexusflow.endpoints.surface import Call
from nexusflow.flow.admit import client_address, permit
from nexusflow.flow.body import read_body
from nexusflow.flow.client import answer
from nexusflow.flow.exchange import Phase
from nexusflow.flow.once import name_of
from nexusflow.ir.errors import Kind, Problem, RequestRefused, refuse
from nexusflow.ir.task import FINAL, Brief, Sketch
from nexusflow.protocols.common import checks
from nexusflow.protocols.openai_images import read_request
from nexusflow.protocols.openai_images.wire import ImageRequest
from nexusflow.tasks import ending
from nexusflow.tasks.accepting import Wish
from nexusflow.tasks.model import Stored, Task
from nexusflow.wire import forms, jsonedit
from nexusflow.wire.forms import Form
from nexusflow.wire.head import Head

PROTOCOL = "openai/image-generations"
_VERBS = ("generations", "edits", "variations")
_KINDS = {
    "content_policy_violation": Kind.CONTENT,
    "invalid_request": Kind.PARAM,
    "rate_limited": Kind.RATE,
    "outcome_unknown": Kind.UNKNOWN,
}


class OpenAIImages(MediaSurface):
    """The image surface of one artifact."""

    paths = frozenset(f"{prefix}/{verb}".encode() for prefix in ("/v1/images", "/images") for verb in _VERBS)

    async def serve(self, call: Call) -> None:
        """Have images made, and answer with them."""
        require_post(call, self.paths)
        head, key = self.admitted(call)
        permit(key, None, None, "images", client_address(call.scope))
        self.desk.gate.early(key, PROTOCOL, call.client.headers)
        body = await read_body(call.exchange, head, call.receive, self.bounds)
        verb = path_of(call).rpartition(b"/")[2].decode()
        form = _form(head, body, verb)
        media = self.find(form.fields.get("model"), PROTOCOL)
        decoder = self.artifact.decoders[media.model.requests[PROTOCOL]]
        if verb == "variations":
            form.fields.setdefault("prompt", jsonedit.text("A variation of the picture."))
        request = read_request.validate(form.fields, decoder, media.model)
        wish = Wish(
            key=key,
            address=client_address(call.scope),
            media=media,
            face=PROTOCOL,
            endpoint="images",
            brief=_brief(request, form, media.model, verb),
            fingerprint=fingerprint(f"{PROTOCOL} {verb}", body),
            base_url=self.base_url(call),
            name=name_of(call.scope["headers"]),
            retry=repeats(head),
            waits=True,
        )
        task, new = await self.desk.accept(wish, call.exchange.request_id, call.client.headers)
        call.client.headers.append((b"x-nexusflow-task", task.id.encode()))
        if not new:
            call.client.headers.append((b"idempotent-replayed", b"true"))
        done = await (self._shown(call, task) if new and task.brief.partials else self._done(call, task, new))
        await self._answer(call, done, request)

    async def _done(self, call: Call, task: Task, new: bool) -> Task:
        """The task at its end. Raises `RequestRefused` where it failed, or takes longer than anybody waits."""
        found = await self.ended(call, task, new)
        if found is not None and found.state == "succeeded":
            return found
        raise RequestRefused(_problem(found))

    async def _shown(self, call: Call, task: Task) -> Task:
        """As `_done`, and the client sees how the picture comes to be where the provider shows it."""
        sketches: asyncio.Queue[Sketch] = asyncio.Queue()

        async def draw() -> None:
            while True:
                await call.client.write(_event(task, "partial_image", _sketch(await sketches.get())))

        with self.runtime.engine.showing(task.id, sketches.put_nowait):
            drawing = asyncio.ensure_future(draw())
            try:
                return await self._done(call, task, new=True)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)

    async def _answer(self, call: Call, task: Task, request: ImageRequest) -> None:
        call.exchange.enter(Phase.WRITE, 60)
        items = [await self._item(one, task, request) for one in task.output or ()]
        if not request.stream:
            body = {"created": task.created_ms // 1000, "data": items, **_said(task), **_usage(task)}
            await answer(call.send, 200, msgspec.json.encode(body), call.client.headers)
            return
        for item in items:
            await call.client.write(_event(task, "completed", {**item, **_said(task), **_usage(task)}))
        await call.client.end()

    async def _item(self, one: Stored, task: Task, request: ImageRequest) -> dict[str, Any]:
        """One picture, in the form that was asked for."""
        item: dict[str, Any] = {}
        wants_data = request.response_format == "b64_json" or (request.response_format is None and request.stream)
        if wants_data and one.name is not None:
            item["b64_json"] = base64.b64encode(await self._bytes(one.name)).decode()
        else:
            item["url"] = ending.link(one, task, self.runtime.results)
        if one.revised_prompt is not None:
            item["revised_prompt"] = one.revised_prompt
        return item

    async def _bytes(self, name: str) -> bytes:
        stored = await self.runtime.results.open(name)
        if stored is None:
            raise refuse(Kind.UPSTREAM, "The picture is no longer there.", code="result_unavailable")
        return b"".join([piece async for piece in stored.pieces])


def _form(head: Head, body: bytes, verb: str) -> Form:
    content_type = head.first(b"content-type")
    if forms.is_form(content_type):
        return forms.read(content_type or b"", body)
    return Form(dict(checks.parse(body, read_request.MONEY_FIELDS)), {})


def _brief(request: ImageRequest, form: Form, model: Any, verb: str) -> Brief:
    """The brief; edits and variations need a picture. Raises `RequestRefused`."""
    images = tuple(form.files.get("image", ()))
    if verb != "generations" and not images:
        raise refuse(Kind.PARAM, "`image` is required", param="image", code="missing_required_parameter")
    if verb == "generations" and (images or form.files):
        raise refuse(Kind.PARAM, "Pictures are sent to /v1/images/edits.", param="image")
    masks = form.files.get("mask", [])
    brief = read_request.brief(request, form.fields, model, images, masks[0] if masks else None)
    if verb == "variations":
        return msgspec.structs.replace(brief, extra={**brief.extra, "variation": msgspec.Raw(b"true")})
    return brief


def _problem(task: Task | None) -> Problem:
    """Why there are no images; type and code are `upstream_error` where nothing better is known (contract 2.7)."""
    if task is None or task.state not in FINAL:
        message = (
            "The provider has not answered in time. The request goes on as a task"
            f"{' and can be read at /v1/tasks/' + task.id if task is not None else ''}; it was not made twice."
        )
        return Problem(kind=Kind.UNKNOWN, message=message)
    kind = _KINDS.get(task.error_code or "")
    if kind is not None:
        return Problem(kind=kind, message=task.error or "The request failed.")
    return Problem(
        kind=Kind.UPSTREAM,
        message=task.error or "The provider failed.",
        type="upstream_error",
        code="upstream_error",
        should_retry=False,
    )


def _said(task: Task) -> dict[str, Any]:
    """What the provider said beside the pictures."""
    brief = task.brief
    found = {"background": brief.background, "output_format": brief.output_format, "quality": brief.quality}
    return {name: value for name, value in {**found, "size": brief.size}.items() if value is not None}


def _usage(task: Task) -> dict[str, Any]:
    """What the provider says that it took, where it says so."""
    tokens = task.tokens
    if tokens is None:
        return {}
    given = tokens.input_text + tokens.input_image
    return {
        "usage": {
            "input_tokens": given,
            "input_tokens_details": {"text_tokens": tokens.input_text, "image_tokens": tokens.input_image},
            "output_tokens": tokens.output,
            "total_tokens": given + tokens.output,
        }
    }


def _sketch(sketch: Sketch) -> dict[str, Any]:
    return {"partial_image_index": sketch.index, "b64_json": sketch.data, **sketch.look}


def _event(task: Task, what: str, fields: dict[str, Any]) -> bytes:
    """One event of a stream; for a provider that shows nothing before the end there is only the last one."""
    name = f"{'image_edit' if task.brief.images else 'image_generation'}.{what}"
    event = {"type": name, "created_at": task.created_ms // 1000, **fields}
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(event))
