"""Canonical content as parts of a message to a Chat provider (protocols 2.1.2, 2.3)."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.chat import CacheMark, Data, Document, FileRef, Media, Part, Refusal, Text, ToolResult, Unknown, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import documents, media
from nexusflow.protocols.common.places import Places
from nexusflow.protocols.openai_chat.tables import CHAT, TOOL_ERROR

_AUDIO = {"audio/wav": "wav", "audio/mp3": "mp3"}


def parts(content: Iterable[Part], capabilities: Capabilities, places: Places) -> str | list[dict[str, Any]]:
    """The content of a user message: a string where that says all, else a list. `places` are for refusals."""
    written = [part(one, capabilities, places) for one in content]
    if not written:
        return ""
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        only: str = written[0]["text"]
        return only
    return written


def part(one: Part, capabilities: Capabilities, places: Places) -> dict[str, Any]:
    """One part. Raises `RequestRefused` for what a Chat provider or this model cannot take."""
    written: dict[str, Any] = {"type": "text"}
    if isinstance(one, Media):
        written = _media(one, capabilities, places)
    else:
        written["text"] = text_of(one)
    cache = getattr(one, "cache", None)
    if cache is not None and capabilities.cache == "openai-breakpoints":
        written["prompt_cache_breakpoint"] = _breakpoint(cache)
    return written


def text_of(one: Part) -> str:
    """A part as plain text; a block of another protocol as its JSON (2.1.2)."""
    if isinstance(one, Text | Refusal):
        return one.text
    if isinstance(one, Document):
        return documents.text_of(one)
    return bytes(one.raw).decode() if isinstance(one, Unknown) else ""


def _breakpoint(cache: CacheMark) -> dict[str, str]:
    """OpenAI keeps prompts for 30 minutes or 12 hours: the shorter one for less than an hour."""
    written = {"mode": "explicit"}
    if cache.ttl is not None:
        written["ttl"] = "12h" if cache.ttl in ("1h", "12h") else "30m"
    return written


def _media(one: Media, capabilities: Capabilities, places: Places) -> dict[str, Any]:
    source = one.source
    if isinstance(source, FileRef):
        return _file_reference(one, source, places)
    if one.kind == "file" and isinstance(source, Data) and source.mime.startswith("text/"):
        return {"type": "text", "text": _plain(one, source, places)}
    if one.kind not in capabilities.input and not (one.kind == "file" and capabilities.pdf):
        raise _unfit(f"this model does not take {one.kind} input", places.media(one))
    if one.kind == "image":
        return _image(one, source, capabilities, places)
    if isinstance(source, Url):
        raise _unfit(f"this model takes {one.kind} input only as bytes, not by address", places.media(one))
    if one.kind == "audio":
        form = _AUDIO.get(source.mime)
        if form is None:
            raise _unfit(f"this model takes audio only as wav or mp3, not {source.mime}", places.media(one))
        return {"type": "input_audio", "input_audio": {"data": source.base64, "format": form}}
    if one.kind == "file" and source.mime == "application/pdf" and capabilities.pdf:
        url = media.data_url(source.mime, source.base64)
        return {"type": "file", "file": {"filename": one.name or "document.pdf", "file_data": url}}
    raise _unfit(f"this model does not take {one.kind} input of type {source.mime}", places.media(one))


def _image(one: Media, source: Data | Url, capabilities: Capabilities, places: Places) -> dict[str, Any]:
    if isinstance(source, Url) and not capabilities.image_url:
        raise _unfit("this model takes images only as bytes, not by address", places.media(one))
    url = source.url if isinstance(source, Url) else media.data_url(source.mime, source.base64)
    detail = {"detail": one.detail} if one.detail is not None else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _file_reference(one: Media, source: FileRef, places: Places) -> dict[str, Any]:
    if source.origin not in (CHAT, "openai/responses"):
        raise _unfit("a file kept by another vendor cannot be read here", places.media(one))
    return {"type": "file", "file": {"file_id": source.id}}


def _plain(one: Media, source: Data, places: Places) -> str:
    try:
        text = base64.b64decode(source.base64).decode()
    except (binascii.Error, ValueError):
        raise _unfit("the document is not base64 of UTF-8 text", places.media(one)) from None
    return documents.text_of(Document(text=text, title=one.name, context=one.context))


def _unfit(message: str, path: str) -> RequestRefused:
    return refuse(Kind.PARAM, message, param=path, code="unsupported_content")


def tool_message(result: ToolResult, call_id: str) -> tuple[dict[str, Any], list[Media]]:
    """One `tool` message, and the images that it cannot hold; each leaves a note of where it belongs (2.1.3)."""
    lines: list[str] = []
    images: list[Media] = []
    for one in result.content:
        if isinstance(one, Media):
            images.append(one)
            lines.append(f"[{one.kind} {len(images)} of call {call_id}]")
        else:
            lines.append(text_of(one))
    text = "\n".join(lines)
    content = TOOL_ERROR + text if result.is_error else text
    return {"role": "tool", "tool_call_id": call_id, "content": content}, images
