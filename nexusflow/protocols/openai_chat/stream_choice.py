"""One choice of a provider's stream: its deltas as canonical events."""

import base64
import binascii

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Citation, Logprob, Opaque, Part, Refusal, Text, Thinking, Unknown
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.events import Event, Finished
from nexusflow.protocols.common import ids
from nexusflow.protocols.openai_chat import read_parts, reasoning_details
from nexusflow.protocols.openai_chat.stream_parts import PartKind, PartQueue, Queued
from nexusflow.protocols.openai_chat.tables import CHAT
from nexusflow.protocols.openai_chat.wire_reply import ABSENT, Annotation, Audio, Call, Choice, Detail, Message

MAX_AUDIO_CHARS = 64 * 1024 * 1024
_EMPTY: dict[PartKind, Part] = {"text": Text(text=""), "thinking": Thinking(text=""), "refusal": Refusal("")}


class ChoiceReader:
    """Feed it each chunk's choice. `read` and `end` raise `RequestRefused` where a stream contradicts itself.

    `meaningful` turns true with the first content, `cited` with the first annotation; `finish` is the provider's word
    once it has said one.
    """

    __slots__ = (
        "_answer",
        "_audio",
        "_audio_chars",
        "_by_index",
        "_calls",
        "_citations",
        "_index",
        "_logprobs",
        "_parts",
        "_refused",
        "_signature",
        "_stop",
        "_text",
        "_to",
        "cited",
        "finish",
        "meaningful",
    )

    def __init__(self, index: int, answer: str | None, to: Destination) -> None:
        self.finish: str | None = None
        self.meaningful = False
        self.cited = False
        self._index = index
        self._answer = answer
        self._to = to
        self._parts = PartQueue(index)
        self._by_index: dict[int, Queued] = {}
        self._calls: list[Queued] = []
        self._audio: list[Audio] = []
        self._audio_chars = 0
        self._citations: list[Citation] = []
        self._logprobs: tuple[Logprob, ...] = ()
        self._signature: Opaque | None = None
        self._stop: str | None = None
        self._refused = False
        self._text = 0

    def read(self, choice: Choice, delta: Message | None, out: list[Event]) -> None:
        """One step, `delta` being the message of `choice` or its delta.

        Members are read in the order in which a message is usually made: reasoning, text, what belongs to it, calls.
        """
        if choice.finish_reason:
            self.finish = choice.finish_reason
            self._stop = read_parts.stop_of(choice)
        if delta is None:
            return
        reasoning = delta.reasoning_content or delta.reasoning
        if delta.reasoning_details:
            self._details(delta.reasoning_details, reasoning, out)
        elif reasoning:
            self._prose("thinking", reasoning, out)
        refused: tuple[Logprob, ...] = ()
        if choice.logprobs is not ABSENT:
            logprobs, refused = read_parts.logprobs_of(choice.logprobs)
            self._logprobs += logprobs
        if delta.content:
            self._content(delta.content, out)
        elif self._logprobs:
            self._late_logprobs(out)
        if delta.refusal:
            self._refused = True
            self._prose("refusal", delta.refusal, out, logprobs=refused or None)
        self._rest(delta, out)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._call(call, out)
        if delta.function_call is not None:
            self._call(Call(index=-1, function=delta.function_call), out)

    def end(self, out: list[Event]) -> None:
        """The stream is over: what waited, then the finish."""
        if self._audio:
            self._whole(read_parts.audio_of(_joined(self._audio)), out)
        if self._citations:
            self._parts.add(self._queued("text"), out)
        for at, call in enumerate(self._calls):
            if not call.name:
                raise refuse(Kind.UPSTREAM, "The provider sent a tool call without a name.")
            if not call.id:
                call.id = ids.made_id(self._answer, self._index, at) if self._answer else ids.token("call_")
        last = self._parts.last
        if self._signature is not None and last is not None and last.signature is None:
            last.signature = self._signature
        self._parts.close_all(out)
        finish = read_parts.finish_of(self.finish, self._stop, called=bool(self._calls), refused=self._refused)
        out.append(Finished(finish, self._index))

    def cite(self, citation: Citation, out: list[Event]) -> None:
        """A source of the latest text, or of the next one when there is none yet."""
        last = self._parts.last
        if last is not None and last.kind == "text":
            self._parts.cite(last, citation, out)
        else:
            self._citations.append(citation)

    def _queued(self, kind: PartKind, *, part: Part | None = None, key: object = None) -> Queued:
        queued = Queued(kind, part or _EMPTY[kind], key=key, start=self._text)
        if kind == "text" and self._citations:
            queued.citations, self._citations = self._citations, []
        return queued

    def _prose(
        self,
        kind: PartKind,
        text: str,
        out: list[Event],
        *,
        logprobs: tuple[Logprob, ...] | None = None,
    ) -> None:
        self.meaningful = True
        last = self._parts.last
        if last is None or last.kind != kind:
            last = self._queued(kind)
            self._parts.add(last, out)
        self._parts.extend(last, text, out, logprobs)

    def _content(self, content: str | list[msgspec.Raw], out: list[Event]) -> None:
        if isinstance(content, str):
            logprobs = self._logprobs
            if logprobs:
                self._logprobs = ()
            self._prose("text", content, out, logprobs=logprobs or None)
            self._text += len(content)
            return
        for raw in content:
            piece = read_parts.read_piece(raw)
            if piece.thinking is not None:
                for text in read_parts.texts_of(piece.thinking):
                    self._prose("thinking", text, out)
            elif piece.type in ("text", "output_text"):
                if piece.text:
                    self._content(piece.text, out)
            else:
                part = read_parts.image_of(piece)
                self._whole(part or Unknown(origin=CHAT, type=piece.type or "", raw=msgspec.Raw(raw)), out)

    def _late_logprobs(self, out: list[Event]) -> None:
        """Probabilities of a token without text, such as half a character: they belong to the text that is open."""
        last = self._parts.last
        if last is not None and last.kind == "text":
            self._parts.extend(last, "", out, self._logprobs)
            self._logprobs = ()

    def _details(self, details: list[Detail], plain: str | None, out: list[Event]) -> None:
        """Reasoning with state. The same text often comes plain beside it, and counts once."""
        told = False
        for detail in details:
            if detail.type == "reasoning.encrypted":
                self._whole(reasoning_details.thinking_from_provider(detail, self._to), out)
                continue
            text = reasoning_details.text_of(detail)
            if not text and detail.signature is None:
                continue
            queued = self._thinking_of(detail, out)
            if text:
                told = True
                self._parts.extend(queued, text, out)
            part = reasoning_details.thinking_from_provider(detail, self._to)
            queued.signature = part.signature or queued.signature
        if plain and not told:
            self._prose("thinking", plain, out)

    def _thinking_of(self, detail: Detail, out: list[Event]) -> Queued:
        """The open reasoning if `detail` goes on with it, else a new one."""
        self.meaningful = True
        last = self._parts.last
        if last is not None and last.kind == "thinking" and (last.key is None or last.key == detail.index):
            return last
        part = Thinking(text="", summary=detail.type == "reasoning.summary", id=detail.id)
        queued = self._queued("thinking", part=part, key=detail.index)
        self._parts.add(queued, out)
        return queued

    def _whole(self, part: Part, out: list[Event]) -> None:
        self.meaningful = True
        self._parts.add(Queued("whole", part), out)

    def _call(self, call: Call, out: list[Event]) -> None:
        function, custom = call.function, call.custom
        if call.type == "custom" or (function is None and custom is not None):
            name, text = (custom.name, custom.input or "") if custom is not None else (None, "")
        else:
            name, text = (function.name, read_parts.arguments_of(function)) if function is not None else (None, "")
        if not (name or text or call.id):
            return
        queued = self._call_of(call, name, out)
        queued.id = queued.id or call.id or ""
        queued.name = queued.name or name or ""
        queued.custom = queued.custom or call.type == "custom"
        queued.signature = read_parts.signature_of(call.extra_content, self._to) or queued.signature
        if queued.kind == "call":
            self._parts.extend(queued, text, out) if text else self._parts.advance(out)
        elif text.strip():
            raise refuse(Kind.UPSTREAM, "The provider continued a tool call that was complete.")

    def _call_of(self, call: Call, name: str | None, out: list[Event]) -> Queued:
        """Which call a fragment belongs to: by its index, without one by its id, without either the latest.

        Some servers give every parallel call the index 0: another id with a name after a whole call is a new call.
        """
        if call.index is not None:
            found = self._by_index.get(call.index)
            if found is not None and name and call.id and found.id and call.id != found.id and found.complete():
                found = None
        elif call.id:
            found = next((one for one in self._calls if one.id == call.id), None)
        else:
            found = self._calls[-1] if self._calls and not name else None
        if found is None:
            self.meaningful = True
            found = Queued("call")
            self._calls.append(found)
            self._by_index[call.index if call.index is not None else -len(self._calls)] = found
            self._parts.add(found, out)
        return found

    def _rest(self, delta: Message, out: list[Event]) -> None:
        """What few chunks have."""
        for annotation in delta.annotations or ():
            self._annotate(annotation, out)
        for image in delta.images or ():
            part = read_parts.image_of(image)
            if part is not None:
                self._whole(part, out)
        if delta.audio is not None and (delta.audio.data or delta.audio.transcript or delta.audio.id):
            self.meaningful = True
            self._audio.append(delta.audio)
            self._audio_chars += len(delta.audio.data or "")
            if self._audio_chars > MAX_AUDIO_CHARS:
                raise refuse(Kind.UPSTREAM, "The provider sent more sound than can be held.")
        if delta.extra_content is not None:
            self._signature = read_parts.signature_of(delta.extra_content, self._to) or self._signature

    def _annotate(self, annotation: Annotation, out: list[Event]) -> None:
        last = self._parts.last
        before = last.start if last is not None and last.kind == "text" else self._text
        citation = read_parts.citation_of(annotation, before)
        if citation is not None:
            self.cited = True
            self.cite(citation, out)


def _joined(pieces: list[Audio]) -> Audio:
    """Fragments of sound as one. Each is base64 by itself."""
    try:
        data = b"".join(base64.b64decode(one.data) for one in pieces if one.data)
    except (binascii.Error, ValueError):
        raise refuse(Kind.UPSTREAM, "The provider sent sound that is not base64.") from None
    return Audio(
        id=next((one.id for one in pieces if one.id), None),
        data=base64.b64encode(data).decode(),
        transcript="".join(one.transcript or "" for one in pieces),
        expires_at=next((one.expires_at for one in pieces if one.expires_at is not None), None),
    )
