"""Forms of several parts, as uploads come (RFC 7578)."""

import re
from dataclasses import dataclass

from nexusflow.simulator.failure import Failure, Refused
from nexusflow.simulator.http import Request

_NAME = re.compile(r'[;\s]name="([^"]*)"')
_FILE = re.compile(r'filename="([^"]*)"')
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came along."""

    name: str
    data: bytes

    @property
    def mime(self) -> str | None:
        """The kind of picture that it is, by its first bytes; None: it is none."""
        return next((mime for magic, mime in _MAGIC if self.data.startswith(magic)), None)

    def describe(self) -> dict[str, object]:
        """As the jobs' introspection tells it."""
        return {"filename": self.name, "bytes": len(self.data)}


@dataclass(frozen=True, slots=True)
class Parts:
    """The texts and files of a form, in order; a name that ends in `[]` may repeat."""

    texts: dict[str, str]
    files: dict[str, list[Upload]]


def is_form(request: Request) -> bool:
    """Whether the body says that it is one."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def read_form(request: Request) -> Parts:
    """The form. Raises `Refused` where it is none."""
    found = re.search(r'boundary="?([^";,]+)', request.headers.get("content-type", ""))
    if found is None or not is_form(request):
        raise Refused(Failure("invalid", "the body is no multipart form"))
    mark = b"--" + found[1].strip().encode("latin-1")
    pieces = (b"\r\n" + request.body).split(b"\r\n" + mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Refused(Failure("invalid", "the multipart form is cut off"))
    texts: dict[str, str] = {}
    files: dict[str, list[Upload]] = {}
    for piece in pieces[1:-1]:
        head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = head.decode("utf-8", "replace")
        name, file = _NAME.search(disposition), _FILE.search(disposition)
        if name is None:
            raise Refused(Failure("invalid", "a part of the form has no name"))
        if file is not None:
            files.setdefault(name[1], []).append(Upload(file[1], data))
        else:
            texts[name[1]] = data.decode("utf-8", "replace")
    return Parts(texts, files)
