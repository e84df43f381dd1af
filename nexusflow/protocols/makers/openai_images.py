"""OpenAI's Images API and those that copy it: generations, edits, variations, answered at once (protocols 1.7).

Source: https://platform.openai.com/docs/api-reference/images, and recorded traffic. `response_format` and `style` are
DALL-E's alone, `background`, `output_format`, `moderation` and the like those of the GPT image models'; names that are
not OpenAI's are taken for a compatible server, which may take all of them and `seed` and `negative_prompt` besides.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, refuse
from nexusflow.ir.task import Brief, Failed, Made, MediaType, Output, Progress, Sketch
from nexusflow.protocols.common import checks, media
from nexusflow.protocols.makers import multipart, reading, wishes
from nexusflow.protocols.makers.maker import Answer, Request
from nexusflow.protocols.openai_chat import errors

MOST = 10
"""Images of one call."""
MOST_INPUTS = 16
"""Pictures that one edit may start from."""

_PLAIN = ("size", "quality", "style", "background", "output_format", "output_compression", "moderation")
_OWN = frozenset(
    (
        *_PLAIN,
        *("model", "prompt", "n", "input_fidelity", "image", "image[]", "mask", "seed", "negative_prompt", "user"),
    )
)
_REFUSED = frozenset(("response_format", "stream", "partial_images"))
"""Parameters that would change the form of the answer."""
_GPT = (frozenset(_PLAIN) - {"style"}) | {"input_fidelity", "images", "mask"}
_DALL_E_2 = frozenset(("size", "quality", "images", "mask"))
_DALL_E_3 = frozenset(("size", "quality", "style"))
_STREAMING = ("gpt-image-", "chatgpt-image-")
"""Models that show how an image comes to be, and are known to."""
_LOOK = ("background", "output_format", "quality", "size")
_COMPATIBLE = frozenset(_PLAIN) | {"input_fidelity", "images", "mask", "seed", "negative_prompt"}
_MIMES = {"jpg": "image/jpeg", "svg": "image/svg+xml"}


class _Image(Struct, frozen=True):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Tokens(Struct, frozen=True):
    input_tokens: Any = None
    output_tokens: Any = None
    input_tokens_details: Any = None


class _Answer(Struct, frozen=True):
    data: list[_Image] | None = None
    background: Any = None
    output_format: Any = None
    quality: Any = None
    size: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


class _Event(Struct, frozen=True):
    type: str = ""
    b64_json: Any = None
    revised_prompt: Any = None
    partial_image_index: Any = None
    background: Any = None
    output_format: Any = None
    quality: Any = None
    size: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


_event = msgspec.json.Decoder(_Event)
_answer = msgspec.json.Decoder(_Answer)
_tokens = msgspec.json.Decoder(_Tokens | None)
_any = msgspec.json.Decoder()


class OpenAIImages(reading.AtOnce):
    """`/images/generations`; `/images/edits` with pictures; `/images/variations` with `variation: true` in `extra`."""

    id = "openai/images"
    type: MediaType | None = "image"
    wants_bytes = True

    def submit(self, brief: Brief, to: Destination, reference: str) -> Sequence[Request]:
        """One call, or as many as images for a model that makes one at a time."""
        if _any.decode(brief.extra.get("variation", Raw(b"false"))) is True:
            return (_variation(brief, to),)
        wishes.check(brief, to, _takes(to.model), MOST)
        single = to.model.startswith("dall-e-3")
        fields = _fields(brief, to, 1 if single else brief.n)
        if brief.edits:
            request = _edit(brief, to, fields)
        else:
            for name in ("mask", "input_fidelity"):
                if wishes.given(brief, name) is not None:
                    raise wishes.unsupported(name, to)
            request = Request(path="/images/generations", body=wishes.body(fields))
        return (request,) * (brief.n if single else 1)

    def submitted(self, brief: Brief, answers: Sequence[Answer]) -> Progress:
        """The images of all answers. Raises `ValueError` for what is no such answer."""
        read = [
            _streamed(answer.events) if answer.events else reading.decode(_answer, answer.body) for answer in answers
        ]
        told = next((found.error for found in read if bytes(found.error) not in (b"", b"null")), None)
        first = next((found for found in read if found.data), None)
        outputs = tuple(_outputs(read))
        if first is None or not outputs:
            if told is not None:
                return reading.in_band(errors.read_in_band, told)
            return Failed(message="The provider answered without an image.")
        return Made(
            outputs=outputs,
            background=reading.word(first.background),
            output_format=reading.word(first.output_format),
            quality=reading.word(first.quality),
            size=reading.word(first.size),
            **_usage(read),
        )

    def sketch(self, event: bytes) -> Sketch | None:
        """What `…partial_image` shows."""
        found = _event.decode(event)
        data = reading.word(found.b64_json)
        if not found.type.endswith(".partial_image") or data is None:
            return None
        look = {name: word for name in _LOOK if (word := reading.word(getattr(found, name))) is not None}
        return Sketch(index=reading.count(found.partial_image_index) or 0, data=data, look=look)

    def refusal(self, status: int, body: bytes, retry_after: int | None) -> Problem:
        """As OpenAI's envelope says; `moderation_blocked` is a matter of content."""
        return errors.read(status, body, retry_after)


MAKER = OpenAIImages()


def _takes(model: str) -> frozenset[str]:
    """What of a brief a model takes, by OpenAI's names for its own."""
    if model.startswith("dall-e-2"):
        return _DALL_E_2
    if model.startswith("dall-e-3"):
        return _DALL_E_3
    return _GPT if model.startswith(_STREAMING) else _COMPATIBLE


def _fields(brief: Brief, to: Destination, n: int) -> dict[str, Any]:
    """What is asked for, without pictures. DALL-E sends addresses that pass away unless it is told otherwise."""
    dall_e = to.model.startswith("dall-e-")
    left_out = "quality" if to.model.startswith("dall-e-2") else ""
    wanted: dict[str, Any] = {"model": to.model, "prompt": brief.prompt, "n": n if n > 1 else None}
    wanted |= {name: wishes.given(brief, name) for name in _PLAIN if name != left_out}
    wanted |= {
        "seed": brief.seed,
        "negative_prompt": brief.negative_prompt,
        "response_format": "b64_json" if dall_e else None,
        "user": brief.user,
    }
    if brief.partials and to.model.startswith(_STREAMING):
        wanted |= {"stream": True, "partial_images": brief.partials}
    return wanted | wishes.extras(brief, _OWN | _REFUSED)


def _edit(brief: Brief, to: Destination, fields: dict[str, Any]) -> Request:
    most = 1 if to.model.startswith("dall-e-") else MOST_INPUTS
    if len(brief.images) > most:
        raise checks.too_many("images", len(brief.images), most)
    return _form("/images/edits", fields | {"input_fidelity": wishes.given(brief, "input_fidelity")}, brief)


def _variation(brief: Brief, to: Destination) -> Request:
    """More of the same: there is nothing to say about it but how many and how large."""
    wishes.check(brief, to, ("size", "images"), MOST)
    if len(brief.images) != 1:
        raise refuse(Kind.PARAM, "a variation is made of one image", param="images")
    extra = {name: value for name, value in brief.extra.items() if name != "variation"}
    fields = _fields(msgspec.structs.replace(brief, extra=extra), to, brief.n)
    return _form("/images/variations", fields | {"prompt": None}, brief)


def _form(path: str, fields: dict[str, Any], brief: Brief) -> Request:
    several = len(brief.images) > 1
    parts = [multipart.plain(name, value) for name, value in fields.items() if value is not None]
    for place, url in enumerate(brief.images):
        parts.append(
            multipart.file("image[]" if several else "image", f"image-{place + 1}", wishes.inline(url, "images"))
        )
    if brief.mask is not None:
        parts.append(multipart.file("mask", "mask", wishes.inline(brief.mask, "mask")))
    body, content_type = multipart.form(parts)
    return Request(path=path, body=body, content_type=content_type)


def _streamed(events: Sequence[bytes]) -> _Answer:
    """What a streamed answer comes to. Raises `ValueError` where the stream has no end."""
    last = reading.decode(_event, events[-1])
    if last.type == "error" or bytes(last.error):
        return _Answer(error=last.error)
    if not last.type.endswith(".completed"):
        raise ValueError("the stream ended before the image was there")
    image = _Image(b64_json=reading.word(last.b64_json), revised_prompt=reading.word(last.revised_prompt))
    look = {name: getattr(last, name) for name in _LOOK}
    return _Answer(data=[image], usage=last.usage, **look)


def _outputs(answers: Sequence[_Answer]) -> Iterator[Output]:
    for answer in answers:
        said = reading.word(answer.output_format)
        mime = _MIMES.get(said, f"image/{said}") if said is not None else None
        for image in answer.data or ():
            if image.b64_json:
                data = media.standard_base64(image.b64_json)
                shown = media.sniff(data) if mime is None else mime
                yield Output(data=data, mime=shown, revised_prompt=image.revised_prompt)
            elif reading.address(image.url):
                yield Output(url=image.url, mime=mime, revised_prompt=image.revised_prompt)


def _usage(answers: Sequence[_Answer]) -> dict[str, Any]:
    """The tokens of all answers, and the reports themselves. One that is malformed is not believed (B-08)."""
    reports = [answer.usage for answer in answers if bytes(answer.usage) not in (b"", b"null")]
    if not reports:
        return {}
    found = []
    for report in reports:
        try:
            found.append(reading.decode(_tokens, bytes(report)) or _Tokens())
        except ValueError:
            found.append(_Tokens())
    inputs = [_input(tokens) for tokens in found]
    return {
        "input_text_tokens": reading.total(text for text, _ in inputs),
        "input_image_tokens": reading.total(image for _, image in inputs),
        "output_tokens": reading.total(reading.count(tokens.output_tokens) for tokens in found),
        "usage": reports[0] if len(reports) == 1 else Raw(msgspec.json.encode(reports)),
    }


def _input(tokens: _Tokens) -> tuple[int | None, int | None]:
    """Tokens of text and of images; all are of text where the answer does not tell them apart."""
    details = tokens.input_tokens_details
    whole = reading.count(tokens.input_tokens)
    if not isinstance(details, dict):
        return whole, None
    text, image = reading.count(details.get("text_tokens")), reading.count(details.get("image_tokens"))
    if text is None and whole is not None:
        text = max(0, whole - (image or 0))
    return text, image
