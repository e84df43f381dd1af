"""JSON: one object per line and finding."""

import json
import re

import msgspec

from codegen.render.finding import Finding
from codegen.render.screen import is_unseen

_NOT_ASCII = re.compile("[^\t\n -~]")


def render(findings: list[Finding]) -> str:
    """The machine form as it is."""
    return "".join(encode(item) + "\n" for item in findings)


def encode(value: object) -> str:
    """JSON in which no string holds a character that a terminal would obey or hide: those are escaped."""
    return _NOT_ASCII.sub(_escape, msgspec.json.encode(value).decode())


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if is_unseen(found[0]) else found[0]
