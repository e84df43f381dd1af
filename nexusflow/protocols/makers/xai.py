"""xAI: Grok's videos from text, from a first frame, after several pictures, or as a video edited (protocols 1.7).

Source: https://docs.x.ai/docs/api-reference (videos) and recorded traffic. A video that is not done is a 202. It
charges by the second, and says for how many. Nothing knows our reference, and there is no way to call a task off.
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
from nexusflow.protocols.makers import google, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request

MOST_REFERENCES = 7
_TAKES = wishes.HINTS | {"size", "resolution", "ratio", "duration", "first_frame", "images", "video"}
_OWN = frozenset(
    ("model", "prompt", "duration", "aspect_ratio", "resolution", "image", "reference_images", "video", "user")
)
_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
_RESOLUTIONS = ("480P", "720P", "1080P")


class _Error(Struct, frozen=True):
    code: Any = None
    message: Any = None


class _Video(Struct, frozen=True):
    url: Any = None
    duration: Any = None
    respect_moderation: Any = None


class _Task(Struct, frozen=True):
    request_id: Any = None
    status: Any = None
    progress: Any = None
    video: _Video | None = None
    error: Any = None


class _Refused(Struct, frozen=True):
    code: Any = None
    error: Any = None


_task = msgspec.json.Decoder(_Task)
_refused = msgspec.json.Decoder(_Refused)


class XAI(reading.Forgetful):
    """Videos alone."""

    id = "xai/videos"
    type: MediaType | None = "video"
    poll_s: tuple[float, float] = (5.0, 5.0)
    wants_bytes = False

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One request."""
        extra = wishes.extras(brief, _OWN)
        body = wishes.body({"model": to.model, **_fields(brief, to)}, extra)
        return (Request(path="/videos/generations", body=body),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The id to ask by. Raises `ValueError` for what has none."""
        return Running(handle=reading.handle(reading.decode(_task, answers[0].body).request_id), queued=True)

    def poll(self, handle: str, to: Destination) -> Request:
        """The video by that id."""
        return Request(method="GET", path=f"/videos/{reading.segment(handle)}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The video, or how far it is. Raises `ValueError` for what is neither."""
        found = reading.decode(_task, answer.body)
        if found.status == "pending":
            return Running(handle=handle, progress=reading.percent(found.progress))
        if found.status == "failed":
            error = found.error if isinstance(found.error, dict) else {}
            failed = reading.failed(error.get("message"), error.get("code"))
            return Failed(message=failed.message, code=failed.code)
        if found.status == "expired":
            return Failed(message="The provider has given it up.", code="expired")
        url = reading.address(found.video.url) if found.video is not None else None
        if found.video is None or (url is None and found.status != "done"):
            raise ValueError("the answer has a status that no video has")
        if url is None:
            moderated = found.video.respect_moderation is False
            return Failed(
                message="The provider answered without a result.",
                code=reading.CONTENT if moderated else "upstream_error",
            )
        length = reading.seconds(found.video.duration)
        return Made(outputs=(Output(url=url, mime="video/mp4", seconds=length),), units=length)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """A video cannot be called off."""
        return None

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """What it says, which is text in two fields."""
        try:
            found = reading.decode(_refused, body)
        except (ValueError, msgspec.MsgspecError):
            found = _Refused()
        return provider_errors.problem(status, Said(message=reading.word(found.error), code=None), retry_after)


MAKER = XAI()


def _fields(brief: Brief, to: Destination) -> dict[str, Any]:
    wishes.check(brief, to, _TAKES)
    if brief.duration is not None and not 1 <= brief.duration <= 15:
        raise wishes.not_one_of("duration", to, ["1 to 15"])
    if len(brief.images) > MOST_REFERENCES:
        raise refuse(Kind.PARAM, f"`{to.model}` follows at most {MOST_REFERENCES} pictures", param="images")
    ratio, resolution = _shape(brief, to)
    return {
        "prompt": brief.prompt,
        "duration": brief.duration,
        "aspect_ratio": ratio,
        "resolution": resolution,
        "image": _link(brief.first_frame, "first_frame"),
        "reference_images": [_link(url, "images") for url in brief.images] or None,
        "video": _link(brief.video, "video"),
        "user": brief.user,
    }


def _shape(brief: Brief, to: Destination) -> tuple[str | None, str | None]:
    ratio, resolution = brief.ratio, brief.resolution.upper() if brief.resolution is not None else None
    if ratio is not None and ratio not in _RATIOS:
        raise wishes.not_one_of("ratio", to, _RATIOS)
    if resolution is not None and resolution not in _RESOLUTIONS:
        raise wishes.not_one_of("resolution", to, _RESOLUTIONS)
    size = wishes.given(brief, "size")
    if size is not None:
        width, height = google.pixels(size)
        nearest, lines = google.nearest(width / height, _RATIOS), f"{min(width, height)}P"
        if nearest is None or lines not in _RESOLUTIONS:
            raise wishes.not_one_of("size", to, ("854x480", "1280x720", "720x1280", "1920x1080"))
        ratio, resolution = ratio or nearest, resolution or lines
    return ratio, resolution.lower() if resolution is not None else None


def _link(url: str | None, name: str) -> dict[str, str] | None:
    """An address or a `data:` URL, which it takes as they are."""
    if url is None:
        return None
    media.from_url(url, name)
    return {"url": url}
