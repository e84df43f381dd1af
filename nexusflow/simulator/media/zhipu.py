"""Zhipu's CogVideoX and CogView: jobs under `/api/paas/v4`, images at once. After the reference of BigModel."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from nexusflow.simulator.failure import Class, Failure, Refused
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.faces import STATUS, Face
from nexusflow.simulator.media.works import Subject

CODES: Mapping[Class, str] = {
    "invalid": "1214", "context": "1261", "policy": "1301", "auth": "1000", "billing": "1113", "permission": "1220",
    "model": "1211", "route": "404", "large": "1214", "rate": "1302", "quota": "1308", "internal": "500",
    "gateway": "500", "unavailable": "1305", "timeout": "1234", "overloaded": "1305",
}  # fmt: skip
STATES = {"queued": "PROCESSING", "running": "PROCESSING", "succeeded": "SUCCESS"}
CLIPS = ("1280x720", "720x1280", "1024x1024", "1920x1080", "1080x1920", "2048x1080", "3840x2160")


class Zhipu(Face):
    """Errors with a number in text."""

    def no_model(self, name: str, method: str) -> Failure:
        return Failure("model", "模型不存在,请检查模型代码。")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status = {"billing": 429, "model": 400}.get(failure.kind, STATUS[failure.kind])
        return status, {"error": {"code": failure.code or CODES[failure.kind], "message": failure.message}}


ZHIPU = Zhipu()


class Video(Struct):
    """A request for a video."""

    model: str
    prompt: str | None = None
    image_url: str | list[str] | None = None
    quality: Literal["speed", "quality"] = "speed"
    with_audio: bool = False
    watermark_enabled: bool | None = None
    size: str | None = None
    fps: Literal[30, 60] = 30
    duration: Literal[5, 10] = 5
    request_id: str | None = None
    user_id: str | None = None


class Image(Struct):
    """A request for an image."""

    model: str
    prompt: str
    size: str = "1024x1024"
    quality: Literal["standard", "hd"] = "standard"
    watermark_enabled: bool | None = None
    user_id: str | None = None


async def _create(desk: Desk) -> Reply:
    asked = desk.read(Video)
    order = desk.order("video", asked.model)
    if not asked.prompt and not asked.image_url:
        raise Refused(Failure("invalid", "prompt 和 image_url 不能同时为空。"))
    if asked.prompt and len(asked.prompt) > 512:
        raise Refused(Failure("invalid", "prompt 长度不能超过 512。"))
    if asked.size is not None and asked.size not in CLIPS:
        raise Refused(Failure("invalid", f"size 参数非法。请检查文档。{asked.size}"))
    reference = asked.request_id
    before = desk.works.referred(reference, desk.vendor) if reference else None
    if before is not None:
        before.submits += 1
        raise Refused(Failure("invalid", "request_id 已存在。"))
    width, height = map(int, (asked.size or "1920x1080").split("x"))
    subject = Subject(
        prompt=asked.prompt or "", asked=desk.json(), width=width, height=height, seconds=asked.duration,
        reference=reference,
    )  # fmt: skip
    job = desk.start(order, subject, f"{secrets.randbelow(9 * 10**16) + 10**16}-{secrets.randbelow(10**16)}")
    job.more["request_id"] = reference or str(secrets.randbelow(10**17))
    return Reply(
        {"id": job.id, "model": order.wanted, "request_id": job.more["request_id"], "task_status": "PROCESSING"}
    )


async def _result(desk: Desk) -> Reply:
    job = desk.job(desk.place["id"])
    if job is None:
        raise Refused(Failure("invalid", "任务不存在或已过期。", code="1213"))
    state = desk.poll(job)
    answer: dict[str, Any] = {
        "id": job.id, "model": job.order.wanted, "request_id": job.more["request_id"],
        "task_status": STATES.get(state, "FAIL"),
    }  # fmt: skip
    if state == "succeeded":
        link = desk.link(job)
        answer["video_result"] = [{"url": link, "cover_image_url": link.replace(".mp4", ".png")}]
    elif state == "failed":
        policy = job.order.options.fail == "policy"
        why = ("1301", "系统检测到输入或生成内容可能包含不安全或敏感内容。") if policy else ("500", "视频生成失败。")
        answer["error"] = {"code": why[0], "message": why[1]}
    return Reply(answer)


async def _draw(desk: Desk) -> Reply:
    asked = desk.read(Image)
    order = desk.order("image", asked.model)
    found = re.fullmatch(r"(\d{3,4})x(\d{3,4})", asked.size)
    if found is None or not all(512 <= int(edge) <= 2048 and int(edge) % 16 == 0 for edge in found.groups()):
        raise Refused(Failure("invalid", f"size 参数非法。请检查文档。{asked.size}"))
    if not asked.prompt:
        raise Refused(Failure("invalid", "prompt 不能为空。"))
    width, height = int(found[1]), int(found[2])
    subject = Subject(prompt=asked.prompt, asked=desk.json(), width=width, height=height)
    job = await desk.finish(order, subject)
    filters = [{"role": "assistant", "level": 3}]
    return Reply(
        {"created": int(job.ended), "data": [{"url": link} for link in desk.links(job)], "content_filter": filters}
    )


def _route(method: str, path: str, act: Act) -> Route:
    return Route("zhipu", ZHIPU, method, re.compile(f"(?:/api/paas)?/v4/{path}"), act)


ROUTES: tuple[Route, ...] = (
    _route("POST", "videos/generations", _create),
    _route("GET", "async-result/(?P<id>[^/]+)", _result),
    _route("POST", "images/generations", _draw),
)
