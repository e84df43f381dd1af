"""Providers' answers read: numbers that are believed only where they are numbers, failures in our words."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.task import Brief, Failed, Progress, Sketch
from nexusflow.protocols.common.provider_text import redact
from nexusflow.protocols.makers.maker import AfterLoss, Answer, Request

T = TypeVar("T")

CONTENT = "content_policy_violation"
_CODES = {
    Kind.CONTENT: CONTENT,
    Kind.PARAM: "invalid_request",
    Kind.CONTEXT: "invalid_request",
    Kind.SIZE: "invalid_request",
}
_ABOUT_CONTENT = re.compile(
    r"moderat|content[ _]?(?:policy|filter)|safety|sensitive|nsfw|prohibited|flagged|\brai\b|responsible ai",
    re.IGNORECASE,
)
_CODE = re.compile(r"[A-Za-z][\w.-]{0,63}").fullmatch
_OUR_WORD = {
    "server_error": "upstream_error",
    "internal_error": "upstream_error",
    "internal_server_error": "upstream_error",
    "invalid_request_error": "invalid_request",
    "canceled": "cancelled",
    "request_cancelled": "cancelled",
}
_NAME = re.compile(r"[^\s/.][^\s/]{0,511}").fullmatch


class ByStatus:
    """What makers have in common whose provider tells errors by the HTTP status."""

    def status(self, answer: Answer) -> int:
        """What it says."""
        return answer.status

    def sketch(self, event: bytes) -> Sketch | None:
        """Nothing: answers come whole."""
        return None


class Forgetful(ByStatus):
    """What makers have in common whose provider knows nothing of our reference: a lost submission stays unknown."""

    after_loss: AfterLoss = "unknown"

    def look_up(self, reference: str, to: Destination) -> Request | None:
        """Nothing to ask by."""
        return None

    def looked_up(self, brief: Brief, reference: str, answer: Answer) -> Progress | None:
        """Raises `ValueError`: nothing was asked."""
        raise ValueError("this provider cannot look up a task by our reference")


class AtOnce(Forgetful):
    """What makers have in common whose provider answers a submission with the result itself."""

    poll_s: tuple[float, float] = (0.0, 0.0)

    def poll(self, handle: str, to: Destination) -> Request:
        """Raises `ValueError`: there is nothing to wait for."""
        raise ValueError("this provider answers at once")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """Raises `ValueError`: nothing was asked."""
        raise ValueError("this provider answers at once")

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """Nothing to cancel."""
        return None


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode; nesting without end is a `ValueError` like any other nonsense."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None


def count(value: object) -> int | None:
    """A whole number from zero, where it is one (B-08)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def total(values: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def seconds(value: object) -> float | None:
    """A length of time, given as a number or as the text of one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 86_400
    return float(value) if fits and isinstance(value, int | float) else None


def percent(value: object) -> int | None:
    """Progress from 0 to 100."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
    return int(value) if fits and isinstance(value, int | float) else None


def word(value: object) -> str | None:
    """Text that is not empty."""
    return value if isinstance(value, str) and value else None


def address(value: object) -> str | None:
    """An http(s) address."""
    return value if isinstance(value, str) and value.lower().startswith(("https://", "http://")) else None


def handle(value: object) -> str:
    """The id that a provider gave the task. Raises `ValueError` for what cannot be one segment of a path."""
    if not isinstance(value, str) or _NAME(value) is None:
        raise ValueError("the answer has no id that could be asked for")
    return value


def segment(name: str) -> str:
    """A handle as a segment of a path."""
    return quote(name, safe="")


def failed(message: Any, code: Any = None) -> Failed:
    """A provider's verdict in our words where there are any, its message fit to show."""
    told, said = word(message), word(code) or ""
    if _ABOUT_CONTENT.search(said) or (told is not None and _ABOUT_CONTENT.search(told)):
        ours = CONTENT
    else:
        ours = _OUR_WORD.get(said, said) if _CODE(said) else "upstream_error"
    return Failed(message=redact(told or "The provider could not make it."), code=ours)


def in_band(read: Callable[[bytes], Problem], raw: Raw) -> Failed:
    """An error inside an answer of success, read as the protocol's errors are, as the end of the task."""
    try:
        problem = read(bytes(raw))
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    about_content = _ABOUT_CONTENT.search(bytes(raw).decode(errors="replace"))
    return Failed(
        message=problem.message, code=CONTENT if about_content else _CODES.get(problem.kind, "upstream_error")
    )
