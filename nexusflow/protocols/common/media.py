"""Media in one spelling: MIME types, base64 and data URLs as callers write them (protocols 0.10, 2.1.2, T79)."""

import base64
import binascii
import re
from urllib.parse import unquote

from nexusflow.ir.chat import Data, Url
from nexusflow.ir.errors import Kind, refuse

_SAME = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mpeg": "audio/mp3",
    "audio/x-mp3": "audio/mp3",
    "application/x-pdf": "application/pdf",
}
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"\xff\xf3", "audio/mp3"),
    (b"\xff\xf2", "audio/mp3"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}
"""What an ISO media file says it is; every other brand is a film."""
_DATA_URL = re.compile(r"data:(?P<mime>[^;,]*)(?P<parameters>(?:;[^;,]*)*?)(?P<coded>;base64)?,", re.IGNORECASE)
_ALPHABET = str.maketrans({"-": "+", "_": "/", "\n": None, "\r": None, " ": None, "\t": None})
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
UNKNOWN = "application/octet-stream"


def normal_mime(mime: str) -> str:
    """A MIME type in lower case, without parameters, in its usual name; empty stays empty."""
    plain = mime.partition(";")[0].strip().lower()
    return _SAME.get(plain, plain)


def standard_base64(text: str) -> str:
    """Base64 in the standard alphabet with its padding, from either alphabet. Text that is none stays as it is."""
    if _BASE64(text) and len(text) % 4 == 0:
        return text
    plain = text.translate(_ALPHABET).rstrip("=")
    return plain + "=" * (-len(plain) % 4)


def data_url(mime: str, base64_text: str) -> str:
    """The bytes as an address."""
    return f"data:{mime or UNKNOWN};base64,{base64_text}"


def from_url(url: str, path: str) -> Data | Url:
    """An address as the bytes it holds (`data:`), or as one to fetch.

    Raises `RequestRefused` naming `path` for any other scheme, and for a data URL that is not base64.
    """
    if url[:5].lower() != "data:":
        if url[:8].lower().startswith(("http://", "https://")):
            return Url(url)
        raise refuse(Kind.PARAM, f"`{path}` must be an http(s) or data URL", param=path, code="invalid_url")
    head = _DATA_URL.match(url)
    if head is None or not head["coded"]:
        raise refuse(Kind.PARAM, f"`{path}` is a data URL without base64", param=path, code="invalid_data_url")
    coded = url[head.end() :]
    data = standard_base64(unquote(coded) if "%" in coded else coded)
    if _BASE64(data) is None:
        raise refuse(Kind.PARAM, f"`{path}` is not valid base64", param=path, code="invalid_data_url")
    return Data(normal_mime(head["mime"]) or sniff(data), data)


def sniff(data: str) -> str:
    """The MIME type that the first bytes of base64 data show; `application/octet-stream` when they show none."""
    try:
        start = base64.b64decode(data[:64], validate=True)
    except (binascii.Error, ValueError):
        return UNKNOWN
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(start[8:12], UNKNOWN)
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], "video/mp4")
    return next((mime for magic, mime in _MAGIC if start.startswith(magic)), UNKNOWN)
