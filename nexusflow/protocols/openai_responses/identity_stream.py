"""A provider's Responses stream on the identity lane.

Every event is checked and forwarded whole; only the model inside each `response` object takes its public name. What
a truncated or broken stream means is decided here: a `problem`, never silence (protocols 1.10.3). Sans-I/O.
"""

import msgspec
from msgspec import Raw

from nexusflow.ir.errors import Kind, Problem, RequestRefused
from nexusflow.ir.usage import Usage
from nexusflow.protocols.openai_responses import errors, identity_reply
from nexusflow.protocols.openai_responses.wire import Peek
from nexusflow.wire import jsonedit, sse
from nexusflow.wire.jsonedit import Fields

TRUNCATED = Problem(kind=Kind.UPSTREAM, message="The provider's stream ended before its answer was complete.")
MALFORMED = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is not valid JSON.")
TOO_LARGE = Problem(kind=Kind.UPSTREAM, message="The provider sent an event that is too large.")
_PRELUDE = frozenset(("response.created", "response.in_progress", "response.queued"))
_ENDS = frozenset(("response.completed", "response.incomplete"))
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Numbered(msgspec.Struct):
    sequence_number: int = -1


_peek = msgspec.json.Decoder(Peek).decode
_numbered = msgspec.json.Decoder(_Numbered).decode


class IdentityStream:
    """Feed it pieces, forward what it returns, and look at `problem` and `done` after each.

    `meaningful` turns true with the first event after the prelude; until then a failure can still be a real HTTP
    status (R-20). `response` is the final response object as the client got it, for whoever has to keep it.
    """

    __slots__ = (
        "_announced",
        "_failed",
        "_last",
        "_previous",
        "_public",
        "_splitter",
        "done",
        "meaningful",
        "problem",
        "response",
    )

    def __init__(self, public_model: Raw, *, hide_usage: bool = False, previous: str | None = None) -> None:
        """`previous` is the id of the response that this one continues, which the provider does not know.

        `hide_usage` has no effect: usage is part of this protocol's last event and always the client's.
        """
        self._public = public_model
        self._previous = previous
        self._splitter = sse.Splitter()
        self._announced: Fields | None = None
        self._failed = b""
        self._last = b"{}"
        self.done = False
        self.meaningful = False
        self.problem: Problem | None = None
        self.response: bytes | None = None

    def feed(self, piece: bytes) -> bytes:
        """The frames to forward for `piece`; those before a failing event when `problem` is set."""
        found = self._splitter.named(piece)
        if found is not None and self._are_plain(found):
            return piece
        try:
            events = self._splitter.feed(piece)
        except sse.EventTooLarge:
            self.problem = TOO_LARGE
            return b""
        return self._forward(events)

    def close(self) -> bytes:
        """At the end of the upstream body: the last frames; an answer without its terminal event is truncated."""
        frames = b"" if self.done or self.problem is not None else self._forward(self._splitter.close())
        if not self.done and (self.problem is None or self.problem is MALFORMED):
            # What the end cut in half says nothing more than that it was cut.
            self.problem = TRUNCATED
        return frames

    def usage(self) -> Usage | None:
        """What the terminal event said was consumed, that of a failed response included (T46)."""
        body = self.response or self._failed_response()
        return identity_reply.usage(body) if body is not None else None

    def failure(self, problem: Problem) -> bytes:
        """The last frame of a stream that broke after its first bytes were sent (protocols 1.10.3).

        The provider's own `response.failed` where that was the cause; else one made of the response it announced.
        """
        if self._failed:
            return self._failed
        try:
            number = _numbered(self._last).sequence_number + 1
        except _BROKEN:
            number = 0
        if self._announced is None:
            return errors.event(problem, sequence_number=number)
        failed = {**self._announced, "status": Raw(b'"failed"'), "error": errors.fault(problem)}
        return errors.failed_event(jsonedit.join(failed), number)

    def _are_plain(self, found: list[bytes]) -> bool:
        """Whether these are events that can be forwarded without a closer look, as nearly all are."""
        try:
            peeks = [_peek(data) for data in found]
        except _BROKEN:
            return False
        for peek in peeks:
            if peek.response or peek.error is not None or peek.type == "error":
                return False
        self.meaningful = True
        self._last = found[-1]
        return True

    def _forward(self, events: list[sse.Event]) -> bytes:
        frames: list[bytes] = []
        for event in events:
            if event.data is None:
                frames.append(event.frame)
                continue
            frames.append(self._event(event, event.data))
            if self.done or self.problem is not None:
                break
        return b"".join(frames)

    def _event(self, event: sse.Event, data: bytes) -> bytes:
        if data == b"[DONE]":
            self.problem = TRUNCATED  # tolerated after the terminal event, which ends the reading before it comes
            return b""
        try:
            peek = _peek(data)
        except _BROKEN:
            self.problem = MALFORMED
            return b""
        if peek.error is not None or peek.type == "error":
            told = peek.error if peek.error is not None else {"code": peek.code, "message": peek.message}
            self.problem = errors.read_in_band(msgspec.json.encode(told))
            return b""
        self._last = data
        if not peek.response:
            self.meaningful = True
            return event.frame
        return self._lifecycle(event, data, peek.type, peek.response)

    def _lifecycle(self, event: sse.Event, data: bytes, type_: str, response: Raw) -> bytes:
        """An event with a whole response: renamed, remembered, and judged when it is the last."""
        try:
            fields = jsonedit.split(bytes(response))
        except jsonedit.InvalidJSON:
            self.problem = MALFORMED
            return b""
        frame = event.frame
        if fields.get("model") != self._public or self._previous is not None:
            fields["model"] = self._public
            if self._previous is not None:
                fields["previous_response_id"] = jsonedit.text(self._previous)
            outer = jsonedit.split(data)
            outer["response"] = Raw(jsonedit.join(fields))
            frame = event.frame[: len(event.frame) - len(data) - 2] + jsonedit.join(outer) + b"\n\n"
        if type_ in _PRELUDE:
            self._announced = fields
        elif type_ == "response.failed":
            self.problem = errors.of_failed(fields.get("error"))
            # With our words for the provider's own, which may name its keys and addresses (G56).
            fields["error"] = errors.fault(self.problem)
            outer = jsonedit.split(data) | {"response": Raw(jsonedit.join(fields))}
            self._failed = event.frame[: len(event.frame) - len(data) - 2] + jsonedit.join(outer) + b"\n\n"
            return b""
        elif type_ in _ENDS:
            return self._end(type_, fields, frame)
        else:
            self.meaningful = True
        return frame

    def _end(self, type_: str, fields: Fields, frame: bytes) -> bytes:
        body = jsonedit.join(fields)
        if type_ == "response.completed" and not self.meaningful:
            try:
                identity_reply.opened(body)
            except RequestRefused as refused:
                self.problem = refused.problem
                return b""
        self.done = True
        self.meaningful = True
        self.response = body
        return frame

    def _failed_response(self) -> bytes | None:
        if not self._failed:
            return None
        peek = _peek(self._failed.partition(b"data: ")[2])
        return bytes(peek.response) if peek.response else None
