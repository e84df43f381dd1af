"""MiniMax: Hailuo's videos as jobs with files, images at once. Every answer is a 200 with `base_resp`.

After MiniMax's reference of video generation, file retrieval and image generation.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from nexusflow.simulator.failure import Class, Failure, Refused
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.faces import Face, is_link
from nexusflow.simulator.media.works import Subject

CODES: Mapping[Class, int] = {
    "invalid": 2013, "context": 1039, "policy": 1026, "auth": 1004, "billing": 1008, "permission": 2049,
    "model": 2013, "route": 2013, "large": 2013, "rate": 1002, "quota": 2056, "internal": 1013, "gateway": 1024,
    "unavailable": 1033, "timeout": 1001, "overloaded": 1041,
}  # fmt: skip
STATES = {"queued": "Queueing", "running": "Processing", "succeeded": "Success"}
FINE = {"status_code": 0, "status_msg": "success"}
LINES = {"512P": (912, 512), "720P": (1280, 720), "768P": (1366, 768), "1080P": (1920, 1080)}
RATIOS = {
    "1:1": (1024, 1024), "16:9": (1280, 720), "4:3": (1152, 864), "3:2": (1248, 832), "2:3": (832, 1248),
    "3:4": (864, 1152), "9:16": (720, 1280), "21:9": (1344, 576),
}  # fmt: skip


class MiniMax(Face):
    """Errors in `base_resp`, with status 200."""

    def no_model(self, name: str, method: str) -> Failure:
        return Failure("model", f"invalid params, model {name} is not supported")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status = 404 if failure.kind == "route" else 200
        return status, {"base_resp": {"status_code": CODES[failure.kind], "status_msg": failure.message}}

    def headers(self, identity: str) -> dict[str, str]:
        return {"trace-id": identity}


MINIMAX = MiniMax()


class Video(Struct):
    """A request for a video."""

    model: str
    prompt: Annotated[str, Meta(max_length=2000)] | None = None
    prompt_optimizer: bool | None = None
    fast_pretreatment: bool | None = None
    duration: Literal[6, 10] = 6
    resolution: Literal["512P", "720P", "768P", "1080P"] | None = None
    first_frame_image: str | None = None
    last_frame_image: str | None = None
    subject_reference: list[dict[str, Any]] | None = None
    callback_url: str | None = None
    aigc_watermark: bool | None = None


class Image(Struct):
    """A request for images."""

    model: str
    prompt: Annotated[str, Meta(min_length=1, max_length=1500)]
    aspect_ratio: str = "1:1"
    width: Annotated[int, Meta(ge=512, le=2048, multiple_of=8)] | None = None
    height: Annotated[int, Meta(ge=512, le=2048, multiple_of=8)] | None = None
    response_format: Literal["url", "base64"] = "url"
    seed: int | None = None
    n: Annotated[int, Meta(ge=1, le=9)] = 1
    prompt_optimizer: bool | None = None
    subject_reference: list[dict[str, Any]] | None = None


async def _create(desk: Desk) -> Reply:
    asked = desk.read(Video)
    order = desk.order("video", asked.model)
    pictured = asked.first_frame_image or asked.subject_reference
    if not asked.prompt and not pictured:
        raise _invalid("prompt is empty")
    if order.name.startswith(("I2V", "MiniMax-Hailuo-2.3-Fast")) and not asked.first_frame_image:
        raise _invalid("first_frame_image is required")
    if not is_link(asked.first_frame_image) or not is_link(asked.last_frame_image):
        raise _invalid("first_frame_image or last_frame_image is no picture")
    resolution = asked.resolution or ("768P" if order.name.startswith("MiniMax") else "720P")
    if resolution == "1080P" and asked.duration == 10:
        raise _invalid("1080P supports a duration of 6 only")
    width, height = LINES[resolution]
    subject = Subject(
        prompt=asked.prompt or "", asked=desk.json(), width=width // 2 * 2, height=height, seconds=asked.duration
    )
    job = desk.start(order, subject, str(secrets.randbelow(9 * 10**14) + 10**14))
    return Reply({"task_id": job.id, "base_resp": FINE})


async def _query(desk: Desk) -> Reply:
    job = desk.job(desk.request.query.get("task_id", ""))
    if job is None:
        raise _invalid("task_id does not exist")
    state = desk.poll(job)
    answer: dict[str, Any] = {"task_id": job.id, "status": STATES.get(state, "Fail")}
    if state == "succeeded":
        size = {"video_width": job.subject.width, "video_height": job.subject.height}
        return Reply({**answer, "file_id": f"9{job.id}", **size, "base_resp": FINE})
    if state == "failed":
        policy = job.order.options.fail == "policy"
        code, said = (1027, "output new_sensitive") if policy else (1000, "unknown error")
        return Reply({**answer, "file_id": "", "base_resp": {"status_code": code, "status_msg": said}})
    return Reply({**answer, "file_id": "", "base_resp": FINE})


async def _retrieve(desk: Desk) -> Reply:
    id_ = desk.request.query.get("file_id", "")
    job = desk.job(id_.removeprefix("9"))
    if job is None or job.state != "succeeded":
        raise _invalid("file_id does not exist")
    file = {"file_id": int(id_), "bytes": len(job.file(0)), "created_at": int(job.ended), "filename": "output_aigc.mp4"}
    return Reply({"file": {**file, "purpose": "video_generation", "download_url": desk.link(job)}, "base_resp": FINE})


async def _draw(desk: Desk) -> Reply:
    asked = desk.read(Image)
    order = desk.order("image", asked.model)
    if asked.aspect_ratio not in RATIOS or (asked.width is None) != (asked.height is None):
        raise _invalid("aspect_ratio, or width with height, is invalid")
    width, height = RATIOS[asked.aspect_ratio]
    subject = Subject(
        prompt=asked.prompt, asked=desk.json(), count=asked.n, width=asked.width or width,
        height=asked.height or height, seed=asked.seed,
    )  # fmt: skip
    job = await desk.finish(order, subject)
    if asked.response_format == "url":
        data = {"image_urls": desk.links(job)}
    else:
        data = {"image_base64": [base64.b64encode(job.file(index)).decode() for index in range(job.count)]}
    tally = {"success_count": str(job.count), "failed_count": str(asked.n - job.count)}
    return Reply({"id": job.id, "data": data, "metadata": tally, "base_resp": FINE})


def _invalid(said: str) -> Refused:
    return Refused(Failure("invalid", f"invalid params, {said}"))


def _route(method: str, path: str, act: Act) -> Route:
    return Route("minimax", MINIMAX, method, re.compile(f"/v1/{path}"), act)


ROUTES: tuple[Route, ...] = (
    _route("POST", "video_generation", _create),
    _route("GET", "query/video_generation", _query),
    _route("GET", "files/retrieve", _retrieve),
    _route("POST", "image_generation", _draw),
)
