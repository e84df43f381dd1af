"""Google's images: generateContent of the models that draw, and Imagen's `:predict` (protocols 1.5, 1.7)."""

import base64
import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Struct

from nexusflow.simulator.asked import Asked
from nexusflow.simulator.failure import Refused
from nexusflow.simulator.form import EVENTS
from nexusflow.simulator.gemini import request as gemini_request
from nexusflow.simulator.gemini.body import Body, GenerationConfig, shape
from nexusflow.simulator.gemini.vendor import GEMINI, invalid
from nexusflow.simulator.http import Request
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.orders import offers
from nexusflow.simulator.media.works import Job, Subject, Works
from nexusflow.simulator.tokens import count
from nexusflow.simulator.traits import Traits

RATIOS: dict[str, tuple[int, int]] = {
    "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864),
    "4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672),
}  # fmt: skip
"""The pixels of an image of size 1K."""
SIZES = {"1K": 1, "2K": 2, "4K": 4}
IMAGEN_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
TOKENS = 1290  # of one image
FINISH = {"policy": "IMAGE_SAFETY", "internal": ""}


def _generate(*, stream: bool) -> Act:
    async def generate(desk: Desk) -> Reply | None:
        data = desk.json()
        body: Body = shape(data, Body)
        order = desk.order("image", desk.place["model"], "generateContent")
        if order.name.startswith("imagen"):
            raise Refused(GEMINI.no_model(order.name, "generateContent"))
        config = body.generation_config or GenerationConfig()
        asked = gemini_request.ask(body, data, Traits())
        width, height = _measure(config.image_config or {}, order.name)
        modalities = [modality.upper() for modality in config.response_modalities or ("TEXT", "IMAGE")]
        _check(body, config, modalities)
        prompt = " ".join(part.text for turn in asked.turns for part in turn.parts if part.kind == "text")
        if not prompt:
            raise Refused(invalid("* GenerateContentRequest.contents: contents is not specified"))
        subject = Subject(prompt=prompt, asked=data, width=width, height=height, seed=config.seed)
        fails = order.options.fail
        if fails and fails != "internal":
            calm = msgspec.structs.replace(order.options, fail="")
            job = await desk.finish(type(order)(order.wanted, order.name, order.kind, calm), subject)
            return await _say(desk, [_answer(job, asked, [], FINISH.get(fails, fails))], stream=stream)
        job = await desk.finish(order, subject)
        return await _say(desk, list(_frames(job, asked, modalities, whole=not stream)), stream=stream)

    return generate


def _check(body: Body, config: GenerationConfig, modalities: list[str]) -> None:
    if not body.contents:
        raise Refused(invalid("* GenerateContentRequest.contents: contents is not specified"))
    unknown = [modality for modality in modalities if modality not in ("TEXT", "IMAGE")]
    if unknown:
        said = (
            f"The requested combination of response modalities ({', '.join(modalities)}) is not supported by the model."
        )
        raise Refused(invalid(said))
    if config.candidate_count not in (None, 1):
        raise Refused(invalid("Multiple candidates is not enabled for this model"))


def _measure(config: dict[str, Any], name: str) -> tuple[int, int]:
    unknown = sorted(config.keys() - {"aspectRatio", "imageSize", "aspect_ratio", "image_size"})
    if unknown:
        at = "generation_config.image_config"
        raise Refused(
            invalid(f"Invalid JSON payload received. Unknown name \"{unknown[0]}\" at '{at}': Cannot find field.")
        )
    ratio = config.get("aspectRatio", config.get("aspect_ratio")) or "1:1"
    size = config.get("imageSize", config.get("image_size"))
    if ratio not in RATIOS:
        raise Refused(invalid(f"aspect_ratio must be one of {', '.join(map(repr, RATIOS))}."))
    if size is not None and (size not in SIZES or name.startswith("gemini-2.5")):
        raise Refused(invalid(f"image_size {size!r} is not supported by the model."))
    width, height = RATIOS[ratio]
    return width * SIZES.get(size or "1K", 1), height * SIZES.get(size or "1K", 1)


def _frames(job: Job, asked: Asked, modalities: list[str], *, whole: bool) -> Iterator[dict[str, Any]]:
    """The answer, or its pieces when it is streamed."""
    parts: list[dict[str, Any]] = [{"text": "Here is the image. "}] if "TEXT" in modalities else []
    if "IMAGE" in modalities and job.count:
        data = base64.b64encode(job.file(0)).decode()
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
    finish = "NO_IMAGE" if "IMAGE" in modalities and not job.count else "STOP"
    if whole or not parts:
        yield _answer(job, asked, parts, finish)
        return
    for at, part in enumerate(parts):
        yield _answer(job, asked, [part], finish if at == len(parts) - 1 else "")


def _answer(job: Job, asked: Asked, parts: list[dict[str, Any]], finish: str) -> dict[str, Any]:
    images, text = sum("inlineData" in part for part in parts), count(job.subject.prompt)
    seen = 258 * sum(part.kind == "image" for turn in asked.turns for part in turn.parts)
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}} if parts else {}
    candidate |= {"finishReason": finish} if finish else {}
    said = count(" ".join(part.get("text", "") for part in parts))
    made = images * TOKENS + said
    details = [{"modality": "TEXT", "tokenCount": text}]
    details += [{"modality": "IMAGE", "tokenCount": seen}] if seen else []
    usage = {"promptTokenCount": text + seen, "candidatesTokenCount": made, "totalTokenCount": text + seen + made}
    spent = [{"modality": "IMAGE", "tokenCount": images * TOKENS}] if images else []
    return {
        "candidates": [{**candidate, "index": 0}],
        "usageMetadata": {**usage, "promptTokensDetails": details, "candidatesTokensDetails": spent},
        "modelVersion": job.order.name,
        "responseId": job.id,
    }


async def _say(desk: Desk, frames: list[dict[str, Any]], *, stream: bool) -> Reply | None:
    if not stream:
        return Reply(frames[0])
    if desk.request.query.get("alt") != "sse":
        return Reply(frames)
    desk.connection.head(200, {**GEMINI.headers(""), **EVENTS})
    for frame in frames:
        await desk.connection.chunk(b"data: %b\r\n\r\n" % msgspec.json.encode(frame))
    await desk.connection.end()
    return None


class Instance(Struct, forbid_unknown_fields=True):
    """What Imagen draws."""

    prompt: Annotated[str, Meta(min_length=1)]


class Parameters(Struct, forbid_unknown_fields=True, rename="camel"):
    """How Imagen draws it."""

    sample_count: Annotated[int, Meta(ge=1, le=4)] = 4
    aspect_ratio: str = "1:1"
    sample_image_size: str | None = None
    person_generation: str | None = None
    include_rai_reason: bool = False
    negative_prompt: str | None = None
    seed: int | None = None
    guidance_scale: float | None = None
    language: str | None = None
    safety_setting: str | None = None
    enhance_prompt: bool | None = None
    add_watermark: bool | None = None
    output_options: dict[str, Any] | None = None


class Prediction(Struct, forbid_unknown_fields=True):
    """A request of Imagen's."""

    instances: Annotated[list[Instance], Meta(min_length=1, max_length=1)]
    parameters: Parameters = msgspec.field(default_factory=Parameters)


async def _predict(desk: Desk) -> Reply:
    asked = desk.read(Prediction)
    order, parameters = desk.order("image", desk.place["model"], "predict"), asked.parameters
    if order.name.startswith("gemini"):
        raise Refused(GEMINI.no_model(order.name, "predict"))
    if parameters.aspect_ratio not in IMAGEN_RATIOS:
        raise Refused(invalid(f"aspectRatio must be one of {', '.join(IMAGEN_RATIOS)}."))
    if parameters.sample_image_size not in (None, "1K", "2K"):
        raise Refused(invalid("sampleImageSize must be one of 1K, 2K."))
    width, height = RATIOS[parameters.aspect_ratio]
    scale = SIZES[parameters.sample_image_size or "1K"]
    subject = Subject(
        prompt=asked.instances[0].prompt, asked=desk.json(), count=parameters.sample_count,
        width=width * scale, height=height * scale, seed=parameters.seed,
    )  # fmt: skip
    if order.options.fail == "policy":
        desk.start(order, subject)
        reason = {"raiFilteredReason": "The images were filtered because they violated the usage guidelines."}
        return Reply({"predictions": [reason]} if parameters.include_rai_reason else {})
    job = await desk.finish(order, subject)
    files = [base64.b64encode(job.file(index)).decode() for index in range(job.count)]
    return Reply({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": file} for file in files]})


def _draws(request: Request, works: Works) -> bool:
    found = re.search(r"/models/([^:]+):", request.path)
    return found is not None and bool(offers(unquote(found[1])))


def _route(method: str, act: Act) -> Route:
    path = re.compile(rf"/v1(?:beta)?/models/(?P<model>[^:]+):{method}")
    return Route("google", GEMINI, "POST", path, act, _draws)


ROUTES: tuple[Route, ...] = (
    _route("generateContent", _generate(stream=False)),
    _route("streamGenerateContent", _generate(stream=True)),
    _route("predict", _predict),
)
