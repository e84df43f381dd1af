"""Reading server-sent events the way the WHATWG HTML standard says, apart from the gateway's own reader."""

import json
import re
from typing import Any

_LINE_END = re.compile(r"\r\n|\n|\r")


def data_of(stream: bytes) -> list[str]:
    """The data of every event in `stream`, in order; an event without data is none."""
    found: list[str] = []
    lines: list[str] = []
    for line in _LINE_END.split(stream.decode().removeprefix("\ufeff")):
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            found.append("\n".join(lines))
            lines = []
    return found


def events(stream: bytes) -> list[Any]:
    """The data of every event, decoded, with `[DONE]` as that string."""
    return [data if data == "[DONE]" else json.loads(data) for data in data_of(stream)]
