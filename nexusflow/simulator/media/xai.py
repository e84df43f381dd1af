"""xAI's videos, as recorded: a request id, 202 while it is pending, 200 when it is done."""

import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from nexusflow.simulator.failure import Class, Failure, Refused
from nexusflow.simulator.http import Request
from nexusflow.simulator.media.desk import Desk, Reply, Route
from nexusflow.simulator.media.faces import STATUS, Face
from nexusflow.simulator.media.works import Subject, Works

CODES: Mapping[Class, str] = {
    "auth": "Unauthenticated",
    "permission": "The caller does not have permission to execute the specified operation",
    "billing": "The caller does not have permission to execute the specified operation",
    "model": "Some requested entity was not found",
    "route": "Some requested entity was not found",
    "rate": "Some resource has been exhausted",
    "quota": "Some resource has been exhausted",
    "internal": "Internal error",
    "unavailable": "The service is currently unavailable",
    "overloaded": "The service is currently unavailable",
}
RATIOS = {
    "1:1": (1, 1), "16:9": (16, 9), "9:16": (9, 16), "4:3": (4, 3), "3:4": (3, 4), "3:2": (3, 2), "2:3": (2, 3),
}  # fmt: skip
LINES = {"480p": 480, "720p": 720, "1080p": 1080}
TICKS_PER_SECOND = 500_000_000  # of a video of 480 lines, in ten-billionths of a dollar


class XAI(Face):
    """Errors of two texts."""

    def no_model(self, name: str, method: str) -> Failure:
        return Failure("model", f"The model {name} does not exist or your team does not have access to it.")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        code = CODES.get(failure.kind, "Client specified an invalid argument")
        return {"billing": 403}.get(failure.kind, STATUS[failure.kind]), {"code": code, "error": failure.message}


FACE = XAI()


class Link(Struct):
    """A picture or a video by its address."""

    url: str


class Asked(Struct):
    """A request for a video."""

    prompt: Annotated[str, Meta(min_length=1, max_length=4096)]
    model: str = "grok-imagine-video"
    duration: Annotated[int, Meta(ge=1, le=15)] = 6
    aspect_ratio: str = "16:9"
    resolution: Literal["480p", "720p", "1080p"] = "480p"
    image: Link | None = None
    reference_images: list[Link] | None = None
    video: Link | None = None
    user: str | None = None


async def _create(desk: Desk) -> Reply:
    asked = desk.read(Asked)
    order = desk.order("video", asked.model)
    if asked.aspect_ratio not in RATIOS:
        raise Refused(Failure("invalid", f"Invalid aspect ratio {asked.aspect_ratio!r}."))
    wide, high = RATIOS[asked.aspect_ratio]
    lines = LINES[asked.resolution]
    width, height = (lines * wide // high, lines) if wide >= high else (lines, lines * high // wide)
    subject = Subject(
        prompt=asked.prompt, asked=desk.json(), width=width // 2 * 2, height=height // 2 * 2, seconds=asked.duration
    )
    return Reply({"request_id": desk.start(order, subject, str(uuid.uuid4())).id})


async def _get(desk: Desk) -> Reply:
    job = desk.job(desk.place["id"])
    if job is None:
        raise Refused(Failure("route", "Video request not found."))
    state = desk.poll(job)
    if state in ("queued", "running"):
        return Reply({"status": "pending", "progress": job.progress}, 202)
    if state == "failed":
        policy = job.order.options.fail == "policy"
        said = "Generated video rejected by content moderation." if policy else "Video generation failed."
        error = {"code": "invalid_argument" if policy else "internal_error", "message": said}
        return Reply({"status": "failed", "error": error, "model": job.order.wanted, "progress": 100})
    video = {"url": desk.link(job), "duration": job.subject.seconds, "respect_moderation": True}
    usage = {"cost_in_usd_ticks": TICKS_PER_SECOND * job.subject.seconds}
    return Reply({"status": "done", "video": video, "model": job.order.wanted, "usage": usage, "progress": 100})


def _ours(request: Request, works: Works) -> bool:
    return works.find(request.path.rpartition("/")[2], "xai") is not None


ROUTES: tuple[Route, ...] = (
    Route("xai", FACE, "POST", re.compile("/v1/videos/generations"), _create),
    Route("xai", FACE, "GET", re.compile("/v1/videos/(?P<id>[^/]+)"), _get, _ours),
)
