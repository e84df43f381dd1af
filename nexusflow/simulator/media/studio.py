"""All the vendors' faces in one place: which of them a request is for, and what the jobs are afterwards."""

import asyncio
import functools
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from nexusflow.simulator.failure import Vendor
from nexusflow.simulator.form import JSON
from nexusflow.simulator.http import Connection, Request
from nexusflow.simulator.media import (
    dashscope,
    fal,
    google_images,
    kling,
    minimax,
    openai_images,
    openai_videos,
    replicate,
    veo,
    xai,
    zhipu,
)
from nexusflow.simulator.media.desk import LINK, Desk, Lost, Reply, Route
from nexusflow.simulator.media.works import Works

ROUTES: tuple[Route, ...] = (
    *dashscope.ROUTES,
    *google_images.ROUTES,
    *veo.ROUTES,
    *kling.ROUTES,  # ahead of OpenAI's, which take what is not Kling's or xAI's on the same paths
    *xai.ROUTES,
    *openai_images.ROUTES,
    *openai_videos.ROUTES,
    *zhipu.ROUTES,
    *minimax.ROUTES,
    *replicate.ROUTES,
    *fal.ROUTES,
)
MIME = {"png": "image/png", "mp4": "video/mp4"}
_FILE = re.compile(rf"{LINK}/(?P<job>[^/]+)/(?P<index>\d+)\.(?P<suffix>png|mp4)")
_DENIED = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>%b</Message></Error>\n'


@dataclass(frozen=True, slots=True)
class Errand:
    """A request with the route that it takes."""

    route: Route
    place: dict[str, str]

    @property
    def vendor(self) -> Vendor:
        """Whose words its errors are in."""
        return self.route.face


@functools.lru_cache(maxsize=1024)  # chats pass here too, always with the same few paths
def _candidates(method: str, path: str) -> tuple[Errand, ...]:
    found = ((route, route.path.fullmatch(path)) for route in ROUTES if route.method == method)
    return tuple(
        Errand(route, {name: unquote(text or "") for name, text in match.groupdict().items()})
        for route, match in found
        if match
    )


class Studio:
    """The jobs of one server."""

    def __init__(self) -> None:
        self.works = Works()

    def find(self, request: Request) -> Errand | None:
        """Whose it is and what to do, None where it is nobody's here."""
        candidates = _candidates(request.method, request.path)
        return next((one for one in candidates if one.route.when(request, self.works)), None)

    async def act(self, errand: Errand, request: Request, connection: Connection, identity: str) -> None:
        """Answer. Raises `Refused` and `Misfit`."""
        route = errand.route
        desk = Desk(route.vendor, route.face, self.works, request, connection, errand.place)
        try:
            reply = await route.act(desk)
        except Lost as lost:
            if lost.args[0] == "hang":
                await asyncio.Event().wait()
            connection.cut(reset=True)
            return
        if reply is not None:
            await _send(reply, route.face, connection, identity)

    def fetch(self, request: Request) -> Reply | None:
        """A file that was made, None where the path is not that of one."""
        found = _FILE.fullmatch(request.path) if request.method == "GET" else None
        if found is None:
            return None
        job, index = self.works.find(unquote(found["job"])), int(found["index"])
        if job is None or index >= job.count or job.state != "succeeded":
            return Reply(_DENIED % b"no such file", 404, {"content-type": "application/xml"})
        until = request.query.get("Expires", "")
        if not until.isdigit() or int(until) != job.links_expire or int(until) < time.time():
            return Reply(_DENIED % b"Request has expired.", 403, {"content-type": "application/xml"})
        suffix = found["suffix"]
        if suffix == "mp4" and job.order.kind == "image":
            return Reply(_DENIED % b"no such file", 404, {"content-type": "application/xml"})
        return Reply(job.file(index, None if suffix == "mp4" else suffix), headers={"content-type": MIME[suffix]})

    def describe(self) -> list[dict[str, Any]]:
        """Every job."""
        return self.works.describe()


async def _send(reply: Reply, face: Vendor, connection: Connection, identity: str) -> None:
    if isinstance(reply.body, bytes):
        await connection.answer(reply.status, reply.body, reply.headers)
        return
    headers = {**face.headers(identity), **JSON, **reply.headers}
    await connection.answer(reply.status, msgspec.json.encode(reply.body), headers)
