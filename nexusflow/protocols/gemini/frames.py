"""The JSON objects of an upstream's stream, in whichever of three forms it sends them."""

from nexusflow.protocols.gemini.json_array import Elements
from nexusflow.wire import sse

_SPACE = b" \t\r\n"


class Frames:
    """Server-sent events as a rule, else the elements of an array, or one object.

    `ended` turns true at a `[DONE]`, which Google does not send but some compatible servers do.
    """

    __slots__ = ("_elements", "_splitter", "_started", "ended")

    def __init__(self) -> None:
        self._splitter = sse.Splitter()
        self._elements: Elements | None = None
        self._started = False
        self.ended = False

    def plain(self, piece: bytes) -> list[bytes] | None:
        """The objects of `piece` when it is whole events of one line each, as nearly always; else None for `feed`."""
        if self._elements is not None:
            return None
        found = self._splitter.plain_crlf(piece) or self._splitter.plain(piece)
        if found is None or found[-1] == b"[DONE]":
            return None
        self._started = True
        return found

    def feed(self, piece: bytes) -> list[bytes]:
        """The objects completed by `piece`, as JSON text. Raises `sse.EventTooLarge`."""
        if not self._started:
            head = piece.lstrip(_SPACE)
            if not head:
                return []
            self._started = True
            if head[:1] in (b"[", b"{"):
                self._elements = Elements()
        if self._elements is not None:
            return self._elements.feed(piece)
        return self._data(self._splitter.feed(piece))

    def close(self) -> list[bytes]:
        """What the end of the input completes: a last event without its blank line."""
        return self._data(self._splitter.close()) if self._elements is None else []

    def _data(self, events: list[sse.Event]) -> list[bytes]:
        found: list[bytes] = []
        for event in events:
            if event.data == b"[DONE]":
                self.ended = True
                break
            if event.data:
                found.append(event.data)
        return found
