"""Canonical events to a Messages stream for a client (protocols 1.4.3, 2.3, 2.6).

Blocks are numbered from 0 without gaps and never overlap. A thinking block without a signature is closed only when the
next event says whether it gets one: that of the following call or text, which have no place for it here.
"""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Finish, Media, Opaque, Part, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import Problem
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
from nexusflow.protocols.anthropic import citations, errors, reply_parts, tables
from nexusflow.protocols.anthropic import usage as usage_record
from nexusflow.protocols.common import arguments, ids

KEEP_ALIVE = b'event: ping\ndata: {"type": "ping"}\n\n'

_encode = msgspec.json.encode
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
_END = b"}}\n\n"
_TEXT = (b"text_delta", b"text")
_THINKING = (b"thinking_delta", b"thinking")
_INPUT = (b"input_json_delta", b"partial_json")


class StreamWriter:
    """Events in, frames out. Of several choices only the first has a place in this protocol."""

    __slots__ = (
        "_asked",
        "_custom",
        "_finish",
        "_index",
        "_over",
        "_prefix",
        "_refused",
        "_signature",
        "_started",
        "_thinking",
        "_unsigned",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._index = -1
        self._prefix = b""
        self._custom: list[str] | None = None
        self._thinking = False
        self._signature: Opaque | None = None
        self._unsigned = False
        self._refused = False
        self._started = False
        self._over = False
        self._finish = Finish(reason="end")
        self._usage: Usage | None = None

    def feed(self, event: Event) -> bytes:
        """The frames for one event; nothing after the end."""
        if type(event) is PartDelta:
            return self._delta(event)
        if self._over or getattr(event, "choice", False):
            return b""
        match event:
            case PartStarted():
                return self._begin() + self._part_started(event.part)
            case PartEnded():
                return self._part_ended(event)
            case Cited():
                return self._cited(event)
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                return self._finished(event.finish)
            case Done():
                return self._done(event)
            case Failed():
                return self._fail(event.problem)
        return b""

    def _delta(self, event: PartDelta) -> bytes:
        if event.choice or not self._prefix or not event.text:
            return b""
        if self._custom is not None:
            self._custom.append(event.text)
            return b""
        return self._prefix + _encode(event.text) + _END

    def _begin(self) -> bytes:
        """`message_start`, once. It waits for the first part, so that it can name the prompt's tokens if it is told."""
        if self._started:
            return b""
        self._started = True
        message = reply_parts.message(self._asked.model, self._asked.response_id, self._usage)
        return _frame({"type": "message_start", "message": message}) + KEEP_ALIVE

    def _part_started(self, part: Part) -> bytes:
        lent = part.signature if isinstance(part, ToolCall | Text) else None
        frames = b""
        if self._unsigned:
            frames = self._sign(lent)
        elif lent is not None:
            frames = self._carrier(lent)
        match part:
            case Text() | Refusal():
                self._refused = self._refused or isinstance(part, Refusal)
                frames += self._open({"type": "text", "text": ""}, _TEXT)
            case Thinking(redacted=True):
                if part.signature is not None:
                    frames += self._whole({"type": "redacted_thinking", "data": reply_parts.signature(part.signature)})
            case Thinking():
                self._thinking = True
                self._signature = part.signature
                frames += self._open({"type": "thinking", "thinking": "", "signature": ""}, _THINKING)
            case ToolCall():
                frames += self._call(part)
            case Unknown(origin=tables.ORIGIN):
                frames += self._whole(part.raw)
            case Media():
                return frames + self._fail(reply_parts.no_place(part))
        return frames

    def _call(self, part: ToolCall) -> bytes:
        self._custom = [] if part.custom else None
        block: dict[str, Any] = {"type": "tool_use", "id": ids.tool_id(part.id), "name": part.name, "input": {}}
        if part.ext is not None and "caller" in part.ext:
            block["caller"] = part.ext["caller"]
        return self._open(block, _INPUT)

    def _part_ended(self, event: PartEnded) -> bytes:
        if not self._prefix:
            return b""
        frames = b""
        if self._custom is not None:
            frames = self._prefix + _encode(arguments.wrap_custom("".join(self._custom))) + _END
        self._prefix, self._custom = b"", None
        if not self._thinking:
            frames += self._stop()
            # A text that is over cannot be preceded any more, and clients take the last block for the answer: what
            # was said is known again by its words when it comes back, and only other parts need a block behind them.
            unsaid = event.signature is not None and not event.said
            return frames + self._carrier(event.signature) if unsaid and event.signature is not None else frames
        self._thinking = False
        self._unsigned = True
        signature = event.signature or self._signature
        return self._sign(signature) if signature is not None else b""

    def _cited(self, event: Cited) -> bytes:
        citation = citations.write(event.citation)
        if citation is None or not self._prefix:
            return b""
        delta = {"type": "citations_delta", "citation": citation}
        return _frame({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _finished(self, finish: Finish) -> bytes:
        self._finish = finish
        problem = reply_parts.failure(finish)
        if problem is not None:
            return self._fail(problem)
        return self._sign(None) if self._unsigned else b""

    def _done(self, event: Done) -> bytes:
        delta = reply_parts.stop(self._finish, refused=self._refused)
        if event.ext is not None and "container" in event.ext:
            delta["container"] = event.ext["container"]
        body: dict[str, Any] = {"type": "message_delta", "delta": delta, "usage": usage_record.complete(self._usage)}
        frames = self._begin() + _frame(body) + _STOP
        self._over = True
        return frames

    def _fail(self, problem: Problem) -> bytes:
        self._over = True
        self._prefix = b""
        return errors.event(problem, self._asked.response_id)

    def _open(self, block: dict[str, Any], delta: tuple[bytes, bytes]) -> bytes:
        frame = self._start(block)
        self._prefix = _DELTA % (self._index, *delta)
        return frame

    def _whole(self, block: dict[str, Any] | Raw) -> bytes:
        return self._start(block) + self._stop()

    def _carrier(self, state: Opaque) -> bytes:
        """An empty thinking block that brings the state of a part which has no place for it (T89)."""
        frames = self._start({"type": "thinking", "thinking": "", "signature": ""})
        return frames + self._sign(state)

    def _sign(self, state: Opaque | None) -> bytes:
        """The whole signature of the open thinking block, once, and its end (T90)."""
        self._unsigned = False
        signature = _encode(reply_parts.signature(state))
        return _DELTA % (self._index, b"signature_delta", b"signature") + signature + _END + self._stop()

    def _start(self, block: dict[str, Any] | Raw) -> bytes:
        self._index += 1
        return _frame({"type": "content_block_start", "index": self._index, "content_block": block})

    def _stop(self) -> bytes:
        return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % self._index


def _frame(body: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (body["type"].encode(), _encode(body))
