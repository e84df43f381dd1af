"""Kling: videos from text, from frames or after several pictures, and images, all as tasks (protocols 1.7).

Source: https://app.klingai.com/global/dev/document-api (text to video, image to video, multi-image to video, image
generation, error codes). Each of them has its own path, under which alone its tasks are asked for, so the path is part
of the handle. Our reference is the task's `external_task_id`, which is unique in an account and can be asked for
instead of the id. There is no way to call a task off.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Url
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress, Running
from nexusflow.protocols.common import media, provider_errors
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.makers import google, reading, wishes
from nexusflow.protocols.makers.maker import AfterLoss, Answer, Request

MOST_IMAGES = 9
MOST_REFERENCES = 4

_TEXT, _FRAMES, _CAST = "videos/text2video", "videos/image2video", "videos/multi-image2video"
_STILLS = "images/generations"
_CLIP = wishes.HINTS | {"negative_prompt", "size", "resolution", "ratio", "duration", "audio", "watermark"}
_CLIP_TAKES = _CLIP | {"images", "first_frame", "last_frame"}
_STILL_TAKES = wishes.HINTS | {"negative_prompt", "size", "resolution", "ratio", "images", "watermark"}
_OWN = frozenset(
    ("model_name", "model", "prompt", "negative_prompt", "mode", "sound", "aspect_ratio", "duration", "image", "n")
) | {"image_tail", "image_list", "resolution", "external_task_id", "callback_url", "watermark_info"}
_RATIOS = ("16:9", "9:16", "1:1")
_STILL_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
_MODES = {"720P": "std", "1080P": "pro"}
_SIDES = {720: "720P", 960: "720P", 1080: "1080P", 1440: "1080P"}
_SILENT = re.compile(r"kling-v(?:1|2-(?:master|1|5))")
"""Models that make no sound."""
_LONG = re.compile(r"kling-v3")
_RISK = re.compile(r"risk control", re.IGNORECASE)
_HANDLE = re.compile(r"((?:videos|images)/[a-z0-9-]{1,40})/([^\s/.][^\s/]{0,255})").fullmatch
_RUNNING = ("submitted", "processing")
_STATUS = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102), 402),
    **dict.fromkeys((1103, 1304), 403),
    1203: 404,
    **dict.fromkeys((1302, 1303), 429),
    5001: 503,
    5002: 504,
}
"""What the provider's codes mean: an account without means is answered with 429 as well."""


class _File(Struct, frozen=True):
    url: Any = None
    duration: Any = None


class _Result(Struct, frozen=True):
    videos: list[_File] | None = None
    images: list[_File] | None = None


class _Task(Struct, frozen=True):
    task_id: Any = None
    task_status: Any = None
    task_status_msg: Any = None
    task_result: _Result | None = None


class _Answer(Struct, frozen=True):
    code: Any = None
    message: Any = None
    data: _Task | None = None


class _Error(Struct, frozen=True):
    code: Any = None
    message: Any = None


_answer = msgspec.json.Decoder(_Answer)
_error = msgspec.json.Decoder(_Error)


class Kling(reading.ByStatus):
    """Videos, or images: the two are one interface, but a reference alone does not say which it belongs to."""

    id = "kling/videos"
    after_loss: AfterLoss = "lookup"
    poll_s: tuple[float, float] = (10.0, 10.0)
    wants_bytes = False

    def __init__(self, kind: MediaType) -> None:
        self.type: MediaType | None = kind

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One task under our reference."""
        fields = _still(brief, to) if brief.type == "image" else _clip(brief, to)
        extra = wishes.extras(brief, _OWN)
        body = wishes.body({"model_name": to.model, **fields}, extra, {"external_task_id": reference})
        return (Request(path=f"/{_family(brief)}", body=body),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The task. Raises `ValueError` for what is none."""
        found = reading.decode(_answer, answers[0].body)
        if found.data is None and found.code not in (0, None):
            return _failed(found.message, found.code)
        return _progress(brief, found)

    def poll(self, handle: str, to: Destination) -> Request:
        """The task under the path it was made by."""
        found = _HANDLE(handle)
        if found is None:
            raise ValueError("no handle of this provider's")
        return Request(method="GET", path=f"/{found[1]}/{reading.segment(found[2])}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The task. Raises `ValueError` for what is none: an error told now is no verdict about the task."""
        return _progress(brief, reading.decode(_answer, answer.body), handle)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """A task cannot be called off."""
        return None

    def look_up(self, reference: str, to: Destination) -> Request | None:
        """The task by our reference."""
        path = _STILLS if self.type == "image" else _TEXT
        return Request(method="GET", path=f"/{path}/{reading.segment(reference)}")

    def looked_up(self, brief: Brief, reference: str, answer: Answer) -> Progress | None:
        """The task. Raises `ValueError` for what is none: it may be known under another path, so that nothing that is
        said of this one proves that the submission never arrived."""
        return _progress(brief, reading.decode(_answer, answer.body))

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """By the provider's own code."""
        try:
            found = reading.decode(_error, body)
        except (ValueError, msgspec.MsgspecError):
            found = _Error()
        code = found.code if isinstance(found.code, int) else 0
        message = reading.word(found.message)
        if code == 1301 or (status == 400 and _RISK.search(message or "")):
            return provider_errors.problem(400, Said(message=message, code=reading.CONTENT))
        said = Said(message=message, code=str(code) if code else None)
        return provider_errors.problem(_STATUS.get(code, status), said, retry_after)


MAKER = Kling("video")
IMAGES = Kling("image")


def _family(brief: Brief) -> str:
    if brief.type == "image":
        return _STILLS
    if brief.first_frame is not None or brief.last_frame is not None:
        return _FRAMES
    return _CAST if brief.images else _TEXT


def _clip(brief: Brief, to: Destination) -> dict[str, Any]:
    wishes.check(brief, to, _CLIP_TAKES)
    framed = brief.first_frame is not None or brief.last_frame is not None
    if framed and brief.images:
        raise refuse(Kind.PARAM, "give either frames or `images`", param="images")
    if len(brief.images) > MOST_REFERENCES:
        raise refuse(Kind.PARAM, f"`{to.model}` follows at most {MOST_REFERENCES} pictures", param="images")
    ratio, mode = _shape(brief, to)
    return {
        "image_list": [{"image": _picture(url, "images")} for url in brief.images] or None,
        "image": _picture(brief.first_frame, "first_frame"),
        "image_tail": _picture(brief.last_frame, "last_frame"),
        "prompt": brief.prompt,
        "negative_prompt": brief.negative_prompt,
        "mode": mode,
        "sound": _sound(brief, to),
        "aspect_ratio": None if framed else ratio,
        "duration": _duration(brief, to),
        "watermark_info": {"enabled": brief.watermark} if brief.watermark is not None else None,
    }


def _shape(brief: Brief, to: Destination) -> tuple[str | None, str | None]:
    """Aspect ratio and mode, which is this provider's word for the resolution."""
    ratio, resolution = brief.ratio, brief.resolution.upper() if brief.resolution is not None else None
    if ratio is not None and ratio not in _RATIOS:
        raise wishes.not_one_of("ratio", to, _RATIOS)
    if resolution is not None and resolution not in _MODES:
        raise wishes.not_one_of("resolution", to, tuple(_MODES))
    if wishes.given(brief, "size") is not None:
        width, height = google.pixels(brief.size or "")
        nearest, lines = google.nearest(width / height, _RATIOS), _SIDES.get(min(width, height))
        if nearest is None or lines is None:
            raise wishes.not_one_of("size", to, ("1280x720", "720x1280", "960x960", "1920x1080", "1080x1920"))
        ratio, resolution = ratio or nearest, resolution or lines
    return ratio, _MODES[resolution] if resolution is not None else None


def _sound(brief: Brief, to: Destination) -> str | None:
    if brief.audio is None:
        return None
    if _SILENT.match(to.model):
        if brief.audio:
            raise wishes.unsupported("audio", to)
        return None
    return "on" if brief.audio else "off"


def _duration(brief: Brief, to: Destination) -> str | None:
    allowed = tuple(range(3, 16)) if _LONG.match(to.model) else (5, 10)
    if brief.duration is not None and brief.duration not in allowed:
        raise wishes.not_one_of("duration", to, [str(seconds) for seconds in allowed])
    return str(brief.duration) if brief.duration is not None else None


def _still(brief: Brief, to: Destination) -> dict[str, Any]:
    wishes.check(brief, to, _STILL_TAKES, MOST_IMAGES)
    if len(brief.images) > 1:
        raise refuse(Kind.PARAM, f"`{to.model}` follows one picture at most", param="images")
    ratio, resolution = google.shape(brief, to, _STILL_RATIOS, ("1K", "2K"))
    return {
        "prompt": brief.prompt,
        "negative_prompt": brief.negative_prompt,
        "image": _picture(brief.images[0], "images") if brief.images else None,
        "n": brief.n if brief.n > 1 else None,
        "resolution": resolution.lower() if resolution is not None else None,
        "aspect_ratio": ratio,
        "watermark_info": {"enabled": brief.watermark} if brief.watermark is not None else None,
    }


def _picture(url: str | None, name: str) -> str | None:
    """An address, or base64 without what a `data:` URL has before it."""
    if url is None:
        return None
    found = media.from_url(url, name)
    return found.url if isinstance(found, Url) else found.base64


def _progress(brief: Brief, found: _Answer, known: str | None = None) -> Progress:
    task = found.data
    if task is None or found.code not in (0, None):
        raise ValueError("the answer has no task")
    if task.task_status == "failed":
        return _failed(task.task_status_msg, None)
    if task.task_status == "succeed":
        result = task.task_result or _Result()
        kind = "image/png" if brief.type == "image" else "video/mp4"
        files = (result.images if brief.type == "image" else result.videos) or []
        outputs = tuple(
            Output(url=url, mime=kind, seconds=reading.seconds(one.duration))
            for one in files
            if (url := reading.address(one.url)) is not None
        )
        if not outputs:
            return Failed(message="The provider answered without a result.")
        lengths = sum(one.seconds or 0 for one in outputs)
        return Made(outputs=outputs, units=lengths if lengths and brief.type == "video" else None)
    if task.task_status not in _RUNNING:
        raise ValueError("the answer has a status that no task has")
    queued = task.task_status == "submitted"
    return Running(handle=known or f"{_family(brief)}/{reading.handle(task.task_id)}", queued=queued)


def _failed(message: Any, code: Any) -> Failed:
    failed = reading.failed(message)
    risky = code == 1301 or _RISK.search(failed.message) is not None
    return Failed(message=failed.message, code=reading.CONTENT if risky else failed.code)
