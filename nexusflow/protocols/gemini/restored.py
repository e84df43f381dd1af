"""Blocks of reasoning put back where they stood in a turn that a Gemini client sends again (protocols 2.7)."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from nexusflow.ir.chat import Part, Thinking, ToolCall, ToolResult
from nexusflow.protocols.gemini.signatures import Carried


def restored(parts: Sequence[Part], carried: Sequence[Carried]) -> list[Part]:
    """The turn's parts since the last that carried anything, with the state on the thoughts that it belongs to.

    A block takes as many characters as it had from the thoughts since the last call, in whatever pieces they came; one
    without text stands beside its neighbours, or first. Where the texts do not add up the client dropped or changed
    some: then state is of no use, because its maker refuses it with a text other than its own.
    """
    start = max((at + 1 for at, part in enumerate(parts) if isinstance(part, ToolCall | ToolResult)), default=0)
    shown = [at for at in range(start, len(parts)) if _unsigned(parts[at])]
    text = "".join(_text(parts[at]) for at in shown)
    told = [block.length for block in carried if not block.redacted]
    lengths = [len(text)] if told == [None] else [length or 0 for length in told]
    whole = sum(lengths) == len(text) and (None not in told or len(told) == 1)
    placed: dict[int, list[Part]] = {}
    where = shown[0] if shown else start
    ends = list(accumulate(len(_text(parts[at])) for at in shown))
    used = 0
    for block in carried:
        length = 0 if block.redacted else lengths.pop(0)
        if length and not whole:
            continue
        if length:
            where = shown[bisect_right(ends, used)]
        found = Thinking(text=text[used : used + length], signature=block.opaque, redacted=block.redacted)
        placed.setdefault(where, []).append(found)
        used += length
    gone = frozenset(shown) if whole else frozenset()
    return [
        one
        for at in range(len(parts) + 1)
        for one in (*placed.get(at, ()), *(() if at in gone else parts[at : at + 1]))
    ]


def _unsigned(part: Part) -> bool:
    return isinstance(part, Thinking) and part.signature is None


def _text(part: Part) -> str:
    return part.text if isinstance(part, Thinking) else ""
