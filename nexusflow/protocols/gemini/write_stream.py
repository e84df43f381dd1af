"""Canonical events as the stream of a Gemini client: `data:` lines with JSON and nothing else (protocols 0.3, 2.5).

Calls are written whole, because their arguments must be an object; usage and the reasons to finish wait for the end.
A text frame is the common case: one string encoded, and the rest spliced from ready bytes.
"""

from typing import Any

import msgspec

from nexusflow.ir.chat import Citation, Ext, Finish, Logprob, Media, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.events import (
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    UsageSeen,
)
from nexusflow.ir.reply import Asked
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import errors, grounding, signatures
from nexusflow.protocols.gemini import usage as usage_form
from nexusflow.protocols.gemini.reply_parts import Written, call_part, media_part, signed, unknown_part
from nexusflow.protocols.gemini.tables import EXTRAS
from nexusflow.protocols.gemini.write_reply import closing, finish_reason, logprobs_result, shows_thoughts

KEEP_ALIVE = b"\r\n"
"""A bare blank line: the SDKs take a comment for a broken frame."""

_encode = msgspec.json.Encoder().encode
_END = b"\r\n\r\n"


class _Open:
    """One choice: its open part, what that part still gathers, and what waits for the end."""

    __slots__ = ("cited", "finish", "head", "held", "logprobs", "part", "pieces", "refusal", "tail", "texts")

    def __init__(self, number: int, tail: bytes) -> None:
        self.head = b'data: {"candidates":[{"content":{"parts":[{"text":'
        self.tail = b'}],"role":"model"},"index":%d}],' % number + tail
        self.part: Text | Thinking | Refusal | ToolCall | Media | Unknown | None = None
        self.pieces: list[str] = []
        self.held: list[Thinking] = []
        self.texts: list[str] = []
        self.cited: list[Citation] = []
        self.logprobs: list[Logprob] = []
        self.refusal = ""
        self.finish: Finish | None = None


class StreamWriter:
    """Feed it every event in order, and send what it returns. Raises `RequestRefused` for an answer without a form."""

    __slots__ = ("_choices", "_tail", "_thoughts", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._thoughts = shows_thoughts(asked)
        self._tail = b'"modelVersion":' + _encode(asked.model) + b',"responseId":' + _encode(asked.response_id) + b"}"
        self._choices: dict[int, _Open] = {}
        self._usage: Usage | None = None

    def feed(self, event: Event) -> bytes:
        """The frames that `event` makes; most often one, or none."""
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                return self._start(event)
            case PartEnded():
                return self._end(event)
            case Cited():
                choice = self._choice(event.choice)
                before = sum(map(len, choice.texts))  # offsets count from the start of the whole answer
                choice.cited.append(_moved(event.citation, before))
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                finish_reason(event.finish)  # a failure is told at once, and not as an end
                self._choice(event.choice).finish = event.finish
            case Done():
                return self._close(event.ext)
            case Failed():
                return errors.event(event.problem)
        return b""

    def _choice(self, number: int) -> _Open:
        found = self._choices.get(number)
        if found is None:
            found = self._choices[number] = _Open(number, self._tail + _END)
        return found

    def _start(self, event: PartStarted) -> bytes:
        choice = self._choice(event.choice)
        part = event.part
        if isinstance(part, Text | Thinking | Refusal | ToolCall | Media | Unknown):
            choice.part = part
        choice.pieces = []
        if isinstance(part, Media):
            written = media_part(part)
            return b"" if written is None else self._frame(event.choice, [written])
        if isinstance(part, Unknown):
            return self._frame(event.choice, [unknown_part(part)])
        return b""

    def _delta(self, event: PartDelta) -> bytes:
        choice = self._choices[event.choice]
        part = choice.part
        choice.pieces.append(event.text)
        if isinstance(part, ToolCall):
            return b""
        if isinstance(part, Thinking):
            if not self._thoughts:
                return b""
            return choice.head + _encode(event.text) + b',"thought":true' + choice.tail
        if event.logprobs:
            choice.logprobs += event.logprobs
            if not event.text:
                return b""
        return choice.head + _encode(event.text) + choice.tail

    def _end(self, event: PartEnded) -> bytes:
        choice = self._choices[event.choice]
        part, text = choice.part, "".join(choice.pieces)
        choice.part = None
        match part:
            case ToolCall():
                call = msgspec.structs.replace(part, arguments=text or part.arguments)
                signature = signatures.native(event.signature or part.signature) or self._release(choice)
                return self._frame(event.choice, [call_part(call, signature)])
            case Thinking():
                if event.signature is not None or part.signature is not None:
                    signature_of = event.signature or part.signature
                    choice.held.append(msgspec.structs.replace(part, text=text, signature=signature_of))
            case Text():
                choice.texts.append(text)
                native = signatures.native(event.signature or part.signature)
                if native is not None:
                    return self._frame(event.choice, [{"text": "", "thoughtSignature": native}])
            case Refusal():
                choice.texts.append(text)
                choice.refusal += text
        return b""

    def _close(self, extras: Ext | None) -> bytes:
        """The last frame: every choice's reason to finish, and the usage."""
        candidates = [self._last(number, self._choices[number]) for number in sorted(self._choices)]
        if candidates and extras:
            candidates[0].update((name, extras[name]) for name in EXTRAS if name in extras)
        frame: dict[str, Any] = {"candidates": candidates}
        if self._usage is not None:
            frame["usageMetadata"] = usage_form.write(self._usage)
        return b"data: " + _encode(frame)[:-1] + b"," + self._tail + _END

    def _last(self, number: int, choice: _Open) -> dict[str, Any]:
        parts = [signed({"text": ""}, self._release(choice))]
        found: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": number}
        found.update(closing(choice.finish or Finish(reason="end"), choice.refusal))
        sources = grounding.write([(0, "".join(choice.texts), choice.cited)])
        if sources is not None:
            found["groundingMetadata"] = sources
        if choice.logprobs:
            found["logprobsResult"] = logprobs_result(tuple(choice.logprobs))
        return found

    def _frame(self, number: int, parts: list[Written]) -> bytes:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": number}
        return b'data: {"candidates":[' + _encode(candidate) + b"]," + self._tail + _END

    def _release(self, choice: _Open) -> str | None:
        held, choice.held = choice.held, []
        return signatures.carry(held)


def _moved(citation: Citation, by: int) -> Citation:
    if citation.start is None or citation.end is None:
        return citation
    return msgspec.structs.replace(citation, start=citation.start + by, end=citation.end + by)
