"""The work that simulated providers do: jobs that wait, take their time, and end one way or the other."""

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nexusflow.simulator.media.films import film
from nexusflow.simulator.media.orders import SECONDS, Order
from nexusflow.simulator.media.pictures import DRAW

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
REMEMBERED = 1000
LONGEST = 64 * 1024  # characters of one text of a request that are remembered
KEPT_S = 24 * 3600  # how long links hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be made: `count` images or one video of `seconds`; `asked` is the request as it came."""

    prompt: str
    asked: Any = None
    count: int = 1
    width: int = 1024
    height: int = 1024
    seconds: int = 5
    seed: Any = None
    reference: str | None = None  # the caller's own name for the job


@dataclass(slots=True)
class Job:
    """One order at work. Its state follows from the time alone, but for cancelling and for what `flip` does."""

    id: str
    vendor: str
    order: Order
    subject: Subject
    clock: Callable[[], float]
    born: float  # seconds since the epoch
    submits: int = 1
    polls: int = 0
    cancels: int = 0
    cancelled: float | None = None
    told_failed: bool = False
    more: dict[str, Any] = field(default_factory=dict)  # what a vendor's face remembers of it

    @property
    def seconds(self) -> float:
        """How long the work takes."""
        asked = self.order.options.seconds
        return SECONDS[self.order.kind] if asked is None else asked

    @property
    def begun(self) -> float:
        """When it leaves the queue."""
        return self.born + self.order.options.queue

    @property
    def ended(self) -> float:
        """When it is over, or would have been."""
        return self.begun + self.seconds if self.cancelled is None else self.cancelled

    @property
    def state(self) -> State:
        """Where it stands."""
        options, now = self.order.options, self.clock()
        if self.cancelled is not None:
            return "cancelled"
        if now < self.begun:
            return "queued"
        if options.never or now < self.begun + self.seconds:
            return "running"
        return "failed" if options.fail or (options.flip and not self.told_failed) else "succeeded"

    @property
    def progress(self) -> int:
        """In percent, 100 only at the end."""
        if self.state in ("queued", "running"):
            passed = max(0.0, self.clock() - self.begun)
            return min(99, int(100 * passed / (self.seconds or 1)))
        return 100

    @property
    def count(self) -> int:
        """How many images there are in the end."""
        return self.subject.count - self.order.options.short

    def poll(self) -> State:
        """The state, asked for by a client."""
        self.polls += 1
        state = self.state
        if state == "failed":
            self.told_failed = True
        return state

    @property
    def stumbles(self) -> bool:
        """Whether the poll that was just made is one that fails."""
        return self.order.options.flaky is not None and self.polls % self.order.options.flaky == 0

    def cancel(self) -> bool:
        """Cancel it; False where it is over already."""
        self.cancels += 1
        if self.state not in ("queued", "running"):
            return False
        self.cancelled = self.clock()
        return True

    def file(self, index: int, form: str | None = None) -> bytes:
        """What was made: a PNG, or an MP4; with `form` an image in that form of `DRAW`, a video's being its cover."""
        made = self.subject
        seed = hashlib.sha256(repr((self.order.name, made.prompt, made.seed, index)).encode()).digest()
        if self.order.kind == "image" or form is not None:
            return DRAW[form or "png"](made.width, made.height, seed)
        return film(made.width, made.height, made.seconds, seed)

    @property
    def links_expire(self) -> int:
        """When its links do, in seconds since the epoch."""
        return int(self.born - 1 if self.order.options.expired else self.ended + KEPT_S)

    def describe(self) -> dict[str, Any]:
        """As the introspection route tells it."""
        over = self.state in ("succeeded", "failed", "cancelled")
        return {
            "id": self.id,
            "vendor": self.vendor,
            "model": self.order.wanted,
            "kind": self.order.kind,
            "state": self.state,
            "submitted_at": self.born,
            "begun_at": self.begun if self.state != "queued" else None,
            "ended_at": self.ended if over else None,
            "submits": self.submits,
            "polls": self.polls,
            "cancels": self.cancels,
            "reference": self.subject.reference,
            "asked": self.subject.asked,
        }


class Works:
    """The last thousand jobs of a server."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}

    def start(self, vendor: str, order: Order, subject: Subject, id_: str | None = None) -> Job:
        """Take an order on."""
        subject = replace(subject, asked=_shortened(subject.asked))
        job = Job(id_ or str(uuid.uuid4()), vendor, order, subject, self._clock, self._clock())
        self._jobs[job.id] = job
        while len(self._jobs) > REMEMBERED:
            del self._jobs[next(iter(self._jobs))]
        return job

    def find(self, id_: str, vendor: str | None = None) -> Job | None:
        """The job of this id, of this vendor."""
        job = self._jobs.get(id_)
        return job if job is not None and vendor in (None, job.vendor) else None

    def referred(self, reference: str, vendor: str) -> Job | None:
        """The job that the caller calls so."""
        jobs = (job for job in self._jobs.values() if job.vendor == vendor and job.subject.reference == reference)
        return next(jobs, None)

    def of(self, vendor: str) -> list[Job]:
        """The jobs of a vendor, newest first."""
        return [job for job in reversed(self._jobs.values()) if job.vendor == vendor]

    def forget(self, id_: str) -> None:
        """Delete one job with what it made."""
        self._jobs.pop(id_, None)

    def describe(self) -> list[dict[str, Any]]:
        """All jobs, oldest first."""
        return [job.describe() for job in self._jobs.values()]

    def clear(self) -> None:
        """Forget everything."""
        self._jobs.clear()


def _shortened(value: Any) -> Any:
    """What was asked, without the bulk of the files in it."""
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    return f"{value[:64]}... {len(value)} characters" if isinstance(value, str) and len(value) > LONGEST else value
