"""Google's Imagen by `:predict`. Source: https://ai.google.dev/gemini-api/docs/imagen (protocols 1.7).

`seed` and `negative_prompt` are Vertex's alone. Images that were held back are told of only where the reason is asked
for.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.task import Brief, Failed, Made, Output, Progress
from nexusflow.protocols.common import media
from nexusflow.protocols.common.provider_text import redact
from nexusflow.protocols.gemini import write_request
from nexusflow.protocols.makers import google, reading, wishes
from nexusflow.protocols.makers.maker import Request

MOST = 4

_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
_SIZES = ("1K", "2K")
_FORMATS = ("png", "jpeg")
_TAKES = wishes.HINTS | {"size", "ratio", "resolution", "output_format", "output_compression"}
_OWN = frozenset(
    ("instances", "parameters", "sampleCount", "aspectRatio", "sampleImageSize", "outputOptions", "includeRaiReason")
)


class _Prediction(Struct, frozen=True):
    bytesBase64Encoded: str | None = None
    mimeType: str | None = None
    prompt: str | None = None
    raiFilteredReason: Any = None


_predictions = msgspec.json.Decoder(list[_Prediction])


def is_imagen(to: Destination) -> bool:
    """Whether the model's name says so."""
    return to.model.removeprefix("models/").startswith("imagen-")


def write(brief: Brief, to: Destination) -> Request:
    """The one call that makes all images. Raises `RequestRefused` for what an Imagen cannot do."""
    wishes.check(brief, to, _TAKES, MOST)
    format_ = wishes.given(brief, "output_format")
    if format_ is not None and format_ not in _FORMATS:
        raise wishes.not_one_of("output_format", to, _FORMATS)
    ratio, size = google.shape(brief, to, _RATIOS, _SIZES)
    options = {"mimeType": f"image/{format_}" if format_ else None, "compressionQuality": brief.output_compression}
    options = {name: value for name, value in options.items() if value is not None}
    parameters = {
        "sampleCount": brief.n,
        "aspectRatio": ratio,
        "sampleImageSize": size if size != "1K" else None,
        "outputOptions": options or None,
        "includeRaiReason": True,
        **wishes.extras(brief, _OWN),
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    body = wishes.body({"instances": [{"prompt": brief.prompt}], "parameters": given})
    return Request(path=f"{write_request.resource(to)}:predict", body=body)


def read(predictions: bytes) -> Progress:
    """The images, or why there is none. Raises a msgspec error for what are no predictions."""
    found = _predictions.decode(predictions)
    outputs = []
    for prediction in found:
        if prediction.bytesBase64Encoded:
            data = media.standard_base64(prediction.bytesBase64Encoded)
            mime = media.normal_mime(prediction.mimeType or "") or media.sniff(data)
            outputs.append(Output(data=data, mime=mime, revised_prompt=prediction.prompt))
    if outputs:
        return Made(outputs=tuple(outputs))
    reasons = [reason for prediction in found if (reason := reading.word(prediction.raiFilteredReason))]
    if reasons:
        return Failed(message=redact(reasons[0]), code=reading.CONTENT)
    return Failed(message="The provider answered without an image.")
