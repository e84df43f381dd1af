"""A provider's chat stream as canonical events, with every dialect of protocols 1.2.4 levelled.

Ends are decided here: a stream that stops before each of its choices has finished is `Failed`, never silence
(protocols 1.10.3). A provider that answers with one whole JSON answer instead of a stream is understood too (2.10).
Sans-I/O: bytes in, events out.
"""

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.events import Done, Event, Failed, Started, UsageSeen
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import errors, usage
from nexusflow.protocols.openai_chat.read_parts import numbered, read_answer, sources_of
from nexusflow.protocols.openai_chat.stream_choice import ChoiceReader
from nexusflow.protocols.openai_chat.wire_reply import ABSENT, Answer, Choice, says
from nexusflow.wire import sse

_DONE = b"[DONE]"
_TRUNCATED = Problem(kind=Kind.UPSTREAM, message="The provider's stream ended before its answer was complete.")
_MALFORMED = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is not a chat completion chunk.")
_TOO_LARGE = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is too large.")
_EMPTY = Problem(kind=Kind.UPSTREAM, message="The provider's answer is empty.")


class StreamReader:
    """`feed` and `close` return the events that became certain; after `Done` or `Failed` there are none."""

    __slots__ = (
        "_begun",
        "_choices",
        "_citations",
        "_fingerprint",
        "_id",
        "_metered",
        "_over",
        "_results",
        "_splitter",
        "_started",
        "_tier",
        "_to",
        "_whole",
        "_zero",
    )

    def __init__(self, to: Destination) -> None:
        self._to = to
        self._splitter = sse.Splitter()
        self._choices: dict[int, ChoiceReader] = {}
        self._begun = False
        self._started = False
        self._over = False
        self._whole: bytearray | None = None
        self._id: str | None = None
        self._tier: str | None = None
        self._fingerprint: str | None = None
        self._citations = ABSENT
        self._results = ABSENT
        self._metered = False
        self._zero: Usage | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """Events of `piece`, which may end anywhere."""
        out: list[Event] = []
        if self._over:
            return out
        if not self._begun:
            self._look(piece)
        if self._whole is not None:
            self._whole += piece
            if len(self._whole) > sse.MAX_EVENT_BYTES:
                self._fail(_TOO_LARGE, out)
            return out
        found = self._splitter.plain(piece)
        if found is None:
            try:
                events = self._splitter.feed(piece)
            except sse.EventTooLarge:
                self._fail(_TOO_LARGE, out)
                return out
            found = [event.data for event in events if event.data]
        self._read(found, out)
        return out

    def close(self) -> list[Event]:
        """At the end of the upstream body. What it cut in half says nothing; the events before it decide."""
        out: list[Event] = []
        if self._over:
            return out
        if self._whole is not None:
            self._read([bytes(self._whole), _DONE], out)
            return out
        last = [event.data for event in self._splitter.close() if event.data]
        if last and (last[0] == _DONE or _is_json(last[0])):
            self._read(last, out)
        if not self._over:
            if self._choices and all(choice.finish for choice in self._choices.values()):
                self._end(out)
            else:
                self._fail(_TRUNCATED, out)
        return out

    def _look(self, piece: bytes) -> None:
        """A body whose first character is a brace is no event stream."""
        start = piece.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start:
            self._begun = True
            if start.startswith(b"{"):
                self._whole = bytearray()

    def _read(self, found: list[bytes], out: list[Event]) -> None:
        try:
            for data in found:
                if data == _DONE:
                    self._end(out)
                else:
                    self._chunk(read_answer(data), out)
                if self._over:
                    return
        except RequestRefused as refused:
            self._fail(refused.problem, out)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._fail(_MALFORMED, out)

    def _chunk(self, chunk: Answer, out: list[Event]) -> None:
        if chunk.error is not ABSENT and says(chunk.error):
            if self._started:
                self._usage(chunk.usage, out)
            raise RequestRefused(errors.read_in_band(bytes(chunk.error)))
        if not self._started:
            self._start(chunk, out)
        if chunk.service_tier:
            self._tier = chunk.service_tier
        if chunk.system_fingerprint:
            self._fingerprint = chunk.system_fingerprint
        for choice in chunk.choices or ():
            reader = self._choices.get(choice.index or 0)
            if reader is None:
                reader = self._open(choice.index or 0)
            reader.read(choice, choice.delta or numbered(choice.message), out)
            if choice.finish_reason or choice.error is not ABSENT or choice.usage is not ABSENT:
                self._closing(choice, out)
        if chunk.usage is not ABSENT:
            self._usage(chunk.usage, out)
        elif chunk.x_groq is not None:
            self._usage(chunk.x_groq.usage, out)
        if chunk.citations is not ABSENT:
            self._citations, self._results = chunk.citations, chunk.search_results

    def _start(self, chunk: Answer, out: list[Event]) -> None:
        self._started = True
        self._id = chunk.id or None
        created = int(chunk.created) if chunk.created else None
        out.append(Started(id=self._id, model=chunk.model or None, created=created))

    def _open(self, index: int) -> ChoiceReader:
        reader = self._choices[index] = ChoiceReader(index, self._id, self._to)
        return reader

    def _closing(self, choice: Choice, out: list[Event]) -> None:
        """What stands on a choice's last step alone."""
        if says(choice.error):
            raise RequestRefused(errors.read_in_band(bytes(choice.error)))
        self._usage(choice.usage, out)

    def _usage(self, raw: Raw, out: list[Event]) -> None:
        if says(raw):
            seen = usage.read(bytes(raw), tier=self._tier)
            if seen.total:
                self._metered = True
                out.append(UsageSeen(seen))
            elif seen.input_text is not None and seen.output_text is not None:
                self._zero = seen

    def _end(self, out: list[Event]) -> None:
        if not any(choice.meaningful or choice.finish for choice in self._choices.values()):
            self._fail(_EMPTY, out)
            return
        try:
            for index in sorted(self._choices):
                choice = self._choices[index]
                for citation in () if choice.cited else sources_of(self._citations, self._results):
                    choice.cite(citation, out)
                choice.end(out)
        except RequestRefused as refused:
            self._fail(refused.problem, out)
            return
        self._over = True
        if self._zero is not None and not self._metered:
            out.append(UsageSeen(self._zero))  # where there is nothing else, zeros are the report (U-33)
        ext = {"system_fingerprint": Raw(msgspec.json.encode(self._fingerprint))} if self._fingerprint else None
        out.append(Done(self._tier, ext))

    def _fail(self, problem: Problem, out: list[Event]) -> None:
        self._over = True
        out.append(Failed(problem))


def _is_json(data: bytes) -> bool:
    try:
        read_answer(data)
    except msgspec.ValidationError:
        return True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
