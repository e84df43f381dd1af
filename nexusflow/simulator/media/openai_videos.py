"""OpenAI's videos: jobs that are made, asked for, downloaded and deleted. After its API reference."""

import re
import secrets
from typing import Any, Literal

from msgspec import Struct

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.http import Request
from nexusflow.simulator.media.desk import Desk, Reply, Route
from nexusflow.simulator.media.form_data import is_form, read_form
from nexusflow.simulator.media.works import Job, Subject, Works
from nexusflow.simulator.openai.vendor import OPENAI, invalid
from nexusflow.simulator.shape import fit

STATES = {"queued": "queued", "running": "in_progress", "succeeded": "completed"}
FAILED = {
    "internal": ("video_generation_failed", "The video could not be generated."),
    "policy": ("moderation_blocked", "Your request was blocked by our moderation system."),
}
EXPIRES_S = 24 * 3600


class Reference(Struct, forbid_unknown_fields=True):
    """A picture to begin with, by its address or id."""

    image_url: str | None = None
    file_id: str | None = None


class Asked(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request for a video."""

    prompt: str
    model: str = "sora-2"
    seconds: Literal["4", "8", "12", "16", "20"] = "4"
    size: Literal["720x1280", "1280x720", "1024x1792", "1792x1024", "1080x1920", "1920x1080"] = "720x1280"
    input_reference: Reference | None = None


async def _create(desk: Desk) -> Reply:
    data = _form(desk) if is_form(desk.request) else desk.json()
    uploads = data.pop("uploads", None)
    asked = fit(data, Asked)
    if not 1 <= len(asked.prompt) <= 32000:
        raise Refused(invalid("Invalid 'prompt': a text of 1 to 32000 characters is expected.", "prompt"))
    order = desk.order("video", asked.model, "videos")
    if order.name == "sora-2" and asked.size not in ("720x1280", "1280x720"):
        said = f"Invalid value: '{asked.size}'. Supported values are: '720x1280' and '1280x720'."
        raise Refused(invalid(said, "size", code="invalid_value"))
    width, height = map(int, asked.size.split("x"))
    told = {**data, "input_reference": uploads} if uploads else data
    subject = Subject(prompt=asked.prompt, asked=told, width=width, height=height, seconds=int(asked.seconds))
    return Reply(_describe(desk.start(order, subject, f"video_{secrets.token_hex(24)}")))


def _form(desk: Desk) -> dict[str, Any]:
    form = read_form(desk.request)
    data: dict[str, Any] = dict(form.texts)
    for name, files in form.files.items():
        if name != "input_reference":
            raise Refused(invalid(f"Unknown parameter: '{name}'.", name, code="unknown_parameter"))
        if files[0].mime is None and files[0].data[4:8] != b"ftyp":
            said = "Invalid file 'input_reference': unsupported mimetype."
            raise Refused(invalid(said, "input_reference", code="unsupported_file_mimetype"))
        data["uploads"] = files[0].describe()
    return data


def _wanted(desk: Desk) -> Job:
    job = desk.job(desk.place["id"])
    if job is None:
        raise Refused(Failure("route", f"Video with id '{desk.place['id']}' not found.", param="video_id"))
    return job


async def _get(desk: Desk) -> Reply:
    job = _wanted(desk)
    desk.poll(job)
    return Reply(_describe(job))


async def _content(desk: Desk) -> Reply:
    job = _wanted(desk)
    if job.state != "succeeded":
        raise Refused(invalid("Video is not ready yet, use GET /v1/videos/{video_id} to check status.", "video_id"))
    if job.order.options.expired:
        raise Refused(Failure("route", "The video has expired.", code="video_expired"))
    variant = desk.request.query.get("variant", "video")
    if variant not in ("video", "thumbnail", "spritesheet"):
        raise Refused(invalid(f"Invalid value: '{variant}'.", "variant", code="invalid_value"))
    return Reply(job.file(0), headers={**OPENAI.headers(job.id[6:26]), "content-type": "video/mp4"})


async def _delete(desk: Desk) -> Reply:
    job = _wanted(desk)
    if job.state in ("queued", "running"):
        job.cancels += 1
        raise Refused(invalid("The video is still being made and cannot be deleted.", "video_id"))
    desk.works.forget(job.id)
    return Reply({"id": job.id, "object": "video.deleted", "deleted": True})


async def _list(desk: Desk) -> Reply:
    jobs = desk.works.of("openai")
    data = [_describe(job) for job in jobs if job.order.kind == "video"]
    if desk.request.query.get("order") == "asc":
        data.reverse()
    limit = desk.request.query.get("limit", "20")
    if not limit.isdigit() or not 0 <= int(limit) <= 100:
        raise Refused(invalid("Invalid 'limit': an integer of 0 to 100 is expected.", "limit"))
    ids = [one["id"] for one in data]
    after = desk.request.query.get("after")
    rest = data[ids.index(after) + 1 :] if after in ids else data
    page = rest[: int(limit)]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return Reply({"object": "list", "data": page, "has_more": len(rest) > len(page), **ends})


def _describe(job: Job) -> dict[str, Any]:
    made, state = job.subject, job.state
    over = state == "succeeded"
    error = None
    if state == "failed":
        why = job.order.options.fail or "internal"
        code, message = FAILED.get(why, (why, "The video could not be generated."))
        error = {"code": code, "message": message}
    return {
        "id": job.id,
        "object": "video",
        "created_at": int(job.born),
        "status": STATES.get(state, "failed"),
        "completed_at": int(job.ended) if over else None,
        "error": error,
        "expires_at": int(job.ended + EXPIRES_S) if over else None,
        "model": job.order.wanted,
        "progress": 0 if state == "failed" else job.progress,
        "prompt": made.prompt,
        "remixed_from_video_id": None,
        "seconds": str(made.seconds),
        "size": f"{made.width}x{made.height}",
    }


def _ours(request: Request, works: Works) -> bool:
    """Not a job of another vendor's whose path is the same."""
    job = works.find(request.path.rpartition("/")[2])
    return job is None or job.vendor == "openai"


_ID = r"/v1/videos/(?P<id>(?!text2video|image2video|generations)[^/]+)"
ROUTES: tuple[Route, ...] = (
    Route("openai", OPENAI, "POST", re.compile("/v1/videos"), _create),
    Route("openai", OPENAI, "GET", re.compile("/v1/videos"), _list),
    Route("openai", OPENAI, "GET", re.compile(_ID), _get, _ours),
    Route("openai", OPENAI, "DELETE", re.compile(_ID), _delete),
    Route("openai", OPENAI, "GET", re.compile(f"{_ID}/content"), _content),
)
