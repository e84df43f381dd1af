"""Replicate: anybody's model behind one interface of predictions.

Source: https://replicate.com/docs/reference/http and https://replicate.com/docs/topics/predictions/lifecycle, and
recorded traffic. Each model has its own input; a brief is written with the names that most models use (`image`,
`num_outputs`, `aspect_ratio`), and where a model has other names, its caller gives those as the provider's own. Which
of its fields a model takes only it knows, so nothing is refused here but what no model has a name for.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Progress, Running
from nexusflow.protocols.gemini.reply_wire import some
from nexusflow.protocols.makers import files, google, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.protocols.openai_chat import errors

MOST = 10

_REFUSED = frozenset(("input_fidelity", "moderation", "watermark"))
_TAKES = frozenset(Brief.__struct_fields__) - _REFUSED
_OWN = frozenset(
    ("prompt", "negative_prompt", "width", "height", "aspect_ratio", "num_outputs", "seed", "quality", "style")
) | {"background", "output_format", "output_quality", "resolution", "duration", "generate_audio", "mask", "video"}
_VERSION = re.compile(r"[0-9a-f]{64}").fullmatch
_OWNER_AND_NAME = re.compile(r"(?:deployments/)?[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII).fullmatch
_ENDED = {"failed": None, "canceled": "cancelled", "aborted": "expired"}


class _Prediction(Struct, frozen=True):
    status: str
    id: Any = None
    output: Any = None
    error: Any = None
    metrics: Raw = Raw()
    data_removed: Any = None


_prediction = msgspec.json.Decoder(_Prediction)


class Replicate(reading.Forgetful):
    """Images and videos alike. A model is named `owner/name`, `owner/name:version`, a version or a deployment."""

    id = "replicate/predictions"
    type: MediaType | None = None
    poll_s: tuple[float, float] = (2.0, 3.0)
    wants_bytes = False

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One prediction."""
        wishes.check(brief, to, _TAKES, MOST if brief.type == "image" else 1)
        extra = wishes.extras(brief, _OWN)
        wanted = {name: value for name, value in _input(brief).items() if value is not None} | extra
        name, _, version = to.model.rpartition(":")
        if not name and _VERSION(to.model) is None:
            return (Request(path=_path(to.model), body=wishes.body({"input": wanted})),)
        return (Request(path="/predictions", body=wishes.body({"version": version, "input": wanted})),)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The prediction. Raises `ValueError` for what is none."""
        return _progress(answers[0], None)

    def poll(self, handle: str, to: Destination) -> Request:
        """The prediction's state."""
        return Request(method="GET", path=f"/predictions/{reading.segment(handle)}")

    def polled(self, brief: Brief, handle: str, answer: Answer) -> Progress:
        """The prediction. Raises `ValueError` for what is none."""
        return _progress(answer, handle)

    def cancel(self, handle: str, to: Destination) -> Request | None:
        """What has run until then is charged for."""
        return Request(path=f"/predictions/{reading.segment(handle)}/cancel")

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """As `detail` says."""
        return errors.read(status, body, retry_after)


MAKER = Replicate()


def _path(model: str) -> str:
    if _OWNER_AND_NAME(model) is None:
        raise refuse(
            Kind.UNAVAILABLE, "A model of this provider's is named owner/name, owner/name:version or by version."
        )
    where = quote(model)
    return f"/{where}/predictions" if where.startswith("deployments/") else f"/models/{where}/predictions"


def _input(brief: Brief) -> dict[str, Any]:
    """The brief in the names that most models use."""
    size = wishes.given(brief, "size")
    width, height = google.pixels(size) if size is not None else (None, None)
    if brief.first_frame is not None and len(brief.images) == 1:
        raise refuse(Kind.PARAM, "give either `first_frame` or one of `images`", param="images")
    single = brief.images[0] if len(brief.images) == 1 else brief.first_frame
    return {
        "prompt": brief.prompt,
        "negative_prompt": brief.negative_prompt,
        "width": width,
        "height": height,
        "aspect_ratio": brief.ratio,
        "num_outputs": brief.n if brief.n > 1 else None,
        "seed": brief.seed,
        "quality": wishes.given(brief, "quality"),
        "style": brief.style,
        "background": wishes.given(brief, "background"),
        "output_format": wishes.given(brief, "output_format"),
        "output_quality": brief.output_compression,
        "resolution": brief.resolution.lower() if brief.resolution is not None else None,
        "duration": brief.duration,
        "generate_audio": brief.audio,
        "image": single,
        "image_input": list(brief.images) if len(brief.images) > 1 else None,
        "mask": brief.mask,
        "last_frame": brief.last_frame,
        "video": brief.video,
    }


def _progress(answer: Answer, known: str | None) -> Progress:
    prediction = reading.decode(_prediction, answer.body)
    status = prediction.status
    if status in _ENDED:
        code = _ENDED[status]
        told = reading.word(prediction.error)
        if code is None:
            return reading.failed(told)
        return Failed(message=reading.failed(told or f"The prediction was {status}.").message, code=code)
    if status == "succeeded":
        outputs = files.outputs(prediction.output)
        if outputs:
            return Made(outputs=outputs, usage=some(prediction.metrics))
        if prediction.data_removed is True:
            return Failed(message="The provider no longer keeps the result.", code="expired")
        return Failed(message="The provider answered without a file.")
    if status not in ("starting", "processing"):
        raise ValueError("the answer has a status that no prediction has")
    return Running(handle=known or reading.handle(prediction.id), queued=status == "starting")
