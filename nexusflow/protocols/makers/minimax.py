"""MiniMax: Hailuo's videos from text, from a first frame, between two frames, or with a subject (protocols 1.7).

Source: https://platform.minimax.io/docs/api-reference (video generation, query, file retrieval, error codes). Nearly
every answer is a 200 whose `base_resp` says what it really is. A video that is done has the id of a file, whose address
has to be asked for in turn, so the handle of a task becomes that of its file. Nothing knows our reference, and there is
no way to call a task off.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress, Running
from nexusflow.protocols.common import media, provider_errors
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.makers import google, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request

_TAKES = wishes.HINTS | {"size", "resolution", "duration", "watermark", "first_frame", "last_frame", "images"}
_OWN = frozenset(
    ("model", "prompt", "duration", "resolution", "first_frame_image", "last_frame_image", "subject_reference")
) | {"callback_url", "aigc_watermark"}
_RESOLUTIONS = ("512P", "720P", "768P", "1080P")
_LINES = {512: "512P", 720: "720P", 768: "768P", 1080: "1080P"}
_DURATIONS = (6, 10)
_FILE = "file:"
"""Begins the handle of a task whose video is done."""
_RUNNING = {"Preparing": True, "Queueing": True, "Processing": False}
"""Whether it has not begun yet."""
_CONTENT = (1026, 1027)
_STATUS = {
    0: 200,
    **dict.fromkeys((1001, 1024), 504),
    1002: 429,
    **dict.fromkeys((1004, 2049), 401),
    1008: 402,
    **dict.fromkeys((1026, 1027, 1039, 1042, 1043, 1044, 2013, 20132), 400),
    **dict.fromkeys((1033, 1041), 503),
    **dict.fromkeys((2045, 2056), 429),
}
"""What the provider's codes mean; any other is a failure of its own, of which nobody knows what became of it."""


class _Said(Struct, frozen=True):
    status_code: Any = None
    status_msg: Any = None


class _File(Struct, frozen=True):
    download_url: Any = None


class _Answer(Struct, frozen=True):
    task_id: Any = None
    status: Any = None
    file_id: Any = None
    file: _File | None = None
    base_resp: _Said = _Said()


_answer = msgspec.json.Decoder(_Answer)


class MiniMax(reading.Forgetful):
    """Videos alone: its images are made by another interface."""

    id = "minimax/videos"
    type: MediaType | None = "video"
    poll_s: tuple[float, float] = (10.0, 10.0)
    wants_bytes = False

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One task."""
        extra = wishes.extras(brief, _OWN)
        body = wishes.body({"model": to.model, **_fields(brief, to)}, extra)
        return (Request(path="/video_generation", body=body),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The task's id. Raises `ValueError` for what has none."""
        found = reading.decode(_answer, answers[0].body)
        return Running(handle=reading.handle(found.task_id), queued=True)

    def status(self, answer: Answer) -> int:
        """By its own code, but for the verdict on a task."""
        found = _read(answer.body)
        if found.status is not None or found.base_resp.status_code is None:
            return answer.status
        return _STATUS.get(_code(found), 500)

    def poll(self, handle: str, to: Destination) -> Request:
        """The task, or the file that it ended in."""
        file = handle.removeprefix(_FILE)
        if file != handle:
            return Request(method="GET", path=f"/files/retrieve?file_id={quote(file, safe='')}")
        return Request(method="GET", path=f"/query/video_generation?task_id={quote(handle, safe='')}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The task, or its file. Raises `ValueError` for what is neither."""
        found = reading.decode(_answer, answer.body)
        if handle.startswith(_FILE):
            url = reading.address(found.file.download_url) if found.file is not None else None
            if url is None:
                raise ValueError("the answer has no file")
            return Made(outputs=(Output(url=url, mime="video/mp4"),))
        if found.status == "Success":
            return Running(handle=_FILE + reading.handle(_text(found.file_id)), wait_s=0)
        if found.status == "Fail":
            code = reading.CONTENT if _code(found) in _CONTENT else None
            return Failed(message=reading.failed(found.base_resp.status_msg).message, code=code or "upstream_error")
        queued = _RUNNING.get(found.status) if isinstance(found.status, str) else None
        if queued is None:
            raise ValueError("the answer has a status that no task has")
        return Running(handle=handle, queued=queued)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """A task cannot be called off."""
        return None

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """By the provider's own code."""
        found = _read(body)
        code = reading.CONTENT if _code(found) in _CONTENT else None
        message = reading.word(found.base_resp.status_msg)
        return provider_errors.problem(status, Said(message=message, code=code), retry_after)


MAKER = MiniMax()


def _read(body: bytes) -> _Answer:
    try:
        return reading.decode(_answer, body)
    except (ValueError, msgspec.MsgspecError):
        return _Answer()


def _code(found: _Answer) -> int:
    code = found.base_resp.status_code
    return code if isinstance(code, int) and not isinstance(code, bool) else -1


def _text(id_: Any) -> Any:
    return str(id_) if isinstance(id_, int) and not isinstance(id_, bool) else id_


def _fields(brief: Brief, to: Destination) -> dict[str, Any]:
    wishes.check(brief, to, _TAKES)
    if brief.duration is not None and brief.duration not in _DURATIONS:
        raise wishes.not_one_of("duration", to, [str(seconds) for seconds in _DURATIONS])
    if len(brief.images) > 1:
        raise refuse(Kind.PARAM, f"`{to.model}` follows one picture at most", param="images")
    if brief.images and (brief.first_frame or brief.last_frame):
        raise refuse(Kind.PARAM, "give either frames or `images`", param="images")
    subject = [{"type": "character", "image": [_picture(url, "images") for url in brief.images]}]
    return {
        "prompt": brief.prompt,
        "duration": brief.duration,
        "resolution": _resolution(brief, to),
        "first_frame_image": _picture(brief.first_frame, "first_frame"),
        "last_frame_image": _picture(brief.last_frame, "last_frame"),
        "subject_reference": subject if brief.images else None,
        "aigc_watermark": brief.watermark,
    }


def _resolution(brief: Brief, to: Destination) -> str | None:
    wanted = brief.resolution.upper() if brief.resolution is not None else None
    if wanted is not None and wanted not in _RESOLUTIONS:
        raise wishes.not_one_of("resolution", to, _RESOLUTIONS)
    size = wishes.given(brief, "size")
    if size is None:
        return wanted
    named = _LINES.get(min(google.pixels(size)))
    if named is None:
        raise wishes.not_one_of("size", to, ("912x512", "1280x720", "1366x768", "1920x1080"))
    return wanted or named


def _picture(url: str | None, name: str) -> str | None:
    """An address or a `data:` URL, which it takes as they are."""
    if url is not None:
        media.from_url(url, name)
    return url
