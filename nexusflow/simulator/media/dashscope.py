"""DashScope, the interface of Alibaba Cloud's Model Studio to Wan, Qwen-Image and HappyHorse.

After its references of asynchronous tasks, of the models, and of its error codes; forms as recorded.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from nexusflow.simulator.failure import Class, Failure, Refused, Vendor
from nexusflow.simulator.media.dashscope_request import read_call
from nexusflow.simulator.media.dashscope_rules import EDIT, FRAMES, NEW, SYNC, TEXT, VIDEO
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.works import Job
from nexusflow.simulator.shape import Misfit

CLASSES: dict[Class, tuple[int, str]] = {
    "invalid": (400, "InvalidParameter"),
    "context": (400, "InvalidParameter"),
    "policy": (400, "DataInspectionFailed"),
    "auth": (401, "InvalidApiKey"),
    "billing": (400, "Arrearage"),
    "permission": (403, "AccessDenied"),
    "model": (404, "ModelNotFound"),
    "route": (404, "InvalidURL"),
    "large": (413, "RequestTooLarge"),
    "rate": (429, "Throttling.RateQuota"),
    "quota": (403, "AllocationQuota.FreeTierOnly"),
    "internal": (500, "InternalError"),
    "gateway": (502, "InternalError"),
    "unavailable": (503, "ModelUnavailable"),
    "timeout": (504, "InternalError.Timeout"),
    "overloaded": (503, "ModelServingError"),
}
WORDS: dict[Class, str] = {
    "invalid": "Required parameter(s) missing or invalid, please check the request parameters.",
    "context": "Range of input length should be [1, 2000]",
    "policy": "Input data may contain inappropriate content.",
    "auth": "Invalid API-key provided.",
    "billing": "Access denied, please make sure your account is in good standing.",
    "permission": "Access denied.",
    "model": "Model not exist.",
    "route": "The requested URL is invalid.",
    "large": "The request body is too large.",
    "rate": "Requests rate limit exceeded, please try again later.",
    "quota": "The free tier of the model has been exhausted.",
    "internal": "An internal error has occured, please try again later or contact service support.",
    "gateway": "Bad gateway.",
    "unavailable": "Model is unavailable, please try again later.",
    "timeout": "An internal timeout error has occured during execution.",
    "overloaded": "Too many requests. Your requests are being throttled due to system capacity limits.",
}
FAILED: Mapping[str, tuple[str, str]] = {
    "internal": ("InternalError", WORDS["internal"]),
    "policy": ("DataInspectionFailed", "Output data may contain inappropriate content."),
}
STATES = {"queued": "PENDING", "running": "RUNNING", "succeeded": "SUCCEEDED", "failed": "FAILED"}
BEIJING = timezone(timedelta(hours=8))


class DashScope(Vendor):
    """Flat errors: a code, a message and the request's id."""

    words: ClassVar[Mapping[Class, str]] = WORDS

    def misfit(self, misfit: Misfit) -> Failure:
        return Failure("invalid", f"{misfit.dotted}: {misfit.said}")

    def no_model(self, name: str, method: str) -> Failure:
        return Failure("model", "Model not exist.")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status, code = CLASSES[failure.kind]
        return status, {"code": failure.code or code, "message": failure.message, "request_id": request_id()}

    def headers(self, identity: str) -> dict[str, str]:
        return {"server": "istio-envoy", "x-envoy-upstream-service-time": "1"}


DASHSCOPE = DashScope()


def request_id() -> str:
    """A new id of a request."""
    return str(uuid.uuid4())


def _submit(path: str) -> Act:
    async def submit(desk: Desk) -> Reply:
        later = desk.request.headers.get("x-dashscope-async") == "enable"
        if later == (path == SYNC):
            how = "asynchronous" if later else "synchronous"
            raise Refused(Failure("permission", f"current user api does not support {how} calls."))
        call = read_call(desk, path)
        if not later:
            job = await desk.finish(call.order, call.subject)
            return Reply({"output": _choices(desk, job), "usage": _usage(job), "request_id": request_id()})
        job = desk.start(call.order, call.subject)
        job.more = {"path": path, "resolution": call.resolution, "ratio": call.ratio}
        return Reply({"output": {"task_status": "PENDING", "task_id": job.id}, "request_id": request_id()})

    return submit


async def _query(desk: Desk) -> Reply:
    id_ = desk.place["id"]
    job = desk.job(id_)
    if job is None:
        return Reply({"request_id": request_id(), "output": {"task_id": id_, "task_status": "UNKNOWN"}})
    state = desk.poll(job)
    output: dict[str, Any] = {
        "task_id": id_,
        "task_status": STATES.get(state, "CANCELED"),
        "submit_time": _time(job.born),
    }
    if state != "queued":
        output["scheduled_time"] = _time(job.begun)
    if state in ("succeeded", "failed", "cancelled"):
        output["end_time"] = _time(job.ended)
    answer: dict[str, Any] = {"request_id": request_id(), "output": output}
    if state == "succeeded":
        output.update(_made(desk, job))
        answer["usage"] = _usage(job)
    elif state == "failed":
        why = job.order.options.fail or "internal"
        output["code"], output["message"] = FAILED.get(why, (why, "The task failed."))
    if job.order.kind == "image" and "choices" not in output:
        total, done = job.subject.count, job.count if state == "succeeded" else 0
        failed = total - done if state in ("succeeded", "failed") else 0
        output["task_metrics"] = {"TOTAL": total, "SUCCEEDED": done, "FAILED": failed}
    return Reply(answer)


async def _cancel(desk: Desk) -> Reply:
    job = desk.job(desk.place["id"])
    if job is None or job.state != "queued":
        if job is not None:
            job.cancels += 1
        said = "Failed to cancel the task, please confirm if the task is in PENDING status."
        raise Refused(Failure("invalid", said, code="UnsupportedOperation"))
    job.cancel()
    return Reply({"request_id": request_id()})


async def _list(desk: Desk) -> Reply:
    jobs = desk.works.of("dashscope")
    data = [
        {
            "task_id": job.id,
            "model_name": job.order.wanted,
            "status": STATES.get(job.state, "CANCELED"),
            "gmt_create": int(job.born * 1000),
            "start_time": int(job.begun * 1000),
            "region": "cn-beijing",
        }
        for job in jobs[:10]
    ]
    pages = -(-len(jobs) // 10)
    page = {"total": len(jobs), "total_page": pages, "page_no": 1, "page_size": 10}
    return Reply({"request_id": request_id(), "data": data, **page})


def _made(desk: Desk, job: Job) -> dict[str, Any]:
    """What came of a task, in the form that belongs to its path."""
    if job.order.kind == "video":
        return {"orig_prompt": job.subject.prompt, "video_url": desk.link(job)}
    if job.more["path"] == NEW:
        return _choices(desk, job)
    results: list[dict[str, str]] = [
        {"orig_prompt": job.subject.prompt, "actual_prompt": job.subject.prompt, "url": link}
        for link in desk.links(job)
    ]
    lacking = job.subject.count - job.count
    missing = {"code": "InternalError.Timeout", "message": WORDS["timeout"]}
    return {"results": [*results, *([missing] * lacking)]}


def _choices(desk: Desk, job: Job) -> dict[str, Any]:
    links = [
        {
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": [{"image": link, "type": "image"}]},
        }
        for link in desk.links(job)
    ]
    return {"choices": links, "finished": True}


def _usage(job: Job) -> dict[str, Any]:
    made = job.subject
    if job.order.kind == "image":
        if job.order.name.startswith("qwen"):
            return {"image_count": job.count, "width": made.width, "height": made.height}
        return {"image_count": job.count, "size": f"{made.width}*{made.height}"}
    length = {"duration": made.seconds, "output_video_duration": made.seconds, "input_video_duration": 0}
    if re.match(r"wan2\.2|wanx2\.1", job.order.name):
        length = {"video_duration": made.seconds}
    lines = int(job.more["resolution"].removesuffix("P"))
    return {**length, "video_count": 1, "SR": lines, "ratio": job.more["ratio"]}


def _time(seconds: float) -> str:
    """As `2024-03-01 17:38:24.817`, in Beijing."""
    return datetime.fromtimestamp(seconds, BEIJING).isoformat(" ", "milliseconds")[:23]


def _route(method: str, path: str, act: Act) -> Route:
    return Route("dashscope", DASHSCOPE, method, re.compile(f"/api/v1/{path}"), act)


ROUTES: tuple[Route, ...] = (
    *(_route("POST", f"services/aigc/{path}", _submit(path)) for path in (TEXT, EDIT, NEW, SYNC, VIDEO, FRAMES)),
    _route("GET", r"tasks/(?P<id>[^/]+)", _query),
    _route("POST", r"tasks/(?P<id>[^/]+)/cancel", _cancel),
    _route("GET", r"tasks/?", _list),
)
