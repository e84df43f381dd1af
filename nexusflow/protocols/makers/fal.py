"""fal.ai's queue: submitted, asked for its status, and once that is COMPLETED, for the result.

Source: https://fal.ai/docs/api-reference/inference-api, https://fal.ai/docs/documentation/model-apis/inference/queue
and https://fal.ai/docs/documentation/model-apis/errors. A request is asked for under the app alone, without the
rest of the model's name, and the answer to the submission says where: that path, below the provider's base URL, is the
handle. One that begins with `result:` belongs to a request that has ended and whose result is still to be fetched.

Each model has its own input; a brief is written with the names that most models use (`image_url`, `num_images`,
`image_size`), and where a model has other names, its caller gives those as the provider's own.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Progress, Running
from nexusflow.protocols.common import provider_errors
from nexusflow.protocols.common.provider_errors import Said
from nexusflow.protocols.makers import files, google, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request

MOST = 10

_RESULT = "result:"
_REFUSED = frozenset(("output_compression", "moderation", "watermark"))
_TAKES = frozenset(Brief.__struct_fields__) - _REFUSED
_OWN = frozenset(
    ("prompt", "negative_prompt", "image_size", "aspect_ratio", "num_images", "seed", "quality", "style", "background")
) | {"output_format", "input_fidelity", "resolution", "duration", "generate_audio", "mask_url", "sync_mode"}
_APP = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)+", re.ASCII).fullmatch
_REQUEST = re.compile(r"/((?:[\w-][\w.-]*/){1,8}requests/[\w-]{1,128})", re.ASCII).fullmatch
_FAILED = {"FAILED": None, "CANCELED": "cancelled", "CANCELLED": "cancelled"}
_MEDIA = ("images", "image", "videos", "video")


class _Accepted(Struct, frozen=True):
    request_id: Any = None
    response_url: Any = None
    queue_position: Any = None


class _Status(Struct, frozen=True):
    status: str
    error: Any = None
    error_type: Any = None


class _Detail(Struct, frozen=True):
    msg: Any = None
    type: Any = None
    loc: Any = None


class _Refusal(Struct, frozen=True):
    detail: list[_Detail] | str | None = None
    error: Any = None
    error_type: Any = None


_accepted = msgspec.json.Decoder(_Accepted)
_status = msgspec.json.Decoder(_Status)
_result = msgspec.json.Decoder(dict[str, Any])
_refusal = msgspec.json.Decoder(_Refusal | list[_Detail])


class Fal(reading.Forgetful):
    """Images and videos alike. A model is named `owner/app` and, for some, a path below it."""

    id = "fal/queue"
    type: MediaType | None = None
    poll_s: tuple[float, float] = (2.0, 3.0)
    wants_bytes = False

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One request."""
        wishes.check(brief, to, _TAKES, MOST if brief.type == "image" else 1)
        extra = wishes.extras(brief, _OWN)
        return (Request(path=f"/{quote(_app(to.model))}", body=wishes.body(_input(brief), extra)),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """Where to ask for the request. Raises `ValueError` for what does not say it."""
        accepted = reading.decode(_accepted, answers[0].body)
        url = accepted.response_url
        path = _REQUEST(urlsplit(url).path) if isinstance(url, str) else None
        return Running(handle=path[1] if path else reading.handle(accepted.request_id), queued=True)

    def poll(self, handle: str, to: Destination) -> Request:
        """The state, or the result of what has ended."""
        ended = handle.startswith(_RESULT)
        path = _request(handle.removeprefix(_RESULT), to)
        return Request(method="GET", path=path if ended else f"{path}/status")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The state, or the result. Raises `ValueError` for what is neither."""
        if handle.startswith(_RESULT):
            return _made(answer.body)
        found = reading.decode(_status, answer.body)
        if found.status in _FAILED or reading.word(found.error):
            return reading.failed(found.error, _FAILED.get(found.status) or found.error_type)
        if found.status == "COMPLETED":
            return Running(handle=_RESULT + handle, wait_s=0)
        if found.status not in ("IN_QUEUE", "IN_PROGRESS"):
            raise ValueError("the answer has a status that no request has")
        return Running(handle=handle, queued=found.status == "IN_QUEUE")

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """Asks the runner to stop; None for what has ended."""
        if handle.startswith(_RESULT):
            return None
        return Request(method="PUT", path=f"{_request(handle, to)}/cancel")

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """As `detail` says: a text, or a list of what is wrong with which field."""
        return provider_errors.problem(status, _said(body), retry_after)


MAKER = Fal()


def _app(model: str) -> str:
    if _APP(model) is None:
        raise refuse(Kind.UNAVAILABLE, "A model of this provider's is named owner/app, with a path below it for some.")
    return model


def _request(handle: str, to: Destination) -> str:
    """The path of a request: as the provider gave it, else below the model's owner and app."""
    if "/" in handle:
        return f"/{quote(handle)}"
    owner, app = _app(to.model).split("/")[:2]
    return f"/{quote(owner)}/{quote(app)}/requests/{reading.segment(handle)}"


def _input(brief: Brief) -> dict[str, Any]:
    """The brief in the names that most models use. A duration is text, as the models' lists of values have it."""
    size = wishes.given(brief, "size")
    width, height = google.pixels(size) if size is not None else (None, None)
    if brief.first_frame is not None and len(brief.images) == 1:
        raise refuse(Kind.PARAM, "give either `first_frame` or one of `images`", param="images")
    return {
        "prompt": brief.prompt,
        "negative_prompt": brief.negative_prompt,
        "image_size": {"width": width, "height": height} if size is not None else None,
        "aspect_ratio": brief.ratio,
        "num_images": brief.n if brief.n > 1 else None,
        "seed": brief.seed,
        "quality": wishes.given(brief, "quality"),
        "style": brief.style,
        "background": wishes.given(brief, "background"),
        "output_format": wishes.given(brief, "output_format"),
        "input_fidelity": brief.input_fidelity,
        "resolution": brief.resolution.lower() if brief.resolution is not None else None,
        "duration": str(brief.duration) if brief.duration is not None else None,
        "generate_audio": brief.audio,
        "image_url": brief.images[0] if len(brief.images) == 1 else brief.first_frame,
        "image_urls": list(brief.images) if len(brief.images) > 1 else None,
        "mask_url": brief.mask,
        "end_image_url": brief.last_frame,
        "video_url": brief.video,
    }


def _made(body: bytes) -> Progress:
    """The files of the members that hold the result; of all members where none of these is there."""
    result = reading.decode(_result, body)
    named = [result[name] for name in _MEDIA if result.get(name)]
    outputs = files.outputs(named or result)
    if outputs:
        return Made(outputs=outputs)
    if "detail" in result or "error" in result:
        said = _said(body)
        return reading.failed(said.message, said.code)
    return Failed(message="The provider answered without a file.")


def _said(body: bytes) -> Said:
    try:
        found = _refusal.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    details = found if isinstance(found, list) else found.detail
    if isinstance(details, list):
        first = details[0] if details else _Detail()
        place = [str(part) for part in first.loc if part != "body"] if isinstance(first.loc, list) else []
        return Said(message=reading.word(first.msg), code=reading.word(first.type), param=".".join(place) or None)
    refusal = found if isinstance(found, _Refusal) else _Refusal()
    return Said(message=details or reading.word(refusal.error), code=reading.word(refusal.error_type))
