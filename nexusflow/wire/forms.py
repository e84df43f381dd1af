"""Forms of several parts, as SDKs upload pictures (RFC 7578): texts become fields of a JSON body, files data URLs."""

import base64
import io

import msgspec
from msgspec import Struct
from multipart import (  # type: ignore[import-untyped]  # the package has no annotations
    MultipartError,
    MultipartParser,
    parse_options_header,
)

from nexusflow.ir.errors import Kind, refuse
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields

_NUMBERS = frozenset(("n", "seed", "output_compression", "partial_images"))
_FLAGS = frozenset(("stream", "watermark"))
_MAGIC = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


class Form(Struct, frozen=True):
    """`fields` as a JSON body would have them, `files` as `data:` URLs by name, in order."""

    fields: Fields
    files: dict[str, list[str]]


def is_form(content_type: bytes | None) -> bool:
    """Whether a body says that it is a form."""
    return content_type is not None and content_type.lower().startswith(b"multipart/form-data")


def read(content_type: bytes, body: bytes) -> Form:
    """The form. Raises `RequestRefused` (E-PARSE) for what is none, (E-PARAM) for a field that is given twice."""
    _, options = parse_options_header(content_type.decode("latin-1"))
    boundary = options.get("boundary")
    if not boundary:
        raise refuse(Kind.PARSE, "the form has no boundary")
    fields: Fields = {}
    files: dict[str, list[str]] = {}
    try:
        for part in MultipartParser(io.BytesIO(body), boundary, memory_limit=2**40, disk_limit=2**40):
            name = part.name.removesuffix("[]")
            if part.filename is not None or part.name.endswith("[]"):
                files.setdefault(name, []).append(_data_url(part.raw, part.content_type))
            elif name in fields:
                raise refuse(Kind.PARAM, f"`{name}` is given twice", param=name, code="duplicate_key")
            else:
                fields[name] = _field(name, part.value)
    except (MultipartError, UnicodeDecodeError, LookupError):
        raise refuse(Kind.PARSE, "the body is not a valid form") from None
    return Form(fields, files)


def _field(name: str, text: str) -> msgspec.Raw:
    """A text as JSON: forms have no numbers of their own."""
    if name in _NUMBERS and text.strip().lstrip("-").isdigit():
        return msgspec.Raw(str(int(text)).encode())
    if name in _FLAGS and text in ("true", "false"):
        return msgspec.Raw(text.encode())
    return jsonedit.text(text)


def _data_url(data: bytes, said: str | None) -> str:
    mime = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if mime is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        mime = "image/webp"
    if mime is None and data[4:8] == b"ftyp":
        mime = "video/mp4"
    mime = mime or (said if said and ";" not in said and said != "application/octet-stream" else None)
    return f"data:{mime or 'application/octet-stream'};base64,{base64.b64encode(data).decode()}"
