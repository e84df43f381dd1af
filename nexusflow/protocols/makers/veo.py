"""Google's Veo: `:predictLongRunning` starts an operation, which is asked for by its name (protocols 1.7).

Source: https://ai.google.dev/gemini-api/docs/video, and for `generateAudio` and `seed`
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation. A film's address lies on the
provider's own host and wants its credential. Operations cannot be called off.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress, Running
from nexusflow.protocols.common import media
from nexusflow.protocols.common.provider_text import redact
from nexusflow.protocols.gemini import errors, write_request
from nexusflow.protocols.gemini.reply_wire import some
from nexusflow.protocols.makers import google, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request

MOST = 4
MOST_REFERENCES = 3

_RATIOS = ("16:9", "9:16")
_RESOLUTIONS = ("720p", "1080p", "4k")
_SHORT_SIDES = {720: "720p", 1080: "1080p", 2160: "4k"}
_TAKES = frozenset(
    (
        "size",
        "ratio",
        "resolution",
        "duration",
        "negative_prompt",
        "seed",
        "audio",
        "images",
        "first_frame",
        "last_frame",
    )
)
_OWN = frozenset(
    ("instances", "parameters", "aspectRatio", "resolution", "durationSeconds", "negativePrompt", "seed", "sampleCount")
) | {"numberOfVideos", "generateAudio", "image", "lastFrame", "referenceImages", "prompt"}
_NAME = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII).fullmatch


class _Film(Struct, frozen=True):
    uri: str | None = None
    bytesBase64Encoded: str | None = None
    encodedVideo: str | None = None
    mimeType: str | None = None
    encoding: str | None = None


class _Sample(Struct, frozen=True):
    video: _Film | None = None


class _Films(Struct, frozen=True):
    generatedSamples: list[_Sample] | None = None
    raiMediaFilteredCount: Any = None
    raiMediaFilteredReasons: Any = None


class _Response(Struct, frozen=True):
    generateVideoResponse: _Films | None = None


class _Operation(Struct, frozen=True):
    name: Any = None
    done: bool | None = None
    error: Raw = Raw()
    response: _Response | None = None


_any = msgspec.json.Decoder()
_operation = msgspec.json.Decoder(_Operation)


class Veo(reading.Forgetful):
    """Text to video, from a first frame, between two, or after up to three pictures."""

    id = "gemini/videos"
    type: MediaType | None = "video"
    poll_s: tuple[float, float] = (10.0, 10.0)
    wants_bytes = True

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """The one call that starts all films."""
        wishes.check(brief, to, _TAKES, MOST)
        ratio, resolution = _shape(brief, to)
        parameters = {
            "aspectRatio": ratio,
            "resolution": resolution,
            "durationSeconds": brief.duration,
            "negativePrompt": brief.negative_prompt,
            "seed": brief.seed,
            "sampleCount": brief.n if brief.n > 1 else None,
            "generateAudio": brief.audio,
            **wishes.extras(brief, _OWN),
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        body = wishes.body({"instances": [_instance(brief, to)], "parameters": given or None})
        return (Request(path=f"{write_request.resource(to)}:predictLongRunning", body=body),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The operation. Raises `ValueError` for what is none."""
        return _progress(answers[0], None)

    def poll(self, handle: str, to: Destination) -> Request:
        """The operation by its name."""
        return Request(method="GET", path=f"/v1beta/{_name(handle)}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The operation. Raises `ValueError` for what is none."""
        return _progress(answer, handle)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """An operation cannot be called off."""
        return None

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """As Google's envelope says."""
        return errors.read(status, body, retry_after)


MAKER = Veo()


def _shape(brief: Brief, to: Destination) -> tuple[str | None, str | None]:
    """Aspect ratio and resolution, from a size where one is given."""
    if brief.ratio is not None and brief.ratio not in _RATIOS:
        raise wishes.not_one_of("ratio", to, _RATIOS)
    resolution = brief.resolution.lower() if brief.resolution is not None else None
    if resolution is not None and resolution not in _RESOLUTIONS:
        raise wishes.not_one_of("resolution", to, _RESOLUTIONS)
    if wishes.given(brief, "size") is None:
        return brief.ratio, resolution
    width, height = google.pixels(brief.size or "")
    ratio, side = google.nearest(width / height, _RATIOS), _SHORT_SIDES.get(min(width, height))
    if ratio is None or side is None:
        raise wishes.not_one_of("size", to, ("1280x720", "720x1280", "1920x1080", "1080x1920", "3840x2160"))
    return brief.ratio or ratio, resolution or side


def _instance(brief: Brief, to: Destination) -> dict[str, Any]:
    instance: dict[str, Any] = {"prompt": brief.prompt}
    if brief.first_frame is not None:
        instance["image"] = google.encoded(brief.first_frame, "first_frame")
    if brief.last_frame is not None:
        if brief.first_frame is None:
            raise refuse(Kind.PARAM, "`last_frame` needs a `first_frame`", param="last_frame")
        instance["lastFrame"] = google.encoded(brief.last_frame, "last_frame")
    if len(brief.images) > MOST_REFERENCES:
        raise refuse(Kind.PARAM, f"`{to.model}` follows at most {MOST_REFERENCES} pictures", param="images")
    if brief.images:
        pictures = [google.encoded(url, "images") for url in brief.images]
        instance["referenceImages"] = [{"image": picture, "referenceType": "asset"} for picture in pictures]
    return instance


def _name(name: object) -> str:
    """The operation's name, such as `models/veo-3.1/operations/abc`. Raises `ValueError` for what is no such name."""
    if not isinstance(name, str) or len(name) > 512 or _NAME(name) is None:
        raise ValueError("the answer has no name of an operation")
    return name


def _progress(answer: Answer, known: str | None) -> Progress:
    operation = reading.decode(_operation, answer.body)
    error = some(operation.error)
    if error is not None:
        return _failure(error)
    if not operation.done:
        return Running(handle=known or _name(operation.name))
    films = (operation.response.generateVideoResponse if operation.response else None) or _Films()
    outputs = tuple(_outputs(films))
    if outputs:
        return Made(outputs=outputs)
    reasons = films.raiMediaFilteredReasons
    told = next((reason for reason in reasons if reading.word(reason)), None) if isinstance(reasons, list) else None
    if told is not None or reading.count(films.raiMediaFilteredCount):
        return Failed(message=redact(told or "The provider held the video back."), code=reading.CONTENT)
    return Failed(message="The provider answered without a video.")


def _failure(error: Raw) -> Failed:
    """An operation's error; its code is that of gRPC, 3 for a request that will never do."""
    found = reading.decode(_any, bytes(error))
    if isinstance(found, dict) and found.get("code") == 3:
        failure = reading.failed(found.get("message"), None)
        return failure if failure.code == reading.CONTENT else msgspec.structs.replace(failure, code="invalid_request")
    return reading.in_band(errors.read_in_band, error)


def _outputs(films: _Films) -> Iterator[Output]:
    for sample in films.generatedSamples or ():
        film = sample.video or _Film()
        data = film.bytesBase64Encoded or film.encodedVideo
        mime = media.normal_mime(film.mimeType or film.encoding or "") or "video/mp4"
        if data:
            yield Output(data=media.standard_base64(data), mime=mime)
        elif reading.address(film.uri):
            yield Output(url=film.uri, mime=mime)
