"""A provider's chat stream on the identity lane.

Every event is checked and forwarded whole, under the model's public name; the usage event that only we asked for is
held back. What a truncated or broken stream means is decided here: a `problem`, never silence (protocols 1.10.3).
Sans-I/O: bytes in, bytes out.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_chat import errors
from nexusflow.protocols.openai_chat import usage as usage_form
from nexusflow.protocols.openai_chat.wire import ChoiceStart, ChunkPeek, FirstChunkPeek
from nexusflow.wire import jsonedit, sse

_peek = msgspec.json.Decoder(ChunkPeek).decode
_peek_first = msgspec.json.Decoder(FirstChunkPeek).decode
_peek_many = msgspec.json.Decoder(list[FirstChunkPeek]).decode
_EMPTY_VALUES = frozenset((b"null", b'""', b"[]", b"{}"))
_TRUNCATED = Problem(kind=Kind.UPSTREAM, message="The provider's stream ended before its answer was complete.")
_MALFORMED = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is not valid JSON.")
_TOO_LARGE = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is too large.")
_EMPTY = Problem(kind=Kind.UPSTREAM, message="The provider's answer is empty.")


class IdentityStream:
    """Feed it pieces, forward what it returns, and look at `problem` and `done` after each.

    `meaningful` turns true with the first content; until then a failure can still be a real HTTP status (R-20).
    """

    __slots__ = (
        "_finished",
        "_hide_usage",
        "_last",
        "_metered",
        "_names",
        "_opened",
        "_public",
        "_splitter",
        "done",
        "meaningful",
        "problem",
    )

    def __init__(self, public_model: Raw, *, hide_usage: bool = False) -> None:
        self._public = bytes(public_model)
        self._hide_usage = hide_usage
        self._metered = b""
        self._last: deque[bytes] = deque(maxlen=4)  # from the finish on, where dialects hide their usage
        self._splitter = sse.Splitter()
        self._names: dict[str, tuple[bytes, bytes]] = {}
        self._opened: set[int] = set()
        self._finished: set[int] = set()
        self.done = False
        self.meaningful = False
        self.problem: Problem | None = None

    def feed(self, piece: bytes) -> bytes:
        """The frames to forward for `piece`; those before a failing event when `problem` is set."""
        frames = self._forward_plain(piece)
        if frames is not None:
            return frames
        try:
            events = self._splitter.feed(piece)
        except sse.EventTooLarge:
            self.problem = _TOO_LARGE
            return b""
        return self._forward(events)

    def close(self) -> bytes:
        """At the end of the upstream body: the last frames, with a missing `[DONE]` supplied (U-08, U-09)."""
        frames = b"" if self.done else self._forward(self._splitter.close())
        if self.problem is _MALFORMED:
            # What the end cut in half says nothing: whether the answer is whole was decided by the events before it.
            self.problem = None
        if self.done or self.problem is not None:
            return frames
        if self._opened and self._opened == self._finished:
            self.done = True
            return frames + sse.DONE
        self.problem = _TRUNCATED
        return frames

    def _forward_plain(self, piece: bytes) -> bytes | None:
        """`piece` at once, when all its events are ordinary chunks of one model; None when it needs a closer look.

        One decode, one count and one replace for the whole piece, where the careful way pays them for each event.
        """
        found = self._splitter.plain(piece)
        if found is None:
            return None
        last = found.pop() if found[-1] == b"[DONE]" else None
        try:
            peeks = self._peek_all(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if len(peeks) != len(found) or not peeks:
            return None
        model = peeks[0].model
        for peek in peeks:
            if not peek.choices or peek.model != model or peek.error is not None:
                return None
        if model is not None:
            old, new = self._spellings(model)
            if old != new:
                if piece.count(b'"model"') != len(peeks) or piece.count(old) != len(peeks):
                    return None
                piece = piece.replace(old, new)
        self._note(peeks, found)
        if last is not None and not self._finished and not self.meaningful:
            return None  # the careful way says what an end without any content means (U-34)
        self.done = last is not None
        return piece

    def _peek_all(self, found: list[bytes]) -> Sequence[ChunkPeek]:
        if len(found) == 1:
            return (_peek(found[0]) if self.meaningful else _peek_first(found[0]),)
        return _peek_many(b"[" + b",".join(found) + b"]")

    def _forward(self, events: list[sse.Event]) -> bytes:
        frames: list[bytes] = []
        for event in events:
            if event.data is None:
                frames.append(event.frame)
                continue
            if event.data == b"[DONE]":
                self._end(frames, event)
                break
            frame = self._chunk(event, event.data)
            if self.problem is not None:
                break
            if frame is not None:
                frames.append(frame)
        return b"".join(frames)

    def _end(self, frames: list[bytes], event: sse.Event) -> None:
        if not self._finished and not self.meaningful:
            self.problem = _EMPTY
        else:
            self.done = True
            frames.append(event.frame)

    def _chunk(self, event: sse.Event, data: bytes) -> bytes | None:
        try:
            peek = _peek_first(data)
        except msgspec.ValidationError:
            return self._odd(event, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.problem = _MALFORMED
            return None
        if peek.error is not None:
            if peek.usage is not None:
                self._meter(peek.usage, data)
            self.problem = errors.read_in_band(msgspec.json.encode(peek.error))
            return None
        self._note((peek,), (data,))
        if not peek.choices and self._hide_usage and peek.usage is not None:
            return None
        if peek.model is None:
            return event.frame
        return self._relabel(event, data, peek.model)

    def usage(self) -> Usage | None:
        """What the provider said last that it used. Nothing is read of it before it is asked for here."""
        told = [data for data in (*reversed(self._last), self._metered) if data]
        # Zeros after numbers say nothing (T49); where there is nothing else, they are the report (U-33).
        found = (usage_form.find(data, zeros=zeros) for zeros in (False, True) for data in told)
        return next((record for record in found if record is not None), None)

    def _note(self, peeks: Sequence[ChunkPeek], found: Sequence[bytes]) -> None:
        for peek in peeks:
            for choice in peek.choices or ():
                self._opened.add(choice.index)
                if choice.finish_reason:  # some providers send an empty one with every event
                    self._finished.add(choice.index)
                    self.meaningful = True
                elif not self.meaningful and isinstance(choice, ChoiceStart) and choice.delta:
                    self.meaningful = any(
                        name != "role" and bytes(value) not in _EMPTY_VALUES for name, value in choice.delta.items()
                    )
        if peeks[-1].usage is not None:
            for peek, data in zip(peeks, found, strict=True):
                self._meter(peek.usage, data)
        if self._finished:
            self._last.extend(found)

    def _meter(self, told: Any, data: bytes) -> None:
        """Remember the latest chunk that says its usage; zeros after numbers say nothing (T49)."""
        if isinstance(told, dict) and (told.get("completion_tokens") or told.get("prompt_tokens")):
            self._metered = data

    def _relabel(self, event: sse.Event, data: bytes, model: str) -> bytes:
        """Put the public model name in. The name's bytes are replaced where they stand if they stand there once."""
        old, new = self._spellings(model)
        if old == new:
            return event.frame
        if data.count(b'"model"') == 1:
            frame = event.frame.replace(old, new, 1)
            if frame is not event.frame and frame != event.frame:
                return frame
        fields = jsonedit.split(data)
        fields["model"] = Raw(self._public)
        return event.frame[: len(event.frame) - len(data) - 2] + jsonedit.join(fields) + b"\n\n"

    def _spellings(self, model: str) -> tuple[bytes, bytes]:
        """How the upstream's compact JSON spells its model field, and how ours does."""
        known = self._names.get(model)
        if known is None:
            old = b'"model":' + bytes(jsonedit.text(model))
            known = self._names[model] = (old, b'"model":' + self._public)
        return known

    def _odd(self, event: sse.Event, data: bytes) -> bytes | None:
        """A chunk whose members have unexpected types: forwarded if it is JSON at all, for the client to judge."""
        try:
            fields = jsonedit.split(data)
        except jsonedit.InvalidJSON:
            self.problem = _MALFORMED
            return None
        self.meaningful = True
        if "model" not in fields:
            return event.frame
        fields["model"] = Raw(self._public)
        return event.frame[: len(event.frame) - len(data) - 2] + jsonedit.join(fields) + b"\n\n"
