"""What an answer cost, counted once and written in every wire form."""

from collections.abc import Sequence
from dataclasses import dataclass

from nexusflow.simulator.asked import Asked
from nexusflow.simulator.reply import Reply
from nexusflow.simulator.tokens import count

HOUR = ("1h", "12h")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `input` is all of the prompt: what came from a cache and what was written to one are parts of it.

    `written_longer` is the part of `written` that is kept for the longer of the two times a vendor offers; `media` the
    part of `input` that is no text; `thought` the part of `output` that was thinking.
    """

    input: int
    output: int
    thought: int = 0
    cached: int = 0
    written: int = 0
    written_longer: int = 0
    media: int = 0


def measure(asked: Asked, replies: Sequence[Reply], *, cached: int = 0, written: int = 0) -> Usage:
    """The usage of `replies`. A cache is read and written as the marks say, or as `cached` and `written` have it.

    Nothing is remembered between requests. What stands before a mark that was there before the assistant's last turn
    was written by the request that this one continues, and so is read; what is marked since then is written.
    """
    thought = sum(count(one.thought) for one in replies)
    output = thought + sum(one.spoken for one in replies)
    read, fresh, longer = _cache(asked)
    total = asked.tokens
    media = sum(part.tokens for turn in asked.turns for part in turn.parts if part.kind in ("image", "file"))
    if cached or written:
        read, longer = min(cached, total), 0
        fresh = min(written, total - read)
    return Usage(total, output, thought, read, fresh, longer, media)


def _cache(asked: Asked) -> tuple[int, int, int]:
    """Tokens read, written, and those of the written that are kept longer."""
    read = written = longer = since = 0
    for tokens, mark, before in asked.steps():
        since += tokens
        if mark is None:
            continue
        if before:
            read += since
        else:
            written += since
            longer += since if mark in HOUR else 0
        since = 0
    return read, written, longer
