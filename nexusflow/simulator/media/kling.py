"""Kling: videos from text or a picture, and images, all as jobs, with a signed token. After its API reference."""

import base64
import binascii
import re
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from nexusflow.simulator.failure import Class, Failure, Refused
from nexusflow.simulator.http import Request
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route, bearer
from nexusflow.simulator.media.faces import STATUS, Face
from nexusflow.simulator.media.orders import Kind
from nexusflow.simulator.media.works import Job, Subject, Works

CODES: Mapping[Class, int] = {
    "invalid": 1201, "context": 1201, "policy": 1301, "auth": 1000, "billing": 1102, "permission": 1103,
    "model": 1203, "route": 1203, "large": 1201, "rate": 1302, "quota": 1303, "internal": 5000, "gateway": 5000,
    "unavailable": 5001, "timeout": 5002, "overloaded": 5001,
}  # fmt: skip
STATES = {"queued": "submitted", "running": "processing", "succeeded": "succeed"}
VIDEO_RATIOS = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
IMAGE_RATIOS = {
    "16:9": (1360, 768), "9:16": (768, 1360), "1:1": (1024, 1024), "4:3": (1168, 880), "3:4": (880, 1168),
    "3:2": (1248, 832), "2:3": (832, 1248), "21:9": (1568, 672),
}  # fmt: skip


class Kling(Face):
    """Errors with a number, a message and the request's id."""

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status = {"billing": 429}.get(failure.kind, STATUS[failure.kind])
        code = int(failure.code) if failure.code else CODES[failure.kind]
        return status, {"code": code, "message": failure.message, "request_id": _id()}


KLING = Kling()


class Video(Struct):
    """A request for a video."""

    model_name: str = "kling-v1"
    prompt: Annotated[str, Meta(max_length=2500)] | None = None
    negative_prompt: Annotated[str, Meta(max_length=2500)] | None = None
    cfg_scale: Annotated[float, Meta(ge=0, le=1)] | None = None
    mode: Literal["std", "pro"] = "std"
    sound: Literal["on", "off"] | None = None
    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"
    duration: Literal["5", "10"] = "5"
    image: str | None = None
    image_tail: str | None = None
    external_task_id: str | None = None
    callback_url: str | None = None


class Image(Struct):
    """A request for images."""

    prompt: Annotated[str, Meta(min_length=1, max_length=2500)]
    model_name: str = "kling-v1"
    negative_prompt: str | None = None
    image: str | None = None
    image_reference: str | None = None
    n: Annotated[int, Meta(ge=1, le=9)] = 1
    resolution: Literal["1k", "2k"] = "1k"
    aspect_ratio: str = "16:9"
    external_task_id: str | None = None
    callback_url: str | None = None


def _make(path: str) -> Act:
    async def make(desk: Desk) -> Reply:
        _admit(desk.request)
        asked = desk.read(Video)
        order = desk.order("video", asked.model_name)
        pictured = path == "image2video"
        if pictured and not (asked.image or asked.image_tail):
            raise _invalid("image and image_tail can't be empty at the same time")
        if not pictured and not asked.prompt:
            raise _invalid("prompt can't be empty")
        if asked.image is not None and asked.image.startswith("data:"):
            raise _invalid("image is invalid: base64 goes without a prefix")
        width, height = VIDEO_RATIOS[asked.aspect_ratio]
        subject = Subject(
            prompt=asked.prompt or "", asked=desk.json(), width=width, height=height, seconds=int(asked.duration),
            reference=_new(desk, asked.external_task_id),
        )  # fmt: skip
        job = desk.start(order, subject, str(secrets.randbelow(9 * 10**17) + 10**17))
        return _said(_describe(desk, job, path))

    return make


async def _draw(desk: Desk) -> Reply:
    _admit(desk.request)
    asked = desk.read(Image)
    order = desk.order("image", asked.model_name)
    if asked.aspect_ratio not in IMAGE_RATIOS:
        raise _invalid(f"aspect_ratio value {asked.aspect_ratio!r} is invalid")
    width, height = IMAGE_RATIOS[asked.aspect_ratio]
    scale = 2 if asked.resolution == "2k" else 1
    subject = Subject(
        prompt=asked.prompt, asked=desk.json(), count=asked.n, width=width * scale, height=height * scale,
        reference=_new(desk, asked.external_task_id),
    )  # fmt: skip
    job = desk.start(order, subject, str(secrets.randbelow(9 * 10**17) + 10**17))
    return _said(_describe(desk, job, "generations"))


def _get(kind: Kind) -> Act:
    async def get(desk: Desk) -> Reply:
        _admit(desk.request)
        id_ = desk.place["id"]
        job = desk.job(id_) or desk.works.referred(id_, desk.vendor)
        if job is None or job.order.kind != kind:
            raise Refused(Failure("route", "Task not found"))
        desk.poll(job)
        return _said(_describe(desk, job, ""))

    return get


def _listed(kind: Kind) -> Act:
    async def listed(desk: Desk) -> Reply:
        _admit(desk.request)
        jobs = [job for job in desk.works.of(desk.vendor) if job.order.kind == kind]
        return _said([_describe(desk, job, "") for job in jobs[:30]])

    return listed


def _describe(desk: Desk, job: Job, path: str) -> dict[str, Any]:
    state = "queued" if path else job.state
    told: dict[str, Any] = {
        "task_id": job.id,
        "task_status": STATES.get(state, "failed"),
        "task_info": {"external_task_id": job.subject.reference} if job.subject.reference else {},
        "created_at": int(job.born * 1000),
        "updated_at": int((job.born if state == "queued" else min(job.ended, job.clock())) * 1000),
    }
    if path:
        return told
    if state == "failed":
        policy = job.order.options.fail == "policy"
        told["task_status_msg"] = "Failure to pass the risk control system" if policy else "Service is busy"
    elif state == "succeeded" and job.order.kind == "video":
        video = {"id": job.id[::-1], "url": desk.link(job), "duration": str(job.subject.seconds)}
        told["task_result"] = {"videos": [video]}
    elif state == "succeeded":
        told["task_result"] = {"images": [{"index": at, "url": link} for at, link in enumerate(desk.links(job))]}
    return told


def _said(data: Any) -> Reply:
    return Reply({"code": 0, "message": "SUCCEED", "request_id": _id(), "data": data})


def _new(desk: Desk, reference: str | None) -> str | None:
    """The caller's own id, which may not be that of another job."""
    before = desk.works.referred(reference, desk.vendor) if reference else None
    if before is not None:
        before.submits += 1
        raise _invalid(f"external_task_id {reference} already exists")
    return reference


def _admit(request: Request) -> None:
    """Raises `Refused` unless the token has the form of a JWT of HS256 whose time has not run out."""
    token = bearer(request)
    if not token:
        raise Refused(Failure("auth", "Authorization is empty", code="1001"))
    try:
        head, claims = (_part(text) for text in token.split(".")[:2])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise Refused(Failure("auth", "Authorization is invalid", code="1002")) from None
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if head.get("alg") != "HS256" or not claims.get("iss") or not isinstance(expires, int) or token.count(".") != 2:
        raise Refused(Failure("auth", "Authorization is invalid", code="1002"))
    if isinstance(begins, int) and begins > time.time():
        raise Refused(Failure("auth", "Authorization is not yet valid", code="1003"))
    if expires < time.time():
        raise Refused(Failure("auth", "Authorization has expired", code="1004"))


def _part(text: str) -> dict[str, Any]:
    return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=dict[str, Any])


def _id() -> str:
    return secrets.token_hex(16)


def _invalid(said: str) -> Refused:
    return Refused(Failure("invalid", said))


def _names_it(request: Request, works: Works) -> bool:
    """OpenAI has the same path, but says `model`."""
    try:
        return "model_name" in msgspec.json.decode(request.body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return False


def _route(method: str, path: str, act: Act) -> Route:
    return Route("kling", KLING, method, re.compile(f"/v1/{path}"), act)


_VIDEO = "videos/(?:text2video|image2video)"
ROUTES: tuple[Route, ...] = (
    *(_route("POST", f"videos/{path}", _make(path)) for path in ("text2video", "image2video")),
    _route("GET", f"{_VIDEO}/(?P<id>[^/]+)", _get("video")),
    _route("GET", _VIDEO, _listed("video")),
    Route("kling", KLING, "POST", re.compile("/v1/images/generations"), _draw, _names_it),
    _route("GET", "images/generations/(?P<id>[^/]+)", _get("image")),
    _route("GET", "images/generations", _listed("image")),
)
