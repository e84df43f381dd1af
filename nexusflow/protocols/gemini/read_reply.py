"""A provider's whole Gemini answer in canonical form: read as a stream of one frame, then put together."""

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Candidate, Citation, Finish, Logprob, Part, Refusal, Text, Thinking, ToolCall
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.events import (
    Cited,
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
)
from nexusflow.ir.reply import ChatReply
from nexusflow.protocols.gemini.read_stream import StreamReader
from nexusflow.protocols.gemini.tables import ORIGIN


def read(body: bytes, to: Destination) -> ChatReply:
    """The answer. Raises `RequestRefused` for one that is malformed, empty, or an error in a 200."""
    reader = StreamReader(to)
    events: list[Event] = []
    if body.startswith(b"["):  # the pieces of an answer that was gone on with
        events += reader.feed(body)
    else:
        reader.frame(body, events)
    events += reader.close()
    choices: dict[int, _Gathered] = {}
    started = Started()
    for event in events:
        if isinstance(event, Failed):
            raise RequestRefused(event.problem)
        if isinstance(event, Started):
            started = event
        elif isinstance(event, PartStarted | PartDelta | Cited | PartEnded | Finished):
            choices.setdefault(event.choice, _Gathered()).add(event)
    usage = reader.usage()
    return ChatReply(
        origin=ORIGIN,
        candidates=tuple(choices[number].candidate(reader.extras(number)) for number in sorted(choices)),
        id=started.id,
        model=started.model,
        usage=usage,
        tier=usage.tier if usage is not None else None,
    )


class _Gathered:
    """One candidate while its events are put together."""

    __slots__ = ("_citations", "_finish", "_logprobs", "_open", "_parts", "_pieces")

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._open: Part | None = None
        self._pieces: list[str] = []
        self._citations: list[Citation] = []
        self._logprobs: list[Logprob] = []
        self._finish = Finish(reason="end")

    def add(self, event: PartStarted | PartDelta | Cited | PartEnded | Finished) -> None:
        if isinstance(event, PartStarted):
            self._open = event.part
        elif isinstance(event, PartDelta):
            self._pieces.append(event.text)
            self._logprobs += event.logprobs or ()
        elif isinstance(event, Cited):
            self._citations.append(event.citation)
        elif isinstance(event, PartEnded):
            self._end(event)
        else:
            self._finish = event.finish

    def _end(self, event: PartEnded) -> None:
        part, text = self._open, "".join(self._pieces)
        signature = event.signature
        match part:
            case None:
                return
            case Text():
                part = Text(text=text, citations=tuple(self._citations), signature=signature)
            case Thinking():
                part = msgspec.structs.replace(part, text=text, signature=signature)
            case ToolCall():
                part = msgspec.structs.replace(part, arguments=text)
            case Refusal():
                part = Refusal(text)
        self._parts.append(part)
        self._open, self._pieces, self._citations = None, [], []

    def candidate(self, extras: dict[str, Raw] | None) -> Candidate:
        return Candidate(
            parts=tuple(self._parts), finish=self._finish, logprobs=tuple(self._logprobs) or None, ext=extras
        )
