"""OpenAI's Videos API (Sora) and those that copy it: a job is created, polled, and its content downloaded.

Source: https://platform.openai.com/docs/api-reference/videos. The content lies behind the API itself and wants the
credential, so the output's address is written `base:/videos/{id}/content`: a path below the provider's base URL.
A running job cannot be called off: `DELETE` is for jobs that have ended.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Data
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Made, MediaType, Output, Progress, Running
from nexusflow.protocols.makers import multipart, reading, wishes
from nexusflow.protocols.makers.maker import BASE, Answer, Request
from nexusflow.protocols.openai_chat import errors

_TAKES = frozenset(("size", "resolution", "ratio", "duration", "images", "first_frame"))
_OWN = frozenset(("model", "prompt", "seconds", "size", "input_reference"))
_SECONDS = (4, 8, 12)
_SIZES = {"16:9": "1280x720", "9:16": "720x1280"}
_QUEUED = frozenset(("queued", "pending"))
_RUNNING = frozenset(("in_progress", "processing", "running"))
_DONE = frozenset(("completed", "succeeded"))
_FAILED = frozenset(("failed", "cancelled", "canceled", "expired"))


class _Error(Struct, frozen=True):
    code: Any = None
    message: Any = None


class _Video(Struct, frozen=True):
    status: str
    id: Any = None
    progress: Any = None
    seconds: Any = None
    size: Any = None
    error: _Error | str | None = None


_video = msgspec.json.Decoder(_Video)


class OpenAIVideos(reading.Forgetful):
    """`/videos`: text to video, or from one picture."""

    id = "openai/videos"
    type: MediaType | None = "video"
    poll_s: tuple[float, float] = (10.0, 10.0)
    wants_bytes = True

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """JSON, or a form with the picture as a file."""
        wishes.check(brief, to, _TAKES)
        extra = wishes.extras(brief, _OWN)
        fields = {"model": to.model, "prompt": brief.prompt, "seconds": _seconds(brief, to), "size": _size(brief, to)}
        picture = _picture(brief, to)
        if picture is None:
            return (Request(path="/videos", body=wishes.body(fields, extra)),)
        parts = [multipart.text(name, value) for name, value in fields.items() if value is not None]
        parts += [multipart.plain(name, value) for name, value in extra.items()]
        parts.append(multipart.file("input_reference", "input", picture))
        body, content_type = multipart.form(parts)
        return (Request(path="/videos", body=body, content_type=content_type),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The job. Raises `ValueError` for what is none."""
        return _progress(answers[0])

    def poll(self, handle: str, to: Destination) -> Request:
        """The job's state."""
        return Request(method="GET", path=f"/videos/{reading.segment(handle)}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The job. Raises `ValueError` for what is none."""
        return _progress(answer, handle)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """A running job cannot be called off."""
        return None

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """As OpenAI's envelope says."""
        return errors.read(status, body, retry_after)


MAKER = OpenAIVideos()


def _progress(answer: Answer, known: str | None = None) -> Progress:
    job = reading.decode(_video, answer.body)
    status = job.status.lower()
    if status in _FAILED:
        error = _Error(message=job.error) if isinstance(job.error, str) else job.error or _Error()
        return reading.failed(error.message, error.code or (status if status != "failed" else None))
    handle = known or reading.handle(job.id)
    if status in _DONE:
        length = reading.seconds(job.seconds)
        path = f"{BASE}/videos/{reading.segment(handle)}/content"
        output = Output(url=path, mime="video/mp4", seconds=length)
        return Made(outputs=(output,), units=length, size=reading.word(job.size))
    if status in _QUEUED or status in _RUNNING:
        return Running(handle=handle, progress=reading.percent(job.progress), queued=status in _QUEUED)
    raise ValueError("the answer has a status that no video job has")


def _seconds(brief: Brief, to: Destination) -> str | None:
    if brief.duration is None:
        return None
    if to.model.startswith("sora-2") and brief.duration not in _SECONDS:
        raise wishes.not_one_of("duration", to, [str(seconds) for seconds in _SECONDS])
    return str(brief.duration)


def _size(brief: Brief, to: Destination) -> str | None:
    """The size, or that of the shape; the interface knows no other way to say either."""
    if brief.size is not None:
        return brief.size
    if brief.resolution is not None and brief.resolution.lower() != "720p":
        raise wishes.not_one_of("resolution", to, ("720P",))
    if brief.ratio is not None and brief.ratio not in _SIZES:
        raise wishes.not_one_of("ratio", to, list(_SIZES))
    if brief.ratio is None and brief.resolution is None:
        return None
    return _SIZES[brief.ratio or "16:9"]


def _picture(brief: Brief, to: Destination) -> Data | None:
    """The one picture a video may start from."""
    pictures = [("images", url) for url in brief.images]
    if brief.first_frame is not None:
        pictures.append(("first_frame", brief.first_frame))
    if len(pictures) > 1:
        raise refuse(Kind.PARAM, f"`{to.model}` starts from one picture at most", param="images")
    return wishes.inline(pictures[0][1], pictures[0][0]) if pictures else None
