"""OpenAI's images: generations, edits and variations, streamed where the model can."""

import asyncio
import base64
import re
from typing import Any

import msgspec

from nexusflow.simulator.failure import Refused
from nexusflow.simulator.media.desk import Desk, Reply, Route
from nexusflow.simulator.media.form_data import Upload, is_form, read_form
from nexusflow.simulator.media.openai_rules import Asked, Rule, check, output_tokens, pixels, rule_of
from nexusflow.simulator.media.orders import Order, split
from nexusflow.simulator.media.works import Job, Subject
from nexusflow.simulator.openai.vendor import OPENAI, invalid
from nexusflow.simulator.shape import fit
from nexusflow.simulator.tokens import count

_MIMES = "'image/jpeg', 'image/png', and 'image/webp'"
_NUMBERS = ("n", "output_compression", "partial_images")
IMAGE_TOKENS = 388  # of one input image of a thousand pixels square


async def _generate(desk: Desk) -> Reply | None:
    data = desk.json()
    return await _answer(desk, fit(data, Asked), data, (), edits=False)


async def _edit(desk: Desk) -> Reply | None:
    data, images = _upload(desk) if is_form(desk.request) else _linked(desk.json())
    if not images:
        raise Refused(invalid("Missing required parameter: 'image'.", "image", code="missing_required_parameter"))
    asked = fit({name: value for name, value in data.items() if name not in ("image", "mask", "images")}, Asked)
    return await _answer(desk, asked, data, images, edits=True)


async def _vary(desk: Desk) -> Reply | None:
    data, images = _upload(desk)
    if len(images) != 1 or split(data.get("model", "dall-e-2"))[0] not in ("dall-e-2", "image"):
        raise Refused(invalid("Variations take one image and the model 'dall-e-2'.", "model", code="invalid_value"))
    asked = fit({"prompt": "a variation", **{name: data[name] for name in data if name != "image"}}, Asked)
    return await _answer(desk, asked, data, images, edits=False)


def _upload(desk: Desk) -> tuple[dict[str, Any], tuple[Upload, ...]]:
    """The form as JSON, with its pictures. Raises `Refused` for files that are none."""
    form = read_form(desk.request)
    data: dict[str, Any] = dict(form.texts)
    for name in _NUMBERS:
        if re.fullmatch(r"-?\d+", data.get(name, "")):
            data[name] = int(data[name])
    if data.get("stream") in ("true", "false"):
        data["stream"] = data["stream"] == "true"
    images: list[Upload] = []
    for name, files in form.files.items():
        place = name.removesuffix("[]")
        if place not in ("image", "mask"):
            raise Refused(invalid(f"Unknown parameter: '{place}'.", place, code="unknown_parameter"))
        for file in files:
            if file.mime is None:
                said = f"Invalid file '{place}': unsupported mimetype. Supported file formats are {_MIMES}."
                raise Refused(invalid(said, place, code="unsupported_file_mimetype"))
        data[place] = [file.describe() for file in files]
        images += files if place == "image" else []
    return data, tuple(images)


def _linked(data: dict[str, Any]) -> tuple[dict[str, Any], tuple[Upload, ...]]:
    """A request in JSON, whose pictures are addresses, `data:` ones too."""
    urls = [one.get("image_url") for one in data.get("images") or () if isinstance(one, dict)]
    if not all(isinstance(url, str) and url.startswith(("https://", "http://", "data:image/")) for url in urls):
        raise Refused(invalid("Invalid 'images': each needs an image_url.", "images", code="invalid_value"))
    return data, tuple(Upload(str(url)[:64], b"") for url in urls)


async def _answer(
    desk: Desk, asked: Asked, data: dict[str, Any], images: tuple[Upload, ...], *, edits: bool
) -> Reply | None:
    order = desk.order("image", asked.model, "images")
    rule = rule_of(order.name)
    check(asked, rule)
    if asked.prompt is None:
        raise Refused(invalid("Missing required parameter: 'prompt'.", "prompt", code="missing_required_parameter"))
    if edits and order.name == "dall-e-3":
        raise Refused(invalid("Value must be 'dall-e-2'.", "model", code="invalid_value"))
    if len(images) > (16 if rule.streams else 1):
        raise Refused(invalid("Invalid 'image': too many images.", "image", code="array_above_max_length"))
    width, height = pixels(asked.size or rule.usual) or (1024, 1024)
    subject = Subject(
        prompt=asked.prompt, asked=data, count=asked.n or 1, width=width, height=height,
        seed=[base64.b64encode(image.data[-64:]).decode() for image in images] or None,
    )  # fmt: skip
    drawing = Drawing(desk, order, rule, asked, len(images), edits)
    if asked.stream:
        await drawing.stream(subject)
        return None
    return Reply(drawing.describe(await desk.finish(order, subject)))


class Drawing:
    """One request's answer, whole or in events."""

    def __init__(self, desk: Desk, order: Order, rule: Rule, asked: Asked, images: int, edits: bool) -> None:
        self._desk, self._order, self._rule, self._asked, self._images = desk, order, rule, asked, images
        self._event = "image_edit" if edits else "image_generation"

    def describe(self, job: Job) -> dict[str, Any]:
        """The whole answer."""
        asked = self._asked
        made: dict[str, Any] = {"created": int(job.ended)}
        revised = {"revised_prompt": f"{asked.prompt}, in detail"} if self._order.name == "dall-e-3" else {}
        if asked.response_format == "url" or (self._rule.links and asked.response_format is None):
            return {**made, "data": [{**revised, "url": link} for link in self._desk.links(job)]}
        files = [{**revised, "b64_json": self._file(job, index)} for index in range(job.count)]
        if self._rule.links:
            return {**made, "data": files}
        return {**made, **self._look(job), "data": files, "usage": self._usage(job, job.count)}

    async def stream(self, subject: Subject) -> None:
        """The answer as events: what is seen of the image while it is drawn, and the image."""
        job, connection = self._desk.start(self._order, subject), self._desk.connection
        partial = self._asked.partial_images or 0
        headers = {**OPENAI.headers(job.id[:20]), "content-type": "text/event-stream; charset=utf-8"}
        connection.head(200, headers)
        for index in range(partial):
            await asyncio.sleep((self._order.options.queue + job.seconds) / (partial + 1))
            seen = {"partial_image_index": index, "b64_json": self._file(job, index + 100)}
            await self._send(f"{self._event}.partial_image", job, seen)
        await asyncio.sleep((self._order.options.queue + job.seconds) / (partial + 1))
        if self._order.options.never:
            await asyncio.Event().wait()
        if job.state == "failed":
            failure = OPENAI.failure("policy" if self._order.options.fail == "policy" else "internal")
            error = OPENAI.error(failure, "")[1]["error"]
            await connection.chunk(_event("error", {"type": "error", "error": error}))
            await connection.end()
            return
        for index in range(job.count):
            whole = {"b64_json": self._file(job, index), "usage": self._usage(job, 1)}
            await self._send(f"{self._event}.completed", job, whole)
        await connection.end()

    async def _send(self, name: str, job: Job, more: dict[str, Any]) -> None:
        data = {"type": name, "created_at": int(job.clock()), **self._look(job), **more}
        await self._desk.connection.chunk(_event(name, data))

    def _file(self, job: Job, index: int) -> str:
        return base64.b64encode(job.file(index, self._asked.output_format or "png")).decode()

    def _look(self, job: Job) -> dict[str, Any]:
        asked, subject = self._asked, job.subject
        quality = asked.quality if asked.quality not in (None, "auto") else "high"
        background = asked.background if asked.background not in (None, "auto") else "opaque"
        look = {"background": background, "output_format": asked.output_format or "png", "quality": quality}
        return {**look, "size": f"{subject.width}x{subject.height}"}

    def _usage(self, job: Job, images: int) -> dict[str, Any]:
        text, seen = count(job.subject.prompt), self._images * IMAGE_TOKENS
        made = images * output_tokens(self._asked.quality or "high", job.subject.width, job.subject.height)
        return {
            "input_tokens": text + seen,
            "input_tokens_details": {"image_tokens": seen, "text_tokens": text},
            "output_tokens": made,
            "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
            "total_tokens": text + seen + made,
        }


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


ROUTES: tuple[Route, ...] = tuple(
    Route("openai", OPENAI, "POST", re.compile(f"/v1/images/{path}"), act)
    for path, act in (("generations", _generate), ("edits", _edit), ("variations", _vary))
)
