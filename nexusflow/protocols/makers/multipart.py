"""A `multipart/form-data` body (RFC 7578), the same bytes for the same parts: a request may have to be sent again."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.chat import Data

_EXTENSIONS = {"image/jpeg": "jpg", "image/svg+xml": "svg"}
_any = msgspec.json.Decoder()
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Part(Struct, frozen=True):
    """One field of a form; a file where it has a `filename`."""

    name: str
    data: bytes
    filename: str | None = None
    mime: str | None = None


def text(name: str, value: str) -> Part:
    """A plain field."""
    return Part(name, value.encode())


def plain(name: str, value: Any) -> Part:
    """A field of a JSON value: a string is what it says, and anything else stays JSON."""
    found = _any.decode(value) if isinstance(value, Raw) else value
    return text(name, found if isinstance(found, str) else msgspec.json.encode(found).decode())


def file(name: str, stem: str, data: Data) -> Part:
    """A file of base64 data, which has been checked before; its extension is that of its type."""
    extension = _EXTENSIONS.get(data.mime, data.mime.rpartition("/")[2])
    return Part(name, base64.b64decode(data.base64), f"{stem}.{extension}", data.mime)


def form(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body and its content type. The boundary is a digest of the parts, so that no part can hold it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.name.encode()).digest() + hashlib.sha256(part.data).digest())
    boundary = f"nexusflow-{digest.hexdigest()[:40]}"
    body = b"".join(_written(part, boundary) for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _written(part: Part, boundary: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name.translate(_ESCAPES)}"'
    if part.filename is not None:
        head += f'; filename="{part.filename.translate(_ESCAPES)}"'
    if part.mime is not None:
        head += f"\r\nContent-Type: {part.mime}"
    return head.encode() + b"\r\n\r\n" + part.data + b"\r\n"
