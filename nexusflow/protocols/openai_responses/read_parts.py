"""Content of messages and of tool outputs in canonical form."""

from msgspec import Raw

from nexusflow.ir.chat import CacheMark, Citation, Data, FileRef, Logprob, Media, Part, Refusal, Text, Unknown, Url
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import media
from nexusflow.protocols.openai_responses.tables import ORIGIN
from nexusflow.protocols.openai_responses.wire_items import (
    AnnotationForm,
    LogprobForm,
    PartForm,
    annotation_form,
    formed,
    missing,
    part_form,
    raw_list,
)
from nexusflow.wire import jsonedit

_TEXTS = frozenset(("input_text", "output_text", "text", "summary_text", "reasoning_text"))


def content(raw: Raw, path: str) -> tuple[Part, ...]:
    """The parts of a `content` or `output`: a string is one text; nothing and null are none."""
    data = bytes(raw)
    if not data or data == b"null":
        return ()
    text = jsonedit.as_text(raw)
    if text is not None:
        return (Text(text=text),)
    return tuple(part(item, f"{path}[{at}]") for at, item in enumerate(formed(raw_list, raw, path)))


def part(raw: Raw, path: str) -> Part:
    """One part. Raises `RequestRefused` naming what is wrong with it."""
    form = formed(part_form, raw, path)
    if form.type in _TEXTS or (form.type is None and form.text is not None):
        return text_of(form, path)
    if form.type == "refusal":
        return Refusal(form.refusal or "")
    if form.type == "input_image":
        return _image(form, path)
    if form.type == "input_file":
        return _file(form, path)
    if form.type == "input_audio":
        return _audio(form, path)
    if form.type is None:
        raise missing(f"{path}.type")
    return Unknown(origin=ORIGIN, type=form.type, raw=raw)


def text_of(form: PartForm, path: str) -> Text:
    """A text part with its annotations."""
    if form.text is None:
        raise missing(f"{path}.text")
    return Text(
        text=form.text,
        citations=tuple(citation(one, f"{path}.annotations[{at}]") for at, one in enumerate(form.annotations or ())),
        cache=_mark(form),
    )


def citation(raw: Raw, path: str) -> Citation:
    """An annotation. What only this protocol understands of it is kept whole beside."""
    form: AnnotationForm = formed(annotation_form, raw, path)
    if form.type == "url_citation":
        return Citation(url=form.url, title=form.title, start=form.start_index, end=form.end_index, origin=ORIGIN)
    return Citation(
        kind="document",
        title=form.filename or form.title,
        start=form.start_index,
        end=form.end_index,
        origin=ORIGIN,
        ext=jsonedit.split(bytes(raw)),
    )


def logprobs(found: list[LogprobForm] | None) -> tuple[Logprob, ...]:
    """Log-probabilities of a text."""
    return tuple(
        Logprob(
            token=one.token,
            logprob=one.logprob,
            bytes=tuple(one.bytes) if one.bytes is not None else None,
            top=logprobs(one.top_logprobs),
        )
        for one in found or ()
    )


def _image(form: PartForm, path: str) -> Media:
    source: Data | Url | FileRef
    if form.image_url is not None:
        source = media.from_url(form.image_url, f"{path}.image_url")
    elif form.file_id is not None:
        source = FileRef(form.file_id, ORIGIN)
    else:
        raise missing(f"{path}.image_url")
    return Media(kind="image", source=source, detail=form.detail, cache=_mark(form))


def _file(form: PartForm, path: str) -> Media:
    source: Data | Url | FileRef
    if form.file_data is not None:
        source = _file_data(form.file_data, f"{path}.file_data")
    elif form.file_url is not None:
        source = media.from_url(form.file_url, f"{path}.file_url")
    elif form.file_id is not None:
        source = FileRef(form.file_id, ORIGIN)
    else:
        raise missing(f"{path}.file_data")
    return Media(kind="file", source=source, name=form.filename, detail=form.detail, cache=_mark(form))


def _file_data(text: str, path: str) -> Data:
    """A data URL as the API wants it, or bare base64, which many callers send."""
    if not text.startswith("data:"):
        data = media.standard_base64(text)
        return Data(media.sniff(data), data)
    source = media.from_url(text, path)
    if not isinstance(source, Data):
        raise refuse(Kind.PARAM, f"`{path}` must be a data URL", param=path)
    return source


def _audio(form: PartForm, path: str) -> Media:
    if form.input_audio is None:
        raise missing(f"{path}.input_audio")
    mime = media.normal_mime(f"audio/{form.input_audio.format}")
    return Media(kind="audio", source=Data(mime, media.standard_base64(form.input_audio.data)), cache=_mark(form))


def _mark(form: PartForm) -> CacheMark | None:
    return CacheMark(form.prompt_cache_breakpoint.ttl) if form.prompt_cache_breakpoint is not None else None
