"""Where requests for images and videos are taken: what every vendor's face does the same way."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nexusflow.simulator.failure import Failure, Refused, Vendor
from nexusflow.simulator.http import Connection, Request
from nexusflow.simulator.media.orders import Kind, Order, find
from nexusflow.simulator.media.works import Job, State, Subject, Works
from nexusflow.simulator.shape import decode, fit

T = TypeVar("T")
SUFFIX: Mapping[Kind, str] = {"image": "png", "video": "mp4"}
LINK = "/_media"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is JSON, or bytes as they are."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Lost(Exception):
    """The order was taken, but its sender will not hear of it. The argument is how: reset or hang."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One request at one vendor's."""

    vendor: str
    face: Vendor
    works: Works
    request: Request
    connection: Connection
    place: Mapping[str, str]  # what the route found in the path

    def json(self) -> dict[str, Any]:
        """The body. Raises `Refused` where it is no JSON object."""
        try:
            return decode(self.request.body)
        except ValueError as error:
            raise Refused(Failure("invalid", f"the body is no JSON object: {error}")) from None

    def read(self, shape: type[T]) -> T:
        """The body as a `shape`. Raises `Misfit` and `Refused`."""
        return fit(self.json(), shape)

    def order(self, kind: Kind, wanted: str, method: str = "") -> Order:
        """The model that is asked for. Raises `Refused` where there is none, or where it refuses everything."""
        try:
            order = find(self.vendor, kind, wanted)
        except KeyError:
            raise Refused(self.face.no_model(wanted, method)) from None
        except ValueError as error:
            raise Refused(Failure("invalid", f"model {wanted!r}: {error}", param="model")) from None
        if order.options.refuse is not None:
            raise Refused(self.face.failure(order.options.refuse))
        return order

    def start(self, order: Order, subject: Subject, id_: str | None = None) -> Job:
        """Take the order on. Raises `Lost` where that is all that happens."""
        job = self.works.start(self.vendor, order, subject, id_)
        if order.options.lost is not None:
            raise Lost(order.options.lost)
        return job

    async def finish(self, order: Order, subject: Subject) -> Job:
        """Take the order on and wait for its end, as vendors do who answer at once. Raises `Refused` if it fails."""
        job = self.start(order, subject)
        if order.options.never:
            await asyncio.Event().wait()
        await asyncio.sleep(order.options.queue + job.seconds)
        if job.state == "failed":
            raise Refused(self.face.failure("policy" if order.options.fail == "policy" else "internal"))
        return job

    def job(self, id_: str) -> Job | None:
        """This vendor's job of that id."""
        return self.works.find(id_, self.vendor)

    def poll(self, job: Job) -> State:
        """Its state. Raises `Refused` when this poll is one that fails."""
        state = job.poll()
        if job.stumbles:
            raise Refused(self.face.failure("internal"))
        return state

    def link(self, job: Job, index: int = 0) -> str:
        """The address of something made."""
        host = self.request.headers.get("host", "127.0.0.1")
        return f"http://{host}{LINK}/{job.id}/{index}.{SUFFIX[job.order.kind]}?Expires={job.links_expire}"

    def links(self, job: Job) -> list[str]:
        """The addresses of all that was made."""
        return [self.link(job, index) for index in range(job.count)]


Act = Callable[[Desk], Awaitable[Reply | None]]
"""Answers one request; None where it has answered on the connection itself."""


@dataclass(frozen=True, slots=True)
class Route:
    """One of a vendor's paths. `when` tells requests apart where vendors share one."""

    vendor: str
    face: Vendor
    method: str
    path: re.Pattern[str]
    act: Act
    when: Callable[[Request, Works], bool] = lambda request, works: True


def bearer(request: Request) -> str:
    """The key that came with the request, empty where none did."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
