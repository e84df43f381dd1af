"""Zhipu: CogVideoX's videos from text, from a picture, or between two frames (protocols 1.7).

Source: https://docs.bigmodel.cn/api-reference (video generation, async result, error codes). It takes our reference as
`request_id` and refuses it a second time, but cannot be asked for it, so that a lost submission stays unknown. There is
no way to call a task off.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress, Running
from nexusflow.protocols.common import media, provider_errors
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.makers import reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request

_TAKES = wishes.HINTS | {"size", "resolution", "ratio", "duration", "audio", "watermark"} | {
    "first_frame", "last_frame", "images",
}  # fmt: skip
_OWN = frozenset(
    ("model", "prompt", "image_url", "quality", "with_audio", "watermark_enabled", "size", "duration", "request_id")
) | {"user_id"}
_SIZES = ("1280x720", "720x1280", "1024x1024", "1920x1080", "1080x1920", "2048x1080", "3840x2160")
_BY_SHAPE = {
    ("720P", "16:9"): "1280x720",
    ("720P", "9:16"): "720x1280",
    ("1080P", "16:9"): "1920x1080",
    ("1080P", "9:16"): "1080x1920",
    ("4K", "16:9"): "3840x2160",
}
_DURATIONS = (5, 10)
_QUALITIES = {"low": "speed", "standard": "speed", "speed": "speed", "high": "quality", "quality": "quality"}
_CONTENT = "1301"
_STATUS = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), 401),
    **dict.fromkeys(("1110", "1111", "1112", "1113", "1121"), 402),
    "1220": 403,
    "1211": 404,
    **dict.fromkeys(("1302", "1303", "1308"), 429),
    "1305": 503,
    "1234": 504,
}
"""What the provider's codes mean: an account without means is answered with 429 as well."""


class _Error(Struct, frozen=True):
    code: Any = None
    message: Any = None


class _File(Struct, frozen=True):
    url: Any = None


class _Task(Struct, frozen=True):
    id: Any = None
    task_status: Any = None
    video_result: list[_File] | None = None
    error: _Error | None = None


_task = msgspec.json.Decoder(_Task)


class Zhipu(reading.Forgetful):
    """Videos alone."""

    id = "zhipu/videos"
    type: MediaType | None = "video"
    poll_s: tuple[float, float] = (10.0, 10.0)
    wants_bytes = False

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One task under our reference."""
        extra = wishes.extras(brief, _OWN)
        body = wishes.body({"model": to.model, **_fields(brief, to)}, extra, {"request_id": reference})
        return (Request(path="/videos/generations", body=body),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The task. Raises `ValueError` for what is none."""
        return _progress(reading.decode(_task, answers[0].body), None)

    def poll(self, handle: str, to: Destination) -> Request:
        """The task by its id."""
        return Request(method="GET", path=f"/async-result/{reading.segment(handle)}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The task. Raises `ValueError` for what is none."""
        return _progress(reading.decode(_task, answer.body), handle)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """A task cannot be called off."""
        return None

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """By the provider's own code."""
        try:
            found = reading.decode(_task, body).error or _Error()
        except (ValueError, msgspec.MsgspecError):
            found = _Error()
        code, message = str(found.code), reading.word(found.message)
        if code == _CONTENT:
            return provider_errors.problem(400, Said(message=message, code=reading.CONTENT))
        return provider_errors.problem(_STATUS.get(code, status), Said(message=message, code=None), retry_after)


MAKER = Zhipu()


def _fields(brief: Brief, to: Destination) -> dict[str, Any]:
    wishes.check(brief, to, _TAKES)
    if brief.duration is not None and brief.duration not in _DURATIONS:
        raise wishes.not_one_of("duration", to, [str(seconds) for seconds in _DURATIONS])
    return {
        "prompt": brief.prompt,
        "image_url": _pictures(brief, to),
        "quality": _QUALITIES.get(brief.quality or ""),
        "with_audio": brief.audio,
        "watermark_enabled": brief.watermark,
        "size": _size(brief, to),
        "duration": brief.duration,
    }


def _pictures(brief: Brief, to: Destination) -> str | list[str] | None:
    """One picture to begin with, or a first and a last one."""
    if brief.last_frame is not None:
        if brief.first_frame is None:
            raise refuse(Kind.PARAM, "`last_frame` needs a `first_frame`", param="last_frame")
        return [_picture(brief.first_frame, "first_frame"), _picture(brief.last_frame, "last_frame")]
    given = [*([brief.first_frame] if brief.first_frame is not None else []), *brief.images]
    if len(given) > 1:
        raise refuse(Kind.PARAM, f"`{to.model}` follows one picture at most", param="images")
    return _picture(given[0], "first_frame" if brief.first_frame else "images") if given else None


def _picture(url: str, name: str) -> str:
    """An address or a `data:` URL, which it takes as they are."""
    media.from_url(url, name)
    return url


def _size(brief: Brief, to: Destination) -> str | None:
    size = wishes.given(brief, "size")
    if size is not None:
        if size.lower() not in _SIZES:
            raise wishes.not_one_of("size", to, _SIZES)
        return str(size).lower()
    if brief.resolution is None and brief.ratio is None:
        return None
    resolution = brief.resolution.upper() if brief.resolution is not None else "1080P"
    if brief.ratio == "1:1" and brief.resolution is None:
        return "1024x1024"
    found = _BY_SHAPE.get((resolution, brief.ratio or "16:9"))
    if found is None:
        name = "resolution" if brief.ratio in (None, "16:9", "9:16") else "ratio"
        values = ("720P", "1080P", "4K") if name == "resolution" else ("16:9", "9:16", "1:1")
        raise wishes.not_one_of(name, to, values)
    return found


def _progress(found: _Task, known: str | None) -> Progress:
    if found.task_status == "PROCESSING":
        return Running(handle=known or reading.handle(found.id))
    if found.task_status == "FAIL":
        error = found.error or _Error()
        failed = reading.failed(error.message)
        return Failed(message=failed.message, code=reading.CONTENT if str(error.code) == _CONTENT else failed.code)
    if found.task_status != "SUCCESS":
        raise ValueError("the answer has a status that no task has")
    addresses = [reading.address(one.url) for one in found.video_result or ()]
    outputs = tuple([Output(url=url, mime="video/mp4") for url in addresses if url is not None])
    return Made(outputs=outputs) if outputs else Failed(message="The provider answered without a result.")
