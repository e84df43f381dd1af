"""Media of a client's parts, inline or by address (protocols 1.5.1, 2.5)."""

import base64
import binascii
import mimetypes
import re
from typing import Literal

from msgspec import Raw

from nexusflow.ir.chat import Data, Document, FileRef, Media, Url
from nexusflow.ir.errors import Kind, refuse
from nexusflow.protocols.common import media
from nexusflow.protocols.common import raw as raws
from nexusflow.protocols.gemini import read_config
from nexusflow.protocols.gemini.tables import ORIGIN
from nexusflow.wire.jsonedit import Fields

MediaKind = Literal["image", "audio", "video", "file"]
_KINDS: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}
_KNOWN = frozenset(("inlineData", "fileData", "thought", "thoughtSignature", "mediaResolution"))
_KEPT = re.compile(r"https?://[^/]*googleapis\.com/.*files/", re.IGNORECASE).match
_YOUTUBE = re.compile(r"https?://(?:www\.|m\.)?(?:youtube\.com|youtu\.be)/", re.IGNORECASE).match


def kind_of(mime: str) -> MediaKind:
    """What kind of medium a MIME type names."""
    return _KINDS.get(mime.partition("/")[0], "file")


def read(name: str, fields: Fields, path: str, detail: str | None) -> Media | Document:
    """The medium of a part, `name` being its data field. Raises `RequestRefused`."""
    inner = raws.obj(fields[name], f"{path}.{name}")
    ext = raws.rest(fields, _KNOWN)
    own = _detail(raws.optional(fields, "mediaResolution"), path)
    if name == "fileData":
        source = _address(inner, f"{path}.fileData")
        mime = source.mime or ""
        kind: MediaKind = "video" if _YOUTUBE(getattr(source, "url", "")) else kind_of(mime)
        return Media(kind=kind, source=source, detail=own or detail, name=_title(inner), ext=ext)
    data = _data(inner, f"{path}.inlineData")
    if data.mime.startswith("text/"):
        return Document(text=_text(data.base64, path), title=_title(inner), ext=ext)
    return Media(kind=kind_of(data.mime), source=data, detail=own or detail, name=_title(inner), ext=ext)


def _data(fields: Fields, path: str) -> Data:
    found = raws.optional(fields, "data")
    if found is None:
        raise refuse(Kind.PARAM, f"`{path}.data` is required", param=f"{path}.data", code="missing_required_parameter")
    data = media.standard_base64(raws.string(found, f"{path}.data"))
    return Data(_mime(fields, path) or media.sniff(data), data)


def _address(fields: Fields, path: str) -> Url | FileRef:
    found = raws.optional(fields, "fileUri")
    if found is None:
        path = f"{path}.fileUri"
        raise refuse(Kind.PARAM, f"`{path}` is required", param=path, code="missing_required_parameter")
    uri = raws.string(found, f"{path}.fileUri")
    mime = _mime(fields, path) or media.normal_mime(mimetypes.guess_type(uri.partition("?")[0])[0] or "")
    if uri.lower().startswith(("https://", "http://")) and not _KEPT(uri):
        return Url(uri, mime or None)
    return FileRef(uri, ORIGIN, mime or None)


def _mime(fields: Fields, path: str) -> str:
    found = raws.optional(fields, "mimeType")
    return media.normal_mime(raws.string(found, f"{path}.mimeType")) if found is not None else ""


def _title(fields: Fields) -> str | None:
    found = raws.optional(fields, "displayName")
    return raws.string(found, "displayName") if found is not None else None


def _detail(found: Raw | None, path: str) -> str | None:
    if found is None:
        return None
    path = f"{path}.mediaResolution"
    return read_config.detail(raws.optional(raws.obj(found, path), "level"), f"{path}.level")


def _text(data: str, path: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        path = f"{path}.inlineData.data"
        raise refuse(Kind.PARAM, f"`{path}` is not text in UTF-8", param=path) from None
