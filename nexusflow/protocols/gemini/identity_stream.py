"""A provider's Gemini stream on the identity lane.

Every frame is checked and forwarded under the model's public name. The client's SDKs take nothing but `data:` lines
with JSON and blank lines (protocols 0.3), so comments, names and a `[DONE]` end here. There is no terminal frame: only
the end of the body tells whether every candidate had its reason to finish. Sans-I/O: bytes in, bytes out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.usage import Usage
from nexusflow.protocols.gemini import errors, usage
from nexusflow.protocols.gemini.frames import Frames
from nexusflow.protocols.gemini.usage import UsageMark
from nexusflow.wire import jsonedit, sse

_TRUNCATED = Problem(kind=Kind.UPSTREAM, message="The provider's stream ended before its answer was complete.")
_MALFORMED = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is not valid JSON.")
_TOO_LARGE = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is too large.")
_EMPTY = Problem(kind=Kind.UPSTREAM, message="The provider's answer is empty.")


class _Parts(Struct, frozen=True):
    parts: list[Raw] | None = None


class _Place(Struct, frozen=True, gc=False):
    pass


class _Chunk(Struct, frozen=True):
    maps: _Place | None = None


class _Grounding(Struct, frozen=True):
    webSearchQueries: list[Raw] | None = None
    groundingChunks: list[_Chunk] | None = None


class _Peek(Struct, frozen=True):
    index: int = 0
    finishReason: str | None = None
    groundingMetadata: _Grounding | None = None


class _FirstPeek(_Peek, frozen=True):
    content: _Parts | None = None


class _Feedback(Struct, frozen=True, gc=False):
    blockReason: str | None = None


class Searches(NamedTuple):
    """Web searches that are charged for, and whether a map was asked."""

    queries: int
    maps: bool


class FramePeek(Struct, frozen=True):
    """The least of a frame: enough to know errors, ends and usage. Decoding it proves the JSON well-formed."""

    candidates: list[_Peek] | None = None
    modelVersion: str | None = None
    usageMetadata: UsageMark | None = None
    promptFeedback: _Feedback | None = None
    error: Any = None

    @property
    def blocked(self) -> bool:
        """Whether the prompt was refused."""
        return self.promptFeedback is not None and self.promptFeedback.blockReason is not None

    def searches(self) -> Searches | None:
        """What grounds the answer; None when nothing does."""
        found = [one.groundingMetadata for one in self.candidates or () if one.groundingMetadata is not None]
        if not found:
            return None
        queries = sum(len(one.webSearchQueries or ()) for one in found)
        return Searches(queries, any(chunk.maps is not None for one in found for chunk in one.groundingChunks or ()))


class FirstFramePeek(FramePeek, frozen=True):
    """The same, and whether there is content in it."""

    candidates: list[_FirstPeek] | None = None  # type: ignore[assignment]  # narrower, and never written

    @property
    def hollow(self) -> bool:
        """Whether nothing is said, nothing ended, and nothing was refused (U-34)."""
        said = (one.finishReason is not None or (one.content and one.content.parts) for one in self.candidates or ())
        return not self.blocked and not any(said)


_peek = msgspec.json.Decoder(FramePeek).decode
_peek_first = msgspec.json.Decoder(FirstFramePeek).decode
_peek_many = msgspec.json.Decoder(list[FirstFramePeek]).decode


def used(answer: bytes | None, searches: Searches | None) -> Usage | None:
    """What an answer or a frame reports of its use; None when it says nothing of tokens."""
    if searches is None:
        return usage.reported(answer, queries=None, maps=False)
    return usage.reported(answer, queries=searches.queries, maps=searches.maps)


class IdentityStream:
    """Feed it pieces, forward what it returns, and look at `problem` and `done` after each.

    `meaningful` turns true with the first content; until then a failure can still be a real HTTP status (R-20).
    `hide_usage` is taken for the sake of the interface: Google reports usage unasked, so there is nothing to hide.
    """

    __slots__ = (
        "_blocked",
        "_finished",
        "_frames",
        "_names",
        "_opened",
        "_public",
        "_searches",
        "_usage",
        "done",
        "meaningful",
        "problem",
    )

    def __init__(self, public_model: Raw, *, hide_usage: bool = False) -> None:
        self._public = bytes(public_model)
        self._frames = Frames()
        self._names: dict[str, tuple[tuple[bytes, bytes], ...]] = {}
        self._opened: set[int] = set()
        self._finished: set[int] = set()
        self._blocked = False
        self._usage: bytes | None = None
        self._searches: Searches | None = None
        self.done = False
        self.meaningful = False
        self.problem: Problem | None = None

    def feed(self, piece: bytes) -> bytes:
        """The frames to forward for `piece`; those before a failing one when `problem` is set, and none after it."""
        if self.problem is not None:
            return b""
        frames = self._forward_plain(piece)
        if frames is not None:
            return frames
        try:
            found = self._frames.feed(piece)
        except sse.EventTooLarge:
            self.problem = _TOO_LARGE
            return b""
        frames = self._forward(found)
        if self._frames.ended and self.problem is None:
            self._judge()
        return frames

    def close(self) -> bytes:
        """At the end of the upstream body: the last frames, and whether the answer was whole."""
        if self.done or self.problem is not None:
            return b""
        frames = self._forward(self._frames.close())
        if self.problem is _MALFORMED:
            # What the end cut in half says nothing: whether the answer is whole was decided by the frames before it.
            self.problem = None
        if self.problem is None:
            self._judge()
        return frames

    def usage(self) -> Usage | None:
        """What the provider last said was consumed; its counts are totals, never added up (T42)."""
        return used(self._usage, self._searches)

    def _judge(self) -> None:
        if self._blocked or (self._opened and self._opened == self._finished):
            self.done = True
        else:
            self.problem = _TRUNCATED if self._opened or self.meaningful else _EMPTY

    def _forward_plain(self, piece: bytes) -> bytes | None:
        """`piece` at once, when all its frames are ordinary ones of one model; None when it needs a closer look."""
        found = self._frames.plain(piece)
        if found is None:
            return None
        try:
            peeks = self._peek_all(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if len(peeks) != len(found):
            return None
        model = peeks[0].modelVersion
        for peek in peeks:
            if not peek.candidates or peek.modelVersion != model or peek.error is not None:
                return None
        if model is not None:
            renamed = self._rename(piece, model, len(peeks))
            if renamed is None:
                return None
            piece = renamed
        for data, peek in zip(found, peeks, strict=True):
            self._note(data, peek)
        return piece

    def _peek_all(self, found: list[bytes]) -> Sequence[FramePeek]:
        if len(found) == 1:
            return (_peek(found[0]) if self.meaningful else _peek_first(found[0]),)
        return _peek_many(b"[" + b",".join(found) + b"]")

    def _rename(self, text: bytes, model: str, times: int) -> bytes | None:
        """The public model name where the upstream's stands, if it stands there as often as it should."""
        if text.count(b'"modelVersion"') != times:
            return None
        for old, new in self._spellings(model):
            around = text.split(old)
            if len(around) == times + 1:
                return new.join(around) if old != new else text
        return None

    def _spellings(self, model: str) -> tuple[tuple[bytes, bytes], ...]:
        """How the upstream spells its model field, compact or with a space, and how ours is spelled instead."""
        known = self._names.get(model)
        if known is None:
            name = bytes(jsonedit.text(model))
            forms = (b'"modelVersion":', b'"modelVersion": ')
            known = self._names[model] = tuple((form + name, form + self._public) for form in forms)
        return known

    def _forward(self, found: list[bytes]) -> bytes:
        frames: list[bytes] = []
        for data in found:
            frame = self._frame(data)
            if self.problem is not None:
                break
            frames.append(b"data: " + frame + b"\r\n\r\n")
        return b"".join(frames)

    def _frame(self, data: bytes) -> bytes:
        try:
            peek = _peek_first(data)
        except msgspec.ValidationError:
            return self._odd(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.problem = _MALFORMED
            return b""
        if peek.error is not None:
            self.problem = errors.read_in_band(msgspec.json.encode(peek.error))
            return b""
        self._note(data, peek)
        single_line = _one_line(data)
        if peek.modelVersion is None:
            return single_line
        return self._rename(single_line, peek.modelVersion, 1) or self._renamed(single_line)

    def _note(self, data: bytes, peek: FramePeek) -> None:
        mark = peek.usageMetadata
        if mark is not None and mark.counts:
            self._usage = data
        for candidate in peek.candidates or ():
            self._opened.add(candidate.index)
            if candidate.finishReason is not None:
                self._finished.add(candidate.index)
                self.meaningful = True
            elif not self.meaningful and isinstance(candidate, _FirstPeek) and candidate.content is not None:
                self.meaningful = bool(candidate.content.parts)
            if candidate.groundingMetadata is not None:
                self._searches = max(self._searches or Searches(0, False), peek.searches() or Searches(0, False))
        if peek.blocked:
            self._blocked = self.meaningful = True

    def _renamed(self, data: bytes) -> bytes:
        fields = jsonedit.split(data)
        fields["modelVersion"] = Raw(self._public)
        return jsonedit.join(fields)

    def _odd(self, data: bytes) -> bytes:
        """A frame whose members have unexpected types: forwarded if it is JSON at all, for the client to judge."""
        try:
            fields = jsonedit.split(data)
        except jsonedit.InvalidJSON:
            self.problem = _MALFORMED
            return b""
        self.meaningful = True
        return self._renamed(_one_line(data)) if "modelVersion" in fields else _one_line(data)


def _one_line(data: bytes) -> bytes:
    """An element of an array may be laid out over lines; a frame may not. Line breaks are never part of a string."""
    return data.replace(b"\r", b"").replace(b"\n", b"") if b"\n" in data or b"\r" in data else data
