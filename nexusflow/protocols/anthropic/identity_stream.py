"""A provider's Messages stream on the identity lane.

Every event is checked and forwarded whole; only `message_start` is touched, for the model's public name. What a
truncated or broken stream means is decided here: a `problem`, never silence (protocols 1.10.3).
Sans-I/O: bytes in, bytes out.
"""

import msgspec
from msgspec import Raw, Struct

from nexusflow.ir.errors import Kind, Problem
from nexusflow.ir.usage import Usage
from nexusflow.protocols.anthropic import errors
from nexusflow.protocols.anthropic import usage as usage_record
from nexusflow.wire import jsonedit, sse


class _Start(Struct, frozen=True):
    model: str | None = None
    usage: Raw = Raw()


class _Peek(Struct, frozen=True):
    """The least of an event. Decoding it proves the JSON well-formed."""

    type: str = ""
    message: _Start | str | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


class _Kind(Struct, frozen=True, gc=False):
    type: str = ""


class _FirstPeek(_Peek, frozen=True):
    """The same while nothing with content has come."""

    delta: dict[str, Raw] | None = None
    content_block: _Kind | None = None


TRUNCATED = Problem(kind=Kind.UPSTREAM, message="The provider's stream ended before its answer was complete.")
MALFORMED = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is not valid JSON.")
TOO_LARGE = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is too large.")
EMPTY = Problem(kind=Kind.UPSTREAM, message="The provider's answer is empty.")

_peek = msgspec.json.Decoder(_Peek).decode
_peek_first = msgspec.json.Decoder(_FirstPeek).decode
_peek_many = msgspec.json.Decoder(list[_Peek]).decode
_PLAIN = frozenset(("content_block_delta", "content_block_start", "content_block_stop", "message_delta", "ping"))
_TEXT_LIKE = frozenset(("text", "thinking"))
_NOTHING = frozenset((b'""', b"null", b"{}", b"[]"))


class IdentityStream:
    """Feed it pieces, forward what it returns, and look at `problem` and `done` after each.

    `meaningful` turns true with the first content; until then a failure can still be a real HTTP status (R-20).
    Usage is part of this protocol's own events, so there is none to hide: `hide_usage` is what other protocols need.
    """

    __slots__ = ("_public", "_splitter", "_start_usage", "_usages", "done", "meaningful", "problem")

    def __init__(self, public_model: Raw, *, hide_usage: bool = False) -> None:
        self._public = bytes(public_model)
        self._splitter = sse.Splitter()
        self._start_usage = b""
        self._usages: list[bytes] = []
        self.done = False
        self.meaningful = False
        self.problem: Problem | None = None

    def feed(self, piece: bytes) -> bytes:
        """The frames to forward for `piece`; those before a failing event when `problem` is set."""
        if self.meaningful and self._all_plain(piece):
            return piece
        try:
            events = self._splitter.feed(piece)
        except sse.EventTooLarge:
            self.problem = TOO_LARGE
            return b""
        return self._forward(events)

    def close(self) -> bytes:
        """At the end of the upstream body: an event without its blank line is still one; no `message_stop` is a
        failure, even after a `message_delta`, as the official SDKs see it too."""
        frames = b"" if self.done else self._forward(self._splitter.close())
        if not self.done and (self.problem is None or self.problem is MALFORMED):
            self.problem = TRUNCATED  # what the end cut in half is no more malformed than the rest
        return frames

    def usage(self) -> Usage | None:
        """What was consumed, as far as the stream has said it; None when it has not."""
        return usage_record.reported(usage_record.merged(self._start_usage, self._usages))

    def _all_plain(self, piece: bytes) -> bool:
        """Whether `piece` is whole events that go on as they are: one decode for all of them."""
        found = self._splitter.named(piece)
        if found is None:
            return False
        try:
            if len(found) == 1:
                return self._is_plain(_peek(found[0]))
            peeks = _peek_many(b"[" + b",".join(found) + b"]")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        # A usage noted here and again on the careful way counts once: it replaces itself.
        return len(peeks) == len(found) and all(map(self._is_plain, peeks))

    def _is_plain(self, peek: _Peek) -> bool:
        if peek.type == "content_block_delta":
            return True
        if peek.type == "message_delta":
            self._usages.append(bytes(peek.usage))
        return peek.type in _PLAIN

    def _forward(self, events: list[sse.Event]) -> bytes:
        frames: list[bytes] = []
        for event in events:
            if event.data is None:
                frames.append(event.frame)
                continue
            if event.data == b"[DONE]":  # some compatible servers add it; it says nothing in this protocol
                continue
            frame = self._event(event, event.data)
            if self.problem is not None:
                break
            frames.append(frame)
            if self.done:
                break
        return b"".join(frames)

    def _event(self, event: sse.Event, data: bytes) -> bytes:
        try:
            peek = _peek_first(data)
        except msgspec.ValidationError:
            peek = self._odd(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.problem = MALFORMED
            return b""
        if peek.type == "error" or (peek.error and bytes(peek.error) != b"null"):
            self.problem = errors.read_in_band(bytes(peek.error))
            return b""
        frame = event.frame
        if event.name is None and peek.type:
            # Both SDKs see an empty stream where the names are missing (protocols 0.4, T17).
            frame = b"event: " + peek.type.encode() + b"\n" + frame
        if peek.type == "message_start" and isinstance(peek.message, _Start):
            self._start_usage = bytes(peek.message.usage)
            return self._relabel(frame, data, peek.message.model)
        self._note(peek)
        return frame

    def _note(self, peek: _FirstPeek) -> None:
        if peek.type == "message_delta":
            self._usages.append(bytes(peek.usage))
            ended = (peek.delta or {}).get("stop_reason")
            self.meaningful = self.meaningful or (ended is not None and bytes(ended) not in _NOTHING)
        elif peek.type == "message_stop":
            if self.meaningful:
                self.done = True
            else:
                self.problem = EMPTY
        elif not self.meaningful:
            if peek.content_block is not None:
                self.meaningful = peek.content_block.type not in _TEXT_LIKE
            elif peek.delta is not None:
                self.meaningful = any(
                    name != "type" and bytes(value) not in _NOTHING for name, value in peek.delta.items()
                )

    def _relabel(self, frame: bytes, data: bytes, model: str | None) -> bytes:
        """Put the public model name in: where it stands, if it stands there once and in the usual spelling."""
        if model is None:
            return frame
        old, new = b'"model":' + bytes(jsonedit.text(model)), b'"model":' + self._public
        if old == new:
            return frame
        if data.count(b'"model"') == 1 and data.count(old) == 1:
            return frame.replace(old, new, 1)
        fields = jsonedit.split(data)
        message = jsonedit.split(bytes(fields["message"]))
        message["model"] = Raw(self._public)
        fields["message"] = Raw(jsonedit.join(message))
        return frame[: len(frame) - len(data) - 2] + jsonedit.join(fields) + b"\n\n"

    def _odd(self, data: bytes) -> _FirstPeek:
        """An event whose members have unexpected types: forwarded if it is JSON at all, for the client to judge."""
        try:
            fields = jsonedit.split(data)
        except jsonedit.InvalidJSON:
            self.problem = MALFORMED
            return _FirstPeek()
        self.meaningful = True
        kind = jsonedit.as_text(fields.get("type", Raw(b"null")))
        return _FirstPeek(type=kind or "", usage=fields.get("usage", Raw()), error=fields.get("error", Raw()))
