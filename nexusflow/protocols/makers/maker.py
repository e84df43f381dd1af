"""What a provider of images or videos has to be described by: its requests as data, its answers read into values.

A maker is pure: it builds requests and reads answers, and never sends anything. When to send, what to do with a lost
answer, and what it costs is the task engine's. One module for each provider's interface, one object in each.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Problem
from nexusflow.ir.task import Brief, MediaType, Progress, Sketch

AfterLoss = Literal["resubmit", "lookup", "unknown"]
"""What may be done when nobody knows whether a submission arrived: send it again (the provider knows it by our
reference), look it up by our reference, or leave it unknown."""

BASE = "base:"
"""Begins an output's address that is a path below the provider's base URL, and is asked for with its credential."""


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP request to a provider. `path` lies below its base URL and may have a query."""

    path: str
    method: Literal["GET", "POST", "DELETE", "PUT"] = "POST"
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Answer(Struct, frozen=True, kw_only=True):
    """What came back with a status of the 200s. Header names are lower-case.

    `events` are the data of the events of an answer that was streamed; then there is no `body`.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}
    events: tuple[bytes, ...] = ()


class Maker(Protocol):
    """One provider's interface. What reads raises `ValueError` (or a msgspec error) for what is no such answer."""

    id: str
    """As `protocol` of a provider in gateway.yaml spells it, with the type where one protocol makes both."""
    type: MediaType | None
    """What it makes; None: both."""
    after_loss: AfterLoss
    poll_s: tuple[float, float]
    """Seconds until the first and between later polls, unless the provider says otherwise; (0, 0): answers at once."""
    wants_bytes: bool
    """Whether it takes media as data only, so that what is given by URL has to be fetched before."""

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """The requests that start `brief`, usually one. `reference` is our own id of the task, and stable.

        Raises `RequestRefused` for what this provider cannot do, naming the parameter.
        """
        ...

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """What their answers say, in the order of the requests."""
        ...

    def poll(self, handle: str, to: Destination) -> Request:
        """How to ask for the state of `handle`."""
        ...

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """What the answer to a poll says."""
        ...

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """How to cancel `handle`; None where the provider cannot."""
        ...

    def look_up(self, reference: str, to: Destination) -> Request | None:
        """How to find the task of `reference` after a lost submission; None where the provider cannot."""
        ...

    def looked_up(self, brief: Brief, reference: str, answer: Answer) -> Progress | None:
        """What it found; None: the submission never arrived."""
        ...

    def sketch(self, event: bytes) -> Sketch | None:
        """What one event of a streamed answer lets see before the end; None: nothing."""
        ...

    def status(self, answer: Answer) -> int:
        """The HTTP status that an answer would have if its provider told errors by it."""
        ...

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """What an answer of another status means, fit for a client."""
        ...
