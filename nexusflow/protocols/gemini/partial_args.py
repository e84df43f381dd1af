"""Arguments that arrive in pieces: Vertex streams a call's arguments by JSON path (protocols 2.4, T09)."""

import re
from itertools import pairwise
from typing import Any

import msgspec

from nexusflow.protocols.gemini.reply_wire import Call, PartialArg, some

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_ESCAPE = re.compile(r"\\(.)")


class BadPath(ValueError):
    """A path that leads nowhere."""


class PendingCall:
    """One call under way. `feed` every piece of it, then take its `arguments`."""

    __slots__ = ("_continued", "_root", "id", "name", "signature")

    def __init__(self, call: Call, signature: str | None) -> None:
        self.name = call.name or ""
        self.id = call.id
        self.signature = signature
        self._root: dict[str, Any] = {}
        self._continued: str | None = None

    def feed(self, call: Call) -> None:
        """Add a piece. Raises `BadPath`, or `msgspec.DecodeError` for arguments that are no object."""
        args = some(call.args)
        if args is not None:
            self._root.update(msgspec.json.decode(args, type=dict[str, Any]))
        for piece in call.partialArgs or ():
            steps = _steps(piece.jsonPath)
            if self._continued == piece.jsonPath and piece.stringValue is not None:
                _put(self._root, steps, _get(self._root, steps) + piece.stringValue)
            else:
                _put(self._root, steps, _value(piece))
            self._continued = piece.jsonPath if piece.willContinue and piece.stringValue is not None else None

    @property
    def arguments(self) -> str:
        """What has come so far, as the JSON text of an object."""
        return msgspec.json.encode(self._root).decode()


def _value(piece: PartialArg) -> Any:
    if piece.stringValue is not None:
        return piece.stringValue
    if piece.boolValue is not None:
        return piece.boolValue
    number = piece.numberValue
    # The wire has doubles only: a whole number was meant as one.
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise BadPath(path)
        name, index, *quoted = found.groups()
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(name if name is not None else _ESCAPE.sub(r"\1", quoted[0] or quoted[1] or ""))
        at = found.end()
    if not path.startswith("$") or not steps:
        raise BadPath(path)
    return steps


def _put(root: dict[str, Any], steps: list[str | int], value: Any) -> None:
    """Set a value, making the objects and lists on the way. A list grows by one at a time."""
    here: Any = root
    for step, following in pairwise(steps):
        inner = _child(here, step)
        if not isinstance(inner, dict | list):
            inner = [] if isinstance(following, int) else {}
            _set(here, step, inner)
        here = inner
    _set(here, steps[-1], value)


def _get(root: dict[str, Any], steps: list[str | int]) -> str:
    here: Any = root
    for step in steps:
        here = _child(here, step)
    return here if isinstance(here, str) else ""


def _child(here: Any, step: str | int) -> Any:
    if isinstance(here, dict) and isinstance(step, str):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int):
        return here[step] if step < len(here) else None
    raise BadPath(str(step))


def _set(here: Any, step: str | int, value: Any) -> None:
    if isinstance(here, list) and step == len(here):
        here.append(value)
        return
    _child(here, step)  # refuses a name in a list and a number in an object
    if isinstance(here, list) and int(step) > len(here):
        raise BadPath(str(step))
    here[step] = value
