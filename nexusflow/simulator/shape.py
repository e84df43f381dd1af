"""Request bodies against their shape: what does not fit is told apart, so that each vendor can say it in its words."""

import re
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Place = tuple[str | int, ...]

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_SAID = re.compile(r"(?P<said>.*?)(?: - at `\$?(?:key in )?(?P<place>[^`]*)`)?$", re.DOTALL)
_NAMED = re.compile(r"`([^`]*)`$")


class Misfit(Exception):
    """A part of the body that does not fit.

    `kind` is unknown (a field that there is not), missing (one that has to be there), choice (a value that is none of
    those allowed) or wrong (any other); `place` leads to the part, and for the first two to the field itself.
    """

    def __init__(self, kind: Literal["unknown", "missing", "choice", "wrong"], place: Place, said: str) -> None:
        super().__init__(f"{bracketed(place)}: {said}")
        self.kind, self.place, self.said = kind, place, said

    @property
    def name(self) -> str:
        """The last step of the place."""
        return str(self.place[-1]) if self.place else ""

    @property
    def dotted(self) -> str:
        """The place as `messages.0.content`."""
        return ".".join(map(str, self.place))

    @property
    def bracketed(self) -> str:
        """The place as `messages[0].content`."""
        return bracketed(self.place)


def bracketed(place: Place) -> str:
    """A place as `messages[0].content`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def fit(value: Any, shape: type[T]) -> T:
    """`value` as a `shape`. Raises `Misfit` with the first part that does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None


def decode(data: bytes) -> dict[str, Any]:
    """The object that a body is. Raises `ValueError`, with the reason, for anything else."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None


def _misfit(error: str) -> Misfit:
    found = _SAID.match(error)
    said, path = (found["said"], found["place"] or "") if found else (error, "")
    place: Place = tuple(int(index) if index.isdigit() else name or index for name, index in _STEP.findall(path))
    named = _NAMED.search(said)
    if said.startswith("Object contains unknown field") and named:
        return Misfit("unknown", (*place, named[1]), said)
    if said.startswith("Object missing required field") and named:
        return Misfit("missing", (*place, named[1]), said)
    return Misfit("choice" if said.startswith("Invalid") else "wrong", place, said)
