"""A provider's Gemini stream as canonical events. Sans-I/O: bytes in, events out.

There is no terminal frame: reasons to finish may come before the last content and usage is told with every frame, so
both wait for the end of the body, which alone tells whether the answer is whole (protocols 1.5.3, 2.4).
"""

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Ext, Finish, Refusal
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.events import Done, Event, Failed, Finished, PartDelta, PartEnded, PartStarted, Started, UsageSeen
from nexusflow.ir.usage import Usage
from nexusflow.protocols.common import ids
from nexusflow.protocols.gemini import errors, grounding, usage
from nexusflow.protocols.gemini.frames import Frames
from nexusflow.protocols.gemini.partial_args import BadPath
from nexusflow.protocols.gemini.read_choice import Choice
from nexusflow.protocols.gemini.reply_wire import ABSENT, Candidate, Frame, PromptFeedback, RawFrame, some
from nexusflow.wire import sse

_decode = msgspec.json.Decoder(Frame).decode
_decode_raw = msgspec.json.Decoder(RawFrame).decode
_TRUNCATED = Problem(kind=Kind.UPSTREAM, message="The provider's stream ended before its answer was complete.")
_MALFORMED = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is not valid.")
_TOO_LARGE = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is too large.")
_EMPTY = Problem(kind=Kind.UPSTREAM, message="The provider's answer is empty.", code="upstream_empty")
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadPath)


class StreamReader:
    """Feed it pieces of the body; `close` it at the end. After `Done` or `Failed` it returns nothing more."""

    __slots__ = ("_before", "_choices", "_family", "_feedback", "_frames", "_over", "_response", "_started", "_usage")

    def __init__(self, to: Destination) -> None:
        self._family = to.family
        self._frames = Frames()
        self._choices: dict[int, Choice] = {}
        self._started = False
        self._response = ""
        self._feedback: PromptFeedback | None = None
        self._usage: bytes | None = None
        self._before: list[Usage] = []
        self._over = False

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes."""
        if self._over:
            return []
        events: list[Event] = []
        found = self._frames.plain(piece)
        if found is None:
            try:
                found = self._frames.feed(piece)
            except sse.EventTooLarge:
                self._fail(_TOO_LARGE, events)
                return events
        for data in found:
            self.frame(data, events)
            if self._over:
                return events
        if self._frames.ended:
            self._finish(events)
        return events

    def close(self) -> list[Event]:
        """The events of the end: `Done` when every candidate had its reason, else `Failed`."""
        events: list[Event] = []
        if self._over:
            return events
        for data in self._frames.close():
            before = len(events)
            self.frame(data, events)
            if self._over and isinstance(events[-1], Failed) and events[-1].problem is _MALFORMED:
                # What the end cut in half says nothing: the frames before it tell whether the answer is whole.
                del events[before:]
                self._over = False
        if not self._over:
            self._finish(events)
        return events

    def usage(self) -> Usage | None:
        """What the provider has reported so far; the only way to know of a stream that failed or was left."""
        queries, maps = self._searches()
        last = usage.reported(self._usage, queries=queries, maps=maps)
        return last if not self._before else usage.summed((*self._before, *([last] if last is not None else [])))

    def extras(self, choice: int) -> Ext | None:
        """What a candidate brought that no event carries."""
        found = self._choices.get(choice)
        return found.extras or None if found is not None else None

    def frame(self, data: bytes, events: list[Event]) -> None:
        """One frame, or one whole answer."""
        try:
            frame = _decode(data)
            if frame.error is not ABSENT and some(frame.error) is not None:
                self._fail(errors.read_in_band(bytes(frame.error)), events)
                return
            self._read(frame, data, events)
        except _BROKEN:
            self._fail(_MALFORMED, events)
        except RequestRefused as refused:
            self._fail(refused.problem, events)

    def _read(self, frame: Frame, data: bytes, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            self._response = frame.responseId or ids.token("")
            events.append(Started(id=frame.responseId, model=frame.modelVersion))
        if frame.candidates and self._usage is not None:
            self._go_on(self._usage)
        mark = frame.usageMetadata
        if mark is not None and mark.counts:
            self._usage = data
        if frame.promptFeedback is not None and frame.promptFeedback.blockReason is not None:
            self._feedback = frame.promptFeedback
        for at, candidate in enumerate(frame.candidates or ()):
            number = candidate.index if candidate.index is not None else at
            choice = self._choices.get(number)
            if choice is None:
                choice = self._choices[number] = Choice(number, self._family, self._response)
            self._candidate(choice, candidate, data, at, events)

    def _go_on(self, used: bytes) -> None:
        """After CONTINUATION comes the next piece of the same answer, which counts its tokens anew (2.1.7)."""
        broken_off = [choice for choice in self._choices.values() if choice.finish == "CONTINUATION"]
        if not broken_off:
            return
        for choice in broken_off:
            choice.finish = None
        found = usage.reported(used, queries=None, maps=False)
        self._before += [found] if found is not None else []
        self._usage = None

    def _candidate(self, choice: Choice, candidate: Candidate, data: bytes, at: int, events: list[Event]) -> None:
        choice.note(candidate)
        content = candidate.content
        for place, part in enumerate(content.parts or ()) if content is not None else ():
            if part.text and part.thoughtSignature is None and part.functionCall is None:
                choice.text(part.text, bool(part.thought), events)
            else:
                choice.part(part, lambda place=place: _raw_part(data, at, place), events)  # type: ignore[misc]

    def _finish(self, events: list[Event]) -> None:
        if not self._choices and self._feedback is not None:
            self._blocked(self._feedback, events)
        elif not self._choices:
            self._fail(_TRUNCATED if self._started and self._usage is not None else _EMPTY, events)
            return
        elif any(choice.finish is None for choice in self._choices.values()):
            self._fail(_TRUNCATED, events)
            return
        for number in sorted(self._choices):
            self._choices[number].end(events)
        self._over = True
        found = self.usage()
        if found is not None:
            events.append(UsageSeen(found))
        extras = next((choice.extras for choice in self._choices.values() if choice.extras), None)
        events.append(Done(tier=found.tier if found is not None else None, ext=extras))

    def _blocked(self, feedback: PromptFeedback, events: list[Event]) -> None:
        """A prompt that was refused is an answer without candidates (protocols 1.5.2)."""
        events.append(PartStarted(0, Refusal("")))
        events.append(PartDelta(0, f"blocked: {feedback.blockReason}"))
        events.append(PartEnded(0))
        reason = Finish(reason="filter", raw=feedback.blockReason, text=feedback.blockReasonMessage)
        events.append(Finished(reason))

    def _fail(self, problem: Problem, events: list[Event]) -> None:
        self._over = True
        events.append(Failed(problem))

    def _searches(self) -> tuple[int | None, bool]:
        """How many web searches were made, and whether a map was asked; None without any grounding."""
        found = [grounding.parse(one.grounding) for one in self._choices.values() if one.grounding is not None]
        queries = sum(len(metadata.webSearchQueries or ()) for metadata in found)
        maps = any(chunk.maps is not None for metadata in found for chunk in metadata.groundingChunks or ())
        return (queries if found else None), maps


def _raw_part(data: bytes, candidate: int, part: int) -> Raw:
    content = (_decode_raw(data).candidates or [])[candidate].content
    return (content.parts or [])[part] if content is not None else Raw(b"{}")
