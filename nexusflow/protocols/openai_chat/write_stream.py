"""Canonical events as the stream of a Chat client, by the emitter rules of protocols 1.2.4.

The role comes once per choice, choices open in ascending order, calls are numbered from 0 with id, type and name only
in their first delta, every list of objects is indexed, the usage chunk is the last but `[DONE]`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from nexusflow.ir.events import (
    Cited,
    Done,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageSeen,
)
from nexusflow.ir.reply import Asked
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import errors, usage
from nexusflow.protocols.openai_chat.choice_writer import ChoiceWriter
from nexusflow.protocols.openai_chat.tables import TIERS
from nexusflow.protocols.openai_chat.write_parts import failure
from nexusflow.wire import sse

KEEP_ALIVE = b": ping\n\n"
_encode = msgspec.json.Encoder().encode


class StreamWriter:
    """`feed` returns the frames of one event, maybe none. After `Done` or `Failed` it returns nothing."""

    __slots__ = ("_asked", "_choices", "_head", "_over", "_tail", "_usage", "_with_usage")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        head = {
            "id": f"chatcmpl-{asked.response_id}",
            "object": "chat.completion.chunk",
            "created": asked.created,
            "model": asked.model,
        }
        self._head = b"data: " + _encode(head)[:-1]
        self._with_usage = asked.call.include_usage
        self._tail = b'}],"usage":null}\n\n' if self._with_usage else b"}]}\n\n"
        self._choices: list[ChoiceWriter] = []
        self._usage: Usage | None = None
        self._over = False

    def feed(self, event: Event) -> bytes:
        """The frames that tell `event`."""
        if self._over:
            return b""
        return _TELL[type(event)](self, event)

    def _started(self, event: Started) -> bytes:
        return self._choice(0)[1]

    def _choice(self, index: int) -> tuple[ChoiceWriter, bytes]:
        """The writer of one choice, and the frames that open it and those below it."""
        opened = b""
        while len(self._choices) <= index:
            at = len(self._choices)
            start = self._head + b',"choices":[{"index":%d,"delta":' % at
            writer = ChoiceWriter(self._asked.call, self._asked.response_id, start, self._tail)
            self._choices.append(writer)
            opened += writer.opening()
        return self._choices[index], opened

    def _part_started(self, event: PartStarted) -> bytes:
        writer, opened = self._choice(event.choice)
        return opened + writer.start(event.part)

    def _part_delta(self, event: PartDelta) -> bytes:
        return self._choices[event.choice].more(event.text, event.logprobs)

    def _cited(self, event: Cited) -> bytes:
        return self._choices[event.choice].cite(event.citation)

    def _part_ended(self, event: PartEnded) -> bytes:
        return self._choices[event.choice].stop(event.signature)

    def _usage_seen(self, event: UsageSeen) -> bytes:
        self._usage = event.usage
        return b""

    def _finished(self, event: Finished) -> bytes:
        problem = failure(event.finish)
        if problem is not None:
            return self._failed(Failed(problem))
        writer, opened = self._choice(event.choice)
        return opened + writer.finish(event.finish)

    def _done(self, event: Done) -> bytes:
        self._over = True
        if not self._with_usage or self._usage is None:
            return sse.DONE
        last: dict[str, Any] = {"choices": [], "usage": usage.write(self._usage)}
        if event.tier in TIERS:
            last["service_tier"] = TIERS[event.tier]
        return self._head + b"," + _encode(last)[1:] + b"\n\n" + sse.DONE

    def _failed(self, event: Failed) -> bytes:
        self._over = True
        return errors.event(event.problem)


_TELL: dict[type[Event], Callable[[StreamWriter, Any], bytes]] = {
    Started: StreamWriter._started,
    PartStarted: StreamWriter._part_started,
    PartDelta: StreamWriter._part_delta,
    Cited: StreamWriter._cited,
    PartEnded: StreamWriter._part_ended,
    UsageSeen: StreamWriter._usage_seen,
    Finished: StreamWriter._finished,
    Done: StreamWriter._done,
    Failed: StreamWriter._failed,
}
