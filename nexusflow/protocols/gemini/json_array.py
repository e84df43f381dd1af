"""Streams as one JSON array: what Google sends without `alt=sse`, and what some upstreams send whatever was asked.

`Elements` reads such a body piece by piece; `ArrayTap` puts any stream of ours before a client that did not ask for
events (protocols 1.5.3).
"""

import re

from nexusflow.ir.errors import Problem
from nexusflow.ir.usage import Usage
from nexusflow.protocols.dialect import Tap
from nexusflow.protocols.gemini import errors
from nexusflow.wire import sse

KEEP_ALIVE = b"\r\n"
"""White space may stand anywhere between the elements."""
_MARKS = re.compile(rb'[{}"\\]')
_OPEN, _QUOTE = b"{", b'"'


class Elements:
    """The objects of a JSON array, or a lone object, as they become complete. Incremental and linear in its input."""

    __slots__ = ("_at", "_buffer", "_depth", "_quoted", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._depth = 0
        self._start = 0
        self._quoted = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The objects completed by `piece`. Raises `sse.EventTooLarge`."""
        buffer = self._buffer
        buffer += piece
        found: list[bytes] = []
        while (mark := _MARKS.search(buffer, self._at)) is not None:
            at = self._at = mark.end()
            sign = mark[0]
            if sign == b"\\":
                if self._quoted and at == len(buffer):
                    self._at -= 1  # what it escapes is still to come
                    break
                self._at += self._quoted
            elif sign == _QUOTE:
                self._quoted = not self._quoted
            elif not self._quoted:
                self._brace(sign, at, found)
        else:
            self._at = len(buffer)
        self._forget()
        return found

    def _brace(self, sign: bytes, at: int, found: list[bytes]) -> None:
        if sign == _OPEN:
            if self._depth == 0:
                self._start = at - 1
            self._depth += 1
        elif self._depth:
            self._depth -= 1
            if self._depth == 0:
                found.append(bytes(self._buffer[self._start : at]))

    def _forget(self) -> None:
        """Drop what is done with: outside an object nothing means anything."""
        keep = self._start if self._depth else self._at
        del self._buffer[:keep]
        self._at -= keep
        self._start -= keep
        if len(self._buffer) > sse.MAX_EVENT_BYTES:
            raise sse.EventTooLarge(f"one element exceeds {sse.MAX_EVENT_BYTES} bytes")


class ArrayTap:
    """A tap whose frames come out as elements of one array: `[{…}`, `,\r\n{…}` and `]`."""

    __slots__ = ("_ended", "_opened", "_tap")

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._opened = False
        self._ended = False

    @property
    def meaningful(self) -> bool:
        """See the wrapped tap, as for `done` and `problem`."""
        return self._tap.meaningful

    @property
    def done(self) -> bool:
        return self._tap.done

    @property
    def problem(self) -> Problem | None:
        return self._tap.problem

    def feed(self, piece: bytes) -> bytes:
        """The elements of what the tap makes of `piece`, and the closing bracket with the last."""
        return self._elements(self._tap.feed(piece)) + self._end()

    def close(self) -> bytes:
        """At the end of the upstream body."""
        return self._elements(self._tap.close()) + self._end()

    def usage(self) -> Usage | None:
        """See the wrapped tap."""
        return self._tap.usage()

    def event(self, problem: Problem, request_id: str = "") -> bytes:
        """`problem` as the last element of an array that has begun; the array is closed after it."""
        self._ended = True
        return self._elements(errors.event(problem, request_id)) + b"]"

    def _elements(self, frames: bytes) -> bytes:
        # Our frames hold JSON on one line, so that a line break is always the frame's.
        found = [line[6:] for line in frames.splitlines() if line.startswith(b"data: ")]
        if not found:
            return b""
        head = b",\r\n" if self._opened else b"["
        self._opened = True
        return head + b",\r\n".join(found)

    def _end(self) -> bytes:
        if not self._tap.done or self._ended:
            return b""
        self._ended = True
        return b"]" if self._opened else b"[]"
