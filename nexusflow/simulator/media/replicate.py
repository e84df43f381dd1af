"""Replicate's predictions: made, asked for, waited for, cancelled. After its HTTP reference, and as recorded."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nexusflow.simulator.failure import Class, Failure, Refused
from nexusflow.simulator.media.desk import Act, Desk, Reply, Route
from nexusflow.simulator.media.faces import STATUS, Face
from nexusflow.simulator.media.orders import Kind, offers
from nexusflow.simulator.media.works import Job, Subject
from nexusflow.simulator.shape import fit

TITLES: Mapping[Class, str] = {
    "invalid": "Input validation failed", "auth": "Unauthenticated", "billing": "Insufficient credit",
    "model": "Not found", "route": "Not found", "rate": "Too many requests", "quota": "Too many requests",
    "internal": "Internal server error", "unavailable": "Service unavailable",
}  # fmt: skip
STATES = {"queued": "starting", "running": "processing", "cancelled": "canceled"}
RATIOS = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "9:16": (768, 1344), "4:3": (1152, 896), "3:4": (896, 1152),
    "3:2": (1216, 832), "2:3": (832, 1216), "4:5": (896, 1088), "5:4": (1088, 896), "21:9": (1536, 640),
    "9:21": (640, 1536),
}  # fmt: skip
SINGLE = ("black-forest-labs/flux-1.1-pro",)  # models that answer with one address instead of a list
MOST_WAIT_S = 60


class Replicate(Face):
    """Errors with a title, a detail and the status."""

    def error(self, failure: Failure, identity: str) -> tuple[int, dict[str, Any]]:
        status = 422 if failure.kind in ("invalid", "context", "policy") else STATUS[failure.kind]
        title = failure.code or TITLES.get(failure.kind, "Request failed")
        body: dict[str, Any] = {"title": title, "detail": failure.message, "status": status}
        if failure.param:
            field = {"type": "required", "field": failure.param, "description": failure.message}
            body["invalid_fields"] = [field]
        return status, body


REPLICATE = Replicate()


class Input(Struct):
    """What the models here look at."""

    prompt: str
    num_outputs: Annotated[int, Meta(ge=1, le=4)] = 1
    aspect_ratio: str = "1:1"
    width: Annotated[int, Meta(ge=16, le=2048)] | None = None
    height: Annotated[int, Meta(ge=16, le=2048)] | None = None
    duration: Annotated[int, Meta(ge=1, le=30)] = 5
    seed: int | None = None


class Body(Struct):
    """A request for a prediction."""

    input: dict[str, Any]
    version: str | None = None
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None
    stream: bool | None = None


async def _create(desk: Desk) -> Reply:
    body = desk.read(Body)
    named = desk.place.get("model")
    if named is None and body.version is None:
        raise Refused(Failure("invalid", "version is required", param="version"))
    wanted = named or (body.version or "").partition(":")[0]
    kind: Kind = "video" if ("replicate", "video") in offers(wanted) else "image"
    if named is None and ("replicate", kind) not in offers(wanted):
        said = "The specified version does not exist (or perhaps you don't have permission to use it?)"
        raise Refused(Failure("invalid", said, code="Invalid version or not permitted"))
    order = desk.order(kind, wanted)
    if "prompt" not in body.input:
        raise Refused(Failure("invalid", "- input: prompt is required\n", param="input"))
    given = fit(body.input, Input)
    if given.aspect_ratio not in RATIOS:
        raise Refused(Failure("invalid", "- input.aspect_ratio: must be one of the allowed values\n"))
    width, height = RATIOS[given.aspect_ratio] if kind == "image" else (1280, 720)
    subject = Subject(
        prompt=given.prompt, asked=desk.json(), count=given.num_outputs if kind == "image" else 1,
        width=given.width or width, height=given.height or height, seconds=given.duration, seed=given.seed,
    )  # fmt: skip
    job = desk.start(order, subject, secrets.token_hex(13))
    await _wait(desk, job)
    return Reply(_describe(desk, job), 201)


async def _wait(desk: Desk, job: Job) -> None:
    """Waits where the client prefers that, no longer than it says or Replicate does."""
    found = re.search(r"\bwait(?:=(\d+))?", desk.request.headers.get("prefer", ""))
    if found is None:
        return
    left = min(float(found[1] or MOST_WAIT_S), MOST_WAIT_S)
    await asyncio.sleep(left if job.order.options.never else min(left, max(0.0, job.ended - job.clock())))


async def _get(desk: Desk) -> Reply:
    job = _wanted(desk)
    desk.poll(job)
    return Reply(_describe(desk, job))


async def _cancel(desk: Desk) -> Reply:
    job = _wanted(desk)
    job.cancel()
    return Reply(_describe(desk, job))


async def _list(desk: Desk) -> Reply:
    results = [_describe(desk, job) for job in desk.works.of("replicate")[:100]]
    return Reply({"previous": None, "next": None, "results": results})


def _wanted(desk: Desk) -> Job:
    job = desk.job(desk.place["id"])
    if job is None:
        raise Refused(Failure("route", "Prediction not found"))
    return job


def _describe(desk: Desk, job: Job) -> dict[str, Any]:
    state, url = job.state, f"http://{desk.request.headers.get('host', '127.0.0.1')}/v1/predictions/{job.id}"
    over = state not in ("queued", "running")
    error = None
    if state == "failed":
        policy = job.order.options.fail == "policy"
        error = "NSFW content detected. Try running it again, or try a different prompt." if policy else "Failed."
    asked = msgspec.to_builtins(job.subject.asked)
    told = {
        "id": job.id,
        "model": job.order.name,
        "version": "hidden",
        "input": asked["input"],
        "logs": "" if state == "queued" else "Using seed: 12254\n",
        "output": _output(desk, job) if state == "succeeded" else None,
        "data_removed": False,
        "error": error,
        "source": "api",
        "status": STATES.get(state, state),
        "created_at": _time(job.born),
        "urls": {"cancel": f"{url}/cancel", "get": url},
    }
    if state != "queued" and not (state == "cancelled" and job.ended < job.begun):
        told["started_at"] = _time(job.begun)
    if over:
        told["completed_at"] = _time(job.ended)
        told["metrics"] = {"predict_time": round(max(0.0, job.ended - job.begun), 3)}
    return told


def _output(desk: Desk, job: Job) -> str | list[str]:
    if job.order.kind == "video" or job.order.name in SINGLE:
        return desk.link(job)
    return desk.links(job)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _route(method: str, path: str, act: Act) -> Route:
    return Route("replicate", REPLICATE, method, re.compile(f"/v1/{path}"), act)


ROUTES: tuple[Route, ...] = (
    _route("POST", r"models/(?P<model>[^/]+/[^/]+)/predictions", _create),
    _route("POST", r"deployments/(?P<model>[^/]+/[^/]+)/predictions", _create),
    _route("POST", "predictions", _create),
    _route("GET", "predictions", _list),
    _route("GET", "predictions/(?P<id>[^/]+)", _get),
    _route("POST", "predictions/(?P<id>[^/]+)/cancel", _cancel),
)
