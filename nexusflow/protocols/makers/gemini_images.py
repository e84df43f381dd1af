"""Google's image models: Gemini by `generateContent`, Imagen by `:predict`, both answered at once (protocols 1.7).

Source: https://ai.google.dev/gemini-api/docs/image-generation and https://ai.google.dev/gemini-api/docs/imagen, and
recorded traffic. Gemini makes one image a call, so several are several calls. A picture that the model drew while
thinking (`thought`) is no result.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Problem
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress
from nexusflow.protocols.common import media
from nexusflow.protocols.common.provider_text import redact
from nexusflow.protocols.gemini import errors, write_request
from nexusflow.protocols.gemini.reply_wire import some
from nexusflow.protocols.gemini.tables import FINISH
from nexusflow.protocols.makers import google, imagen, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request

MOST = 10

_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_LONG_RATIOS = ("1:4", "4:1", "1:8", "8:1")
"""What Gemini 3.1 has besides."""
_SIZES = ("1K", "2K", "4K")
_TAKES = wishes.HINTS | {"size", "ratio", "resolution", "seed", "images", "output_format"}
_TOP = frozenset(("safetySettings", "systemInstruction", "tools", "toolConfig", "cachedContent", "serviceTier"))
_OWN = frozenset(("contents", "generationConfig", "responseModalities", "imageConfig", "seed", "candidateCount"))


class _Blob(Struct, frozen=True):
    mimeType: str = ""
    data: str = ""


class _Part(Struct, frozen=True):
    inlineData: _Blob | None = None
    text: str | None = None
    thought: bool | None = None


class _Content(Struct, frozen=True):
    parts: list[_Part] | None = None


class _Candidate(Struct, frozen=True):
    content: _Content | None = None
    finishReason: Any = None
    finishMessage: Any = None


class _Feedback(Struct, frozen=True):
    blockReason: Any = None
    blockReasonMessage: Any = None


class _Answer(Struct, frozen=True):
    candidates: list[_Candidate] | None = None
    promptFeedback: _Feedback | None = None
    usageMetadata: Raw = Raw()
    predictions: Raw = Raw()
    error: Raw = Raw()


_answer = msgspec.json.Decoder(_Answer)


class GeminiImages(reading.AtOnce):
    """Pictures in, pictures out; which of the two interfaces, the model's name tells."""

    id = "gemini/images"
    type: MediaType | None = "image"
    wants_bytes = True

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One call for each image, or one for all where the model is an Imagen."""
        if imagen.is_imagen(to):
            return (imagen.write(brief, to),)
        wishes.check(brief, to, _TAKES, MOST)
        if wishes.given(brief, "output_format") not in (None, "png"):
            raise wishes.not_one_of("output_format", to, ("png",))
        extra = wishes.extras(brief, _OWN)
        config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
        shape = _shape(brief, to)
        if shape:
            config["imageConfig"] = shape
        if brief.seed is not None:
            config["seed"] = brief.seed
        config |= {name: value for name, value in extra.items() if name not in _TOP}
        parts = [{"inlineData": google.blob(url, "images")} for url in brief.images]
        contents = [{"role": "user", "parts": [*parts, {"text": brief.prompt}]}]
        top = {name: value for name, value in extra.items() if name in _TOP}
        body = wishes.body({"contents": contents}, top, {"generationConfig": config})
        return (Request(path=write_request.path(to, stream=False), body=body),) * brief.n

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The images of all answers; why there is none, if there is none. Raises `ValueError` for no such answer."""
        read = [reading.decode(_answer, answer.body) for answer in answers]
        for found in read:
            if some(found.predictions) is not None:
                return imagen.read(bytes(found.predictions))
        outputs = tuple(output for found in read for output in _outputs(found))
        if not outputs:
            return _failure(read)
        return Made(outputs=outputs, output_format=(outputs[0].mime or "").rpartition("/")[2] or None, **_usage(read))

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """As Google's envelope says."""
        return errors.read(status, body, retry_after)


MAKER = GeminiImages()


def _shape(brief: Brief, to: Destination) -> dict[str, str]:
    """`imageConfig`. 1K is the default, and the models that know nothing else do not take the word."""
    ratios = _RATIOS + (_LONG_RATIOS if to.model.startswith("gemini-3.1") else ())
    ratio, size = google.shape(brief, to, ratios, _SIZES)
    shape = {"aspectRatio": ratio} if ratio else {}
    return shape | ({"imageSize": size} if size and size != "1K" else {})


def _outputs(answer: _Answer) -> Iterator[Output]:
    for part in _parts(answer):
        blob = part.inlineData
        if blob is not None and blob.data and not part.thought:
            data = media.standard_base64(blob.data)
            yield Output(data=data, mime=media.normal_mime(blob.mimeType) or media.sniff(data))


def _parts(answer: _Answer) -> Iterator[_Part]:
    for candidate in answer.candidates or ():
        yield from (candidate.content.parts if candidate.content else None) or ()


def _failure(answers: Sequence[_Answer]) -> Failed:
    """Why there is no image: the first reason that is one of content, else the first."""
    failures = [_why(answer) for answer in answers]
    return next((failure for failure in failures if failure.code == reading.CONTENT), failures[0])


def _why(answer: _Answer) -> Failed:
    error = some(answer.error)
    if error is not None:
        return reading.in_band(errors.read_in_band, error)
    feedback = answer.promptFeedback
    if feedback is not None and feedback.blockReason is not None:
        told = reading.word(feedback.blockReasonMessage) or "The provider blocked the prompt."
        return Failed(message=redact(told), code=reading.CONTENT)
    candidate = next(iter(answer.candidates or ()), _Candidate())
    filtered = FINISH.get(reading.word(candidate.finishReason) or "") == "filter"
    spoken = " ".join(part.text for part in _parts(answer) if part.text and not part.thought)
    told = reading.word(candidate.finishMessage) or spoken or "The model answered without an image."
    return Failed(message=redact(told), code=reading.CONTENT if filtered else "upstream_error")


def _usage(answers: Sequence[_Answer]) -> dict[str, Any]:
    """The tokens of all answers, and the reports themselves; of the output those of the images, where told apart."""
    reports = [report for answer in answers if (report := some(answer.usageMetadata)) is not None]
    if not reports:
        return {}
    counts = [google.tokens(report) for report in reports]
    return {
        "input_text_tokens": reading.total(text for text, _, _ in counts),
        "input_image_tokens": reading.total(image for _, image, _ in counts),
        "output_tokens": reading.total(output for _, _, output in counts),
        "usage": reports[0] if len(reports) == 1 else Raw(msgspec.json.encode(reports)),
    }
