"""The neutral value of a chat answer, and the small steps that all four readings share."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool of the caller. `arguments` is parsed JSON, or the text as it was where it is none."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One candidate. `finish` is end, stop_sequence, tools, length, context, pause, filter, malformed or empty.

    `media` are the kinds of what was not text; `logprobs` the sampled tokens with their values.
    """

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "end"
    media: tuple[str, ...] = ()
    logprobs: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens: all input, all output, and the parts of them that were cached, written to a cache, or thought."""

    input: int
    output: int
    cached: int = 0
    written: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer, whole; `failed` when it is an error inside a 200, with what came before it."""

    answers: tuple[Answer, ...]
    usage: Counts | None = None
    failed: bool = False


def reported(counts: Counts) -> Counts | None:
    """The counts; a record of nothing but zeros reports nothing."""
    return counts if counts.input or counts.output else None


def arguments(text: str | None) -> Any:
    """The arguments of a call from their JSON text; none at all is an empty object."""
    if text is None or not text.strip():
        return {}
    try:
        return json.loads(text)
    except ValueError:
        return text


def number(fields: dict[str, Any] | None, key: str) -> int:
    """A count that may be missing or null."""
    return int((fields or {}).get(key) or 0)
