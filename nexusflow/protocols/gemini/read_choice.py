"""One candidate of a Gemini answer as canonical events.

Google does not announce where a text begins or ends, or whether a call is whole; this decides both, so that no writer
has to. A whole answer is read as a stream of one frame.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Data, Ext, Finish, Logprob, Media, Opaque, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.events import Cited, Event, Finished, PartDelta, PartEnded, PartStarted
from nexusflow.protocols.common import ids, media
from nexusflow.protocols.gemini import grounding, names
from nexusflow.protocols.gemini.partial_args import PendingCall
from nexusflow.protocols.gemini.read_media import kind_of
from nexusflow.protocols.gemini.reply_wire import ABSENT, Blob, Call, Candidate, LogprobsResult, Part, Token, some
from nexusflow.protocols.gemini.tables import EXTRAS, MODIFIERS, ORIGIN, finish_of
from nexusflow.wire import jsonedit


class Choice:
    """The state of one candidate. Its methods append the events that follow from what has come."""

    __slots__ = (
        "_calls",
        "_family",
        "_ids",
        "_logprobs",
        "_message",
        "_number",
        "_open",
        "_pending",
        "_pieces",
        "_response",
        "_signature",
        "_texts",
        "extras",
        "finish",
        "grounding",
        "index",
    )

    def __init__(self, number: int, family: str, response: str) -> None:
        self._number = number
        self._family = family
        self._response = response
        self._open: bool | None = None  # whether the open part is a thought
        self._pieces: list[str] = []
        self._texts: list[tuple[int, str]] = []
        self._signature: str | None = None
        self._pending: PendingCall | None = None
        self._calls = 0
        self._ids: set[str] = set()
        self._logprobs: tuple[Logprob, ...] | None = None
        self.grounding: Raw | None = None
        self._message: str | None = None
        self.index = 0
        self.finish: str | None = None
        self.extras: Ext = {}

    def text(self, text: str, thought: bool, events: list[Event]) -> None:
        """More of a text or a thought."""
        if self._open is not thought or self._signature is not None:
            self._close(events)
            self._start(Thinking(text="", summary=True) if thought else Text(text=""), events)
            self._open = thought
        logprobs, self._logprobs = self._logprobs, None
        events.append(PartDelta(self.index, text, self._number, logprobs))
        if not thought:
            self._pieces.append(text)

    def part(self, part: Part, raw: Callable[[], Raw], events: list[Event]) -> None:
        """One part of any kind. `raw` gives it as it came."""
        if part.functionCall is not None:
            self._call(part.functionCall, part.thoughtSignature, events)
        elif part.inlineData is not None:
            if not part.thought:  # a thought's images are drafts, never part of the answer
                self._media(part.inlineData, part.thoughtSignature, events)
        elif part.text is not None or (part.thoughtSignature is not None and _is_bare(raw())):
            self._signed(part, events)
        else:
            self._unknown(raw(), events)

    def note(self, candidate: Candidate) -> None:
        """What stands beside the parts; the last of each kind counts."""
        if candidate.finishReason is not None:
            self.finish = candidate.finishReason
            self._message = candidate.finishMessage
        if candidate.logprobsResult is not None:
            self._logprobs = (self._logprobs or ()) + _logprobs(candidate.logprobsResult)
        if (
            candidate.groundingMetadata is ABSENT
            and candidate.citationMetadata is ABSENT
            and candidate.continuationToken is ABSENT
            and candidate.safetyRatings is ABSENT
            and candidate.urlContextMetadata is ABSENT
        ):
            return  # as nearly every frame
        for name in EXTRAS:
            value = some(getattr(candidate, name))
            if value is not None:
                self.extras[name] = value
        grounds = some(candidate.groundingMetadata)
        if grounds is not None and (self.grounding is None or grounding.parse(grounds).groundingChunks):
            self.grounding = grounds

    def end(self, events: list[Event]) -> None:
        """The end of the whole answer: whatever is open is closed, and the reason decided."""
        cut = self._pending is not None and self.finish == "MAX_TOKENS"
        if self._pending is not None:
            self._emit(self._pending, events)
        self._cite(events)
        self._close(events)
        reason = finish_of(self.finish, content=self.index > 0, calls=self._calls > 0 and not cut)
        events.append(Finished(Finish(reason=reason, raw=self.finish, text=self._message), self._number))

    def _signed(self, part: Part, events: list[Event]) -> None:
        """Text with a signature, which ends it: signed parts are never merged (protocols 1.5.5, T25)."""
        thought = bool(part.thought)
        if part.text:
            self.text(part.text, thought, events)
        elif part.thoughtSignature is None:
            return
        elif self._open is None or self._signature is not None:
            self._close(events)
            self._start(Text(text=""), events)
            self._open = False
        if part.thoughtSignature is not None:
            self._signature = part.thoughtSignature

    def _call(self, call: Call, signature: str | None, events: list[Event]) -> None:
        pending = self._pending
        if pending is not None and call.name and not _continues(pending, call):
            self._emit(pending, events)
            pending = None
        if pending is None:
            if not call.name or (call.id is not None and call.id in self._ids):
                return  # the end of a call that is over, or one told again (T09)
            pending = self._pending = PendingCall(call, signature)
        pending.feed(call)
        if not call.willContinue:
            self._emit(pending, events)

    def _emit(self, pending: PendingCall, events: list[Event]) -> None:
        self._pending = None
        self._close(events)
        call_id = pending.id
        if call_id is not None:
            self._ids.add(call_id)
            call_id = ids.tool_id(call_id)
        else:
            call_id = ids.made_id(self._response, self._number, self._calls)
        self._calls += 1
        name = names.restored(pending.name)
        call = ToolCall(id=call_id, name=name, arguments="", signature=self._opaque(pending.signature))
        self._start(call, events)
        events.append(PartDelta(self.index, pending.arguments, self._number))
        self._finish_part(None, events)

    def _media(self, blob: Blob, signature: str | None, events: list[Event]) -> None:
        self._close(events)
        mime = media.normal_mime(blob.mimeType)
        source = Data(mime, media.standard_base64(blob.data))
        self._start(Media(kind=kind_of(mime), source=source, signature=self._opaque(signature)), events)
        self._finish_part(None, events)

    def _unknown(self, raw: Raw, events: list[Event]) -> None:
        fields = jsonedit.split(bytes(raw))
        kind = next((name for name in fields if name not in MODIFIERS), None)
        if kind is None:
            return
        self._close(events)
        self._start(Unknown(origin=ORIGIN, type=kind, raw=raw), events)
        self._finish_part(None, events)

    def _start(self, part: Text | Thinking | ToolCall | Media | Unknown, events: list[Event]) -> None:
        events.append(PartStarted(self.index, part, self._number))

    def _close(self, events: list[Event]) -> None:
        if self._open is None:
            return
        said = None
        if self._pieces:
            said = "".join(self._pieces)
            self._texts.append((self.index, said))
            self._pieces = []
        self._open = None
        signature, self._signature = self._signature, None
        self._finish_part(self._opaque(signature), events, said if signature else None)

    def _finish_part(self, signature: Opaque | None, events: list[Event], said: str | None = None) -> None:
        events.append(PartEnded(self.index, self._number, signature, said=said))
        self.index += 1

    def _cite(self, events: list[Event]) -> None:
        """Google tells sources at the end. Those of the text that is open then get their places, others go without."""
        if self._open is not False or (self.grounding is None and "citationMetadata" not in self.extras):
            return
        texts = [*self._texts, (self.index, "".join(self._pieces))]
        for found in grounding.read(grounding.parse(self.grounding), self.extras.get("citationMetadata"), texts):
            citation = found.citation
            if found.text != len(texts) - 1:
                citation = msgspec.structs.replace(citation, start=None, end=None)
            events.append(Cited(self.index, citation, self._number))

    def _opaque(self, signature: str | None) -> Opaque | None:
        return Opaque(ORIGIN, self._family, signature) if signature else None


def _is_bare(raw: Raw) -> bool:
    """Whether a part holds a signature and nothing else."""
    return jsonedit.split(bytes(raw)).keys() <= MODIFIERS


def _continues(pending: PendingCall, call: Call) -> bool:
    """Whether a call that is named is the pending one told again (T09), rather than the next."""
    return call.name == pending.name and call.id == pending.id and (call.id is not None or bool(call.partialArgs))


def _logprobs(result: LogprobsResult) -> tuple[Logprob, ...]:
    tops = result.topCandidates or []
    found = []
    for at, token in enumerate(result.chosenCandidates or ()):
        others = (tops[at].candidates or ()) if at < len(tops) else ()
        found.append(_logprob(token, tuple(_logprob(other) for other in others)))
    return tuple(found)


def _logprob(token: Token, top: tuple[Logprob, ...] = ()) -> Logprob:
    return Logprob(token=token.token, logprob=token.logProbability, bytes=tuple(token.token.encode()), top=top)
