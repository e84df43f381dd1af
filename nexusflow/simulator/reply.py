"""What the simulated model says: a function of the request alone, so that the same request gets the same answer."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from nexusflow.simulator.asked import Asked, Part, texts
from nexusflow.simulator.instance import instance
from nexusflow.simulator.tokens import count, pieces
from nexusflow.simulator.tools import ToolCall, call_tools

MARK = "[simulated]"
THOUGHT = f"{MARK} The user asks; I echo."
REFUSAL = f"{MARK} I will not answer that."
ECHO_CHARACTERS = 2000
EVENT_BYTES = 4

Finish = Literal["end", "stop", "length", "tools", "refusal", "filter"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice before it takes a wire form.

    `finish` says why it ends: end, stop (at the sequence `stopped`), length, tools, refusal (`text` says so) or filter
    (`text` was cut off by the vendor).
    """

    text: str
    thought: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = "end"
    stopped: str | None = None

    @property
    def spoken(self) -> int:
        """Its tokens, without those of the thought."""
        return count(self.text) + sum(count(call.name) + count(call.payload) for call in self.calls)


def reply(
    asked: Asked, choice: int = 0, *, size: int | None = None, events: int | None = None, ending: str = ""
) -> Reply:
    """The reply of one choice. Plain text has `size` bytes where that is given, and enough for `events` deltas.

    `ending` is refusal or filter for a model that refuses or is cut off by a filter.
    """
    thought = THOUGHT if asked.thinks else ""
    if ending == "refusal":
        return _bounded(Reply(REFUSAL, thought, finish="refusal"), asked.bound)
    calls = call_tools(asked, choice)
    if calls:
        return _bounded(Reply("", thought, calls, "tools"), asked.bound)
    text = _text(asked, choice)
    if asked.wants is None:
        short = events is not None and len(text) < events
        text = _resized(text, (events or 0) * EVENT_BYTES if size is None and short else size)
    if ending == "filter":
        return _bounded(Reply(text[: len(text) // 2], thought, finish="filter"), asked.bound)
    found = [(text.find(stop), stop) for stop in asked.stops if stop and stop in text]
    if found:
        end, stop = min(found)
        return _bounded(Reply(text[:end], thought, finish="stop", stopped=stop), asked.bound)
    return _bounded(Reply(text, thought), asked.bound)


def _text(asked: Asked, choice: int) -> str:
    if isinstance(asked.wants, dict):
        return msgspec.json.encode(instance(asked.wants)).decode()
    mark = f"{MARK} (choice {choice})" if choice else MARK
    text = f"{mark} {' '.join(_said(asked))}"
    return msgspec.json.encode({"simulated": True, "reply": text}).decode() if asked.wants == "json" else text


def _said(asked: Asked) -> Iterator[str]:
    """The sentences of the echo."""
    latest = asked.latest
    if not latest and asked.turns and asked.turns[-1].role == "assistant":
        yield f"I go on from: {_echo(texts(asked.turns[-1].parts))}."
        return
    results = [part for part in latest if part.kind == "result"]
    said, media = texts(latest), list(_media(latest))
    if results:
        more = "." if said.strip() or media else ""
        yield f"The tool answered: {_echo('; '.join(texts(part.parts) for part in results))}{more}"
    if said.strip() or not results:
        yield f"You said: {_echo(said)}."
    for kind, verb in (("image", "see"), ("file", "hold")):
        found = [_describe(part.text) for part in media if part.kind == kind]
        if found:
            yield f"I {verb} {len(found)} {kind}{'' if len(found) == 1 else 's'}: {', '.join(found)}."


def _media(parts: Iterable[Part]) -> Iterator[Part]:
    """The images and files among `parts`, those in results of tools too."""
    for part in parts:
        if part.kind in ("image", "file"):
            yield part
        yield from _media(part.parts)


def _echo(text: str) -> str:
    left = len(text) - ECHO_CHARACTERS
    return text if left <= 0 else f"{text[:ECHO_CHARACTERS]} and {left} more characters"


def _describe(url: str) -> str:
    if not url.startswith("data:"):
        return f"at {url}"
    head, _, data = url[5:].partition(",")
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"{head.split(';')[0]} of unreadable data"
    return f"{head.split(';')[0]} of {size} bytes"


def _resized(text: str, size: int | None) -> str:
    """`text` cut or continued so that it has exactly `size` bytes; what it is continued with is ASCII."""
    if size is None:
        return text
    kept = text.encode()[:size].decode(errors="ignore")
    missing = size - len(kept.encode())
    return kept + (" and so on" * (missing // 10 + 1))[:missing]


def _bounded(whole: Reply, bound: int | None) -> Reply:
    """`whole` within `bound` tokens: thinking spends first, as with a real provider, then text, then calls."""
    if bound is None:
        return whole
    thought, left = _cut(whole.thought, bound)
    text, left = _cut(whole.text, left)
    calls = []
    for call in whole.calls:
        left -= count(call.name)
        if left < 0:
            break
        payload, left = _cut(call.payload, left)
        calls.append(replace(call, payload=payload))
    kept = replace(whole, thought=thought, text=text, calls=tuple(calls))
    return kept if kept == whole else replace(kept, finish="length", stopped=None)


def _cut(text: str, tokens: int) -> tuple[str, int]:
    """The first `tokens` tokens of `text`, and how many of them it left over."""
    found = count(text)
    return (text, tokens - found) if found <= tokens else ("".join(pieces(text)[:tokens]), 0)
