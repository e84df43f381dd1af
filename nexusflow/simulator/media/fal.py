"""fal's queue: submitted, asked for its status, fetched, cancelled. After its queue reference.

Applications lie at the root, or below `/fal/` where their first names are not `fal-ai` or `simulated`.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.faces import STATUS, Face
from nexusflow.simulator.media.orders import Kind, offers, split
from nexusflow.simulator.media.works import Job, Subject
from nexusflow.simulator.shape import Misfit

SIZES: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024), "square": (512, 512), "portrait_4_3": (768, 1024), "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768), "landscape_16_9": (1024, 576),
}  # fmt: skip
STATES = {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}
FLAGGED = "The content could not be processed because it contained material flagged by a content checker."


class Fal(Face):
    """Errors as FastAPI has them: a list for what the body lacks, a text for the rest."""

    def misfit(self, misfit: Misfit) -> Failure:
        kind = "missing" if misfit.kind == "missing" else "value_error"
        said = "Field required" if misfit.kind == "missing" else misfit.said
        return Failure("invalid", said, code=kind, param=misfit.dotted)

    def no_model(self, name: str, method: str) -> Failure:
        return Failure("model", f"Application '{split(name)[0]}' not found")

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        if failure.kind not in ("invalid", "context", "policy"):
            return {"billing": 403}.get(failure.kind, STATUS[failure.kind]), {"detail": failure.message}
        kind = "content_policy_violation" if failure.kind == "policy" else failure.code or "value_error"
        place = ["body", *(failure.param.split(".") if failure.param else ("prompt",))]
        return 422, {"detail": [{"loc": place, "msg": failure.message, "type": kind, "input": {}}]}


FAL = Fal()


class Edges(Struct):
    """A size in pixels."""

    width: Annotated[int, Meta(ge=16, le=4096)]
    height: Annotated[int, Meta(ge=16, le=4096)]


class Body(Struct):
    """What the applications here look at."""

    prompt: str
    image_size: Edges | str = "landscape_4_3"
    num_images: Annotated[int, Meta(ge=1, le=4)] = 1
    seed: int | None = None
    aspect_ratio: str | None = None
    duration: int | str | None = None


async def _submit(desk: Desk) -> Reply:
    _admit(desk)
    wanted = desk.place["app"]
    kind: Kind = "video" if ("fal", "video") in offers(wanted) else "image"
    order = desk.order(kind, wanted)
    body = desk.read(Body)
    if isinstance(body.image_size, str) and body.image_size not in SIZES:
        raise Refused(Failure("invalid", f"Input should be one of {list(SIZES)}", "literal_error", "image_size"))
    size = (
        SIZES[body.image_size] if isinstance(body.image_size, str) else (body.image_size.width, body.image_size.height)
    )
    width, height = size if kind == "image" else (720, 1280) if body.aspect_ratio == "9:16" else (1280, 720)
    subject = Subject(
        prompt=body.prompt, asked=desk.json(), count=body.num_images if kind == "image" else 1, width=width,
        height=height, seconds=_seconds(body), seed=body.seed,
    )  # fmt: skip
    job = desk.start(order, subject, str(uuid.uuid4()))
    return Reply({"status": "IN_QUEUE", "request_id": job.id, **_urls(desk, job), "queue_position": 0})


def _seconds(body: Body) -> int:
    found = re.fullmatch(r"(\d{1,2})s?", str(body.duration if body.duration is not None else 5))
    if found is None or not 1 <= int(found[1]) <= 30:
        raise Refused(Failure("invalid", "Input should be a number of seconds", "literal_error", "duration"))
    return int(found[1])


def _urls(desk: Desk, job: Job) -> dict[str, str]:
    """Its addresses, below the first two names of the application alone."""
    prefix = "/fal" if desk.request.path.startswith("/fal/") else ""
    app = "/".join(job.order.name.split("/")[:2])
    url = f"http://{desk.request.headers.get('host', '127.0.0.1')}{prefix}/{app}/requests/{job.id}"
    return {"response_url": url, "status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}


async def _status(desk: Desk) -> Reply:
    _admit(desk)
    job = _wanted(desk)
    state = desk.poll(job)
    told: dict[str, Any] = {"status": STATES.get(state, "COMPLETED"), "request_id": job.id, **_urls(desk, job)}
    if state == "queued":
        return Reply({**told, "queue_position": 0}, 202)
    told["logs"] = [] if desk.request.query.get("logs") == "1" else None
    if state == "running":
        return Reply(told, 202)
    told["metrics"] = {"inference_time": round(max(0.0, job.ended - job.begun), 3)}
    if state == "failed":
        policy = job.order.options.fail == "policy"
        told |= {"error": FLAGGED, "error_type": "content_policy_violation"} if policy else {"error": "Failed"}
    elif state == "cancelled":
        told |= {"error": "Request was cancelled", "error_type": "request_cancelled"}
    return Reply(told)


async def _result(desk: Desk) -> Reply:
    _admit(desk)
    job = _wanted(desk)
    state = job.state
    if state in ("queued", "running"):
        return Reply({"detail": "Request is still in progress"}, 400)
    if state == "cancelled":
        return Reply({"detail": "Request was cancelled"}, 400)
    if state == "failed":
        policy = job.order.options.fail == "policy"
        raise Refused(Failure("policy", FLAGGED, param="prompt") if policy else FAL.failure("internal"))
    made, links = job.subject, desk.links(job)
    if job.order.kind == "video":
        file = {"content_type": "video/mp4", "file_name": "output.mp4", "file_size": len(job.file(0))}
        return Reply({"video": {"url": links[0], **file}, "seed": made.seed or 0})
    look = {"width": made.width, "height": made.height, "content_type": "image/png"}
    told = {"timings": {"inference": job.seconds}, "seed": made.seed or 0, "prompt": made.prompt}
    images = [{"url": link, **look} for link in links]
    return Reply({"images": images, **told, "has_nsfw_concepts": [False] * len(links)})


async def _cancel(desk: Desk) -> Reply:
    _admit(desk)
    job = desk.job(desk.place["id"])
    if job is None:
        return Reply({"status": "NOT_FOUND"}, 404)
    return (
        Reply({"status": "CANCELLATION_REQUESTED"}, 202)
        if job.cancel()
        else Reply({"status": "ALREADY_COMPLETED"}, 400)
    )


def _wanted(desk: Desk) -> Job:
    job = desk.job(desk.place["id"])
    if job is None:
        raise Refused(Failure("route", "Request not found"))
    return job


def _admit(desk: Desk) -> None:
    """Keys go with a scheme of their own. Raises `Refused` for a key in another."""
    given = desk.request.headers.get("authorization")
    if given is not None and not given.startswith("Key "):
        raise Refused(
            Failure("auth", "Cannot access application. Authentication is required to access this application.")
        )


def _route(method: str, path: str, act: Act) -> Route:
    return Route("fal", FAL, method, re.compile(rf"/(?:fal/(?=.)|(?=fal-ai/|simulated/))(?P<app>.+?){path}"), act)


_ID = "/requests/(?P<id>[^/]+)"
ROUTES: tuple[Route, ...] = (
    _route("GET", f"{_ID}/status", _status),
    _route("PUT", f"{_ID}/cancel", _cancel),
    _route("GET", _ID, _result),
    _route("POST", "", _submit),
)
