"""Google's videos: long running operations of Veo, and files that want the key (Gemini API, "Generate videos")."""

import re
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.gemini.vendor import GEMINI, invalid
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.works import Job, Subject

LINES = {"720p": 720, "1080p": 1080, "4k": 2160}
TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
FILTERED = "Sorry, we can't create videos with this content. Please try a different prompt."


class Picture(Struct, forbid_unknown_fields=True, rename="camel"):
    """A picture that came along."""

    bytes_base64_encoded: str | None = None
    mime_type: str | None = None
    gcs_uri: str | None = None
    inline_data: dict[str, str] | None = None


class Clip(Struct, forbid_unknown_fields=True, rename="camel"):
    """A video to go on from."""

    uri: str | None = None
    gcs_uri: str | None = None
    encoded_video: str | None = None
    encoding: str | None = None
    mime_type: str | None = None


class Reference(Struct, forbid_unknown_fields=True, rename="camel"):
    """A picture of somebody or something that is to be seen."""

    image: Picture
    reference_type: str | None = None


class Instance(Struct, forbid_unknown_fields=True, rename="camel"):
    """What the video shows."""

    prompt: str | None = None
    image: Picture | None = None
    last_frame: Picture | None = None
    reference_images: Annotated[list[Reference], Meta(max_length=3)] | None = None
    video: Clip | None = None


class Parameters(Struct, forbid_unknown_fields=True, rename="camel"):
    """How it is made. `durationSeconds` is a number; texts are refused in words of their own."""

    aspect_ratio: str = "16:9"
    duration_seconds: int | float | str = 8
    resolution: str = "720p"
    negative_prompt: str | None = None
    person_generation: str | None = None
    seed: int | None = None
    sample_count: Annotated[int, Meta(ge=1, le=4)] = 1
    enhance_prompt: bool | None = None
    generate_audio: bool | None = None


class Asked(Struct, forbid_unknown_fields=True):
    """A request for a video."""

    instances: Annotated[list[Instance], Meta(min_length=1, max_length=1)]
    parameters: Parameters = msgspec.field(default_factory=Parameters)


async def _create(desk: Desk) -> Reply:
    asked = desk.read(Asked)
    order = desk.order("video", desk.place["model"], "predictLongRunning")
    instance, parameters = asked.instances[0], asked.parameters
    seconds = _seconds(parameters, order.name)
    if not instance.prompt and instance.image is None:
        raise Refused(invalid("The prompt is empty."))
    _check(instance, parameters)
    lines = LINES[parameters.resolution]
    width, height = lines * 16 // 9, lines
    if parameters.aspect_ratio == "9:16":
        width, height = height, width
    subject = Subject(
        prompt=instance.prompt or "", asked=desk.json(), count=parameters.sample_count, width=width, height=height,
        seconds=seconds, seed=parameters.seed,
    )  # fmt: skip
    job = desk.start(order, subject, secrets.token_hex(6))
    return Reply({"name": _name(job)})


def _seconds(parameters: Parameters, model: str) -> int:
    seconds = parameters.duration_seconds
    if isinstance(seconds, str):
        raise Refused(invalid("The value type for `durationSeconds` needs to be a number."))
    allowed = (5, 6, 7, 8) if model.startswith("veo-2") else (4, 6, 8)
    if model != "video" and seconds not in allowed:
        said = f"The number value for `durationSeconds` is out of bound. Please provide one of {list(allowed)}."
        raise Refused(invalid(said))
    if parameters.resolution in ("1080p", "4k") and seconds != 8:
        raise Refused(invalid(f"{parameters.resolution} is supported for a duration of 8 seconds only."))
    return int(seconds)


def _check(instance: Instance, parameters: Parameters) -> None:
    if parameters.aspect_ratio not in ("16:9", "9:16"):
        raise Refused(invalid(f"aspectRatio {parameters.aspect_ratio!r} is not supported by the model."))
    if parameters.resolution not in LINES:
        raise Refused(invalid(f"resolution {parameters.resolution!r} is not supported by the model."))
    for picture in (instance.image, instance.last_frame):
        if picture is None or picture.inline_data is not None or picture.gcs_uri is not None:
            continue
        if not picture.bytes_base64_encoded or not picture.mime_type:
            raise Refused(invalid("Input image needs `bytesBase64Encoded` with `mimeType`."))
    if instance.last_frame is not None and instance.image is None:
        raise Refused(invalid("`lastFrame` needs `image`."))


async def _operation(desk: Desk) -> Reply:
    job = _wanted(desk)
    state, named = desk.poll(job), {"name": _name(job)}
    if state in ("queued", "running"):
        return Reply(named)
    return Reply({**named, "done": True, **_end(desk, job, state)})


def _end(desk: Desk, job: Job, state: str) -> dict[str, Any]:
    why = job.order.options.fail or "internal"
    if state == "failed" and why != "policy":
        said = "An internal error has occurred. Please try again later." if why == "internal" else why
        return {"error": {"code": 13, "message": said}}
    if state == "failed":
        made: dict[str, Any] = {"raiMediaFilteredCount": job.subject.count, "raiMediaFilteredReasons": [FILTERED]}
    else:
        host = desk.request.headers.get("host", "127.0.0.1")
        uris = [f"http://{host}/v1beta/files/{job.id}{at}:download?alt=media" for at in range(job.count)]
        made = {"generatedSamples": [{"video": {"uri": uri}} for uri in uris]}
    return {"response": {"@type": TYPE, "generateVideoResponse": made}}


async def _download(desk: Desk) -> Reply:
    """A file is somewhere else, and only who has the key is told where."""
    request = desk.request
    if not request.headers.get("x-goog-api-key") and not request.query.get("key"):
        said = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
        raise Refused(Failure("permission", said))
    job = desk.job(desk.place["id"])
    index = int(desk.place["index"])
    if job is None or job.state != "succeeded" or index >= job.count or job.order.options.expired:
        name = f"{desk.place['id']}{index}"
        raise Refused(
            Failure("permission", f"You do not have permission to access the File {name} or it may not exist.")
        )
    return Reply(b"", 302, {"location": desk.link(job, index)})


def _wanted(desk: Desk) -> Job:
    job = desk.job(desk.place["id"])
    if job is None:
        raise Refused(Failure("route", "Operation not found."))
    return job


def _name(job: Job) -> str:
    return f"models/{job.order.name}/operations/{job.id}"


def _route(method: str, path: str, act: Act) -> Route:
    return Route("google", GEMINI, method, re.compile(f"/v1(?:beta)?/{path}"), act)


ROUTES: tuple[Route, ...] = (
    _route("POST", r"models/(?P<model>[^:]+):predictLongRunning", _create),
    _route("GET", r"models/[^/]+/operations/(?P<id>[^/:]+)", _operation),
    _route("GET", r"files/(?P<id>[0-9a-f]{12})(?P<index>\d):download", _download),
)
