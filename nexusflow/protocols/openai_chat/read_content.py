"""Content of a client's message as canonical parts (protocols 1.2.2, 2.2).

Beside the protocol's own parts it takes what compatible servers added (addresses as bare strings, video, documents,
`cache_control`) and Anthropic's blocks, which clients of gateways send on this protocol too (T58).
"""

import mimetypes
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import CacheMark, Data, FileRef, Media, Opaque, Part, Refusal, Text, Thinking, Unknown, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.anthropic import read_parts as blocks
from nexusflow.protocols.anthropic.reply_parts import adopted
from nexusflow.protocols.common import envelope, media, raw
from nexusflow.protocols.openai_chat.tables import CHAT

_BLOCKS = frozenset(
    ("tool_use", "tool_result", "image", "document", "search_result", "redacted_thinking", "server_tool_use")
)
_TEXT = frozenset(("type", "text", "cache_control", "prompt_cache_breakpoint", "image_url"))
_MEDIA_KNOWN = frozenset(("type", "cache_control", "prompt_cache_breakpoint", "text"))
_MEDIA = frozenset(
    ("image_url", "input_image", "input_audio", "audio_url", "video_url", "video", "file", "input_file", "document_url")
)
_KINDS: dict[str, Literal["image", "audio", "video"]] = {
    "image_url": "image",
    "audio_url": "audio",
    "video_url": "video",
    "video": "video",
}
_AUDIO_MIMES = {"wav": "audio/wav", "mp3": "audio/mp3", "pcm16": "audio/pcm"}


def read(content: list[Raw], path: str) -> list[Part]:
    """The parts of a list. Raises `RequestRefused` naming the part that does not fit."""
    kinds = [_kind(one, f"{path}[{at}]") for at, one in enumerate(content)]
    if not any(_is_block(kind, one) for kind, one in zip(kinds, content, strict=True)):
        return [part for at, one in enumerate(content) for part in _part(kinds[at], one, f"{path}[{at}]")]
    own = _own(kinds, content, path)
    found: list[Part] = []
    for part in blocks.read(content, path, adopted):
        # What Anthropic does not know is this protocol's; the blocks that neither knows stay with Anthropic.
        read_here = next(own) if isinstance(part, Unknown) else [part]
        found += [part] if all(isinstance(one, Unknown) for one in read_here) else read_here
    return found


def cache_of(fields: dict[str, Raw], path: str) -> CacheMark | None:
    """The cache mark on a part, a message or a tool, in Anthropic's spelling or OpenAI's."""
    for name in ("cache_control", "prompt_cache_breakpoint"):
        given = raw.optional(fields, name)
        if given is not None:
            ttl = raw.optional(raw.obj(given, f"{path}.{name}"), "ttl")
            return CacheMark(raw.string(ttl, f"{path}.{name}.ttl") if ttl is not None else None)
    return None


def signature_of(fields: dict[str, Raw], path: str) -> Opaque | None:
    """State in Google's place for it: an envelope of ours, or Google's own (2.0.4)."""
    found: dict[str, Raw] = fields
    for name in ("extra_content", "google"):
        given = raw.optional(found, name)
        if given is None:
            return None
        path = f"{path}.{name}"
        found = raw.obj(given, path)
    given = raw.optional(found, "thought_signature")
    if given is None:
        return None
    return envelope.adopt(raw.string(given, f"{path}.thought_signature"), "google/generate-content")


def _kind(one: Raw, path: str) -> str:
    fields = raw.obj(one, path)
    if "type" not in fields:
        raise refuse(Kind.PARAM, f"`{path}.type` is required", param=f"{path}.type", code="missing_required_parameter")
    return raw.string(fields["type"], f"{path}.type")


def _is_block(kind: str, one: Raw) -> bool:
    if kind == "thinking":
        return not _is_list(one)
    return kind in _BLOCKS or kind.endswith("_tool_result")


def _is_list(one: Raw) -> bool:
    """Mistral's `thinking` part holds a list of texts, Anthropic's block a string."""
    return bytes(raw.obj(one, "").get("thinking", b"")).startswith(b"[")


def _own(kinds: list[str], content: list[Raw], path: str) -> Iterator[list[Part]]:
    """Those parts of a list with blocks in it that are no blocks, in order."""
    for at, (kind, one) in enumerate(zip(kinds, content, strict=True)):
        if kind == "text" or (_is_block(kind, one) and kind in _BLOCKS | {"thinking"} and kind != "server_tool_use"):
            continue
        yield _part(kind, one, f"{path}[{at}]")


def _part(kind: str, one: Raw, path: str) -> list[Part]:
    fields = raw.obj(one, path)
    if kind in ("text", "input_text", "output_text"):
        text = raw.optional(fields, "text")
        cache, ext = cache_of(fields, path), raw.rest(fields, _TEXT)
        return [Text(text=raw.string(text, f"{path}.text") if text is not None else "", cache=cache, ext=ext)]
    if kind == "refusal":
        return [Refusal(_required(fields, "refusal", path))]
    if kind == "thinking":
        return _thinking(fields, path)
    if kind in _MEDIA:
        return [_media(kind, fields, path)]
    return [Unknown(origin=CHAT, type=kind, raw=Raw(one))]


def _thinking(fields: dict[str, Raw], path: str) -> list[Part]:
    path = f"{path}.thinking"
    inner = raw.items(fields["thinking"], path)
    texts = [_required(raw.obj(one, f"{path}[{at}]"), "text", f"{path}[{at}]") for at, one in enumerate(inner)]
    return [Thinking(text="".join(texts))]


def _media(kind: str, fields: dict[str, Raw], path: str) -> Media:
    if kind == "input_audio":
        found = _audio(fields, path)
    elif kind in ("file", "input_file"):
        found = _file(raw.obj(fields["file"], f"{path}.file") if "file" in fields else fields, f"{path}.file")
    else:
        found = _address(kind, fields, path)
    ext = raw.rest(fields, _MEDIA_KNOWN | {kind, "file", "image_url", "detail", "filename", "file_data", "file_id"})
    return msgspec.structs.replace(found, cache=cache_of(fields, path), ext=ext)


def _address(kind: str, fields: dict[str, Raw], path: str) -> Media:
    """`image_url` and its like: an object with the address, or the address itself."""
    member = "image_url" if kind == "input_image" else kind
    given = raw.optional(fields, member)
    if given is None:
        raise _missing(f"{path}.{member}")
    path = f"{path}.{member}"
    inner = raw.obj(given, path) if bytes(given).startswith(b"{") else {"url": given}
    detail = raw.optional(inner, "detail") or raw.optional(fields, "detail")
    return Media(
        kind=_KINDS.get(member, "file"),
        source=media.from_url(_required(inner, "url", path), path),
        detail=raw.string(detail, f"{path}.detail") if detail is not None else None,
    )


def _audio(fields: dict[str, Raw], path: str) -> Media:
    path = f"{path}.input_audio"
    inner = raw.obj(fields.get("input_audio", Raw(b"null")), path)
    data = _required(inner, "data", path)
    form = raw.optional(inner, "format")
    if data[:5].lower() == "data:":
        return Media(kind="audio", source=media.from_url(data, f"{path}.data"))
    word = raw.string(form, f"{path}.format").lower() if form is not None else ""
    mime = _AUDIO_MIMES.get(word) or (media.normal_mime(f"audio/{word}") if word else media.sniff(data))
    return Media(kind="audio", source=Data(mime, media.standard_base64(data)))


def _file(inner: dict[str, Raw], path: str) -> Media:
    name = raw.optional(inner, "filename")
    return Media(
        kind="file",
        source=_file_source(inner, path),
        name=raw.string(name, f"{path}.filename") if name is not None else None,
    )


def _file_source(inner: dict[str, Raw], path: str) -> Data | Url | FileRef:
    """A file's bytes as a data URL or plain base64, its address, or the name under which the vendor keeps it."""
    data = raw.optional(inner, "file_data")
    if data is not None:
        text = raw.string(data, f"{path}.file_data")
        if text[:5].lower() in ("data:", "http:", "https"):
            return media.from_url(text, f"{path}.file_data")
        mime = media.sniff(text)
        if mime == media.UNKNOWN and raw.optional(inner, "filename") is not None:
            mime = mimetypes.guess_type(_required(inner, "filename", path))[0] or mime
        return Data(mime, media.standard_base64(text))
    for name in ("file_url", "url"):
        if raw.optional(inner, name) is not None:
            return media.from_url(_required(inner, name, path), f"{path}.{name}")
    return FileRef(_required(inner, "file_id", path), CHAT)


def _required(fields: dict[str, Raw], name: str, path: str) -> str:
    given = raw.optional(fields, name)
    if given is None:
        raise _missing(f"{path}.{name}")
    return raw.string(given, f"{path}.{name}")


def _missing(path: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` is required", param=path, code="missing_required_parameter")
