"""Server-sent events: bytes to events, whatever the upstream's line ends, chunking or decoration (U-13).

The common case, one `data: …` line ended by a blank line, costs one split and one slice per event. Everything odd
(CR or CRLF line ends, a BOM, `data:` without the space, several data lines, names, comments) is normalised here, so
that nothing after this file needs to know of it.
"""

from msgspec import Struct

MAX_EVENT_BYTES = 8 * 1024 * 1024
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


class EventTooLarge(ValueError):
    """One event exceeds what a `Splitter` takes (U-14)."""


class Event(Struct):
    """One event. `data` is None for a pure comment. `frame` is its well-formed spelling, blank line included."""

    data: bytes | None
    frame: bytes
    name: bytes | None = None


class Splitter:
    """Incremental: `feed` returns the events completed by a piece; an unfinished one is never returned (U-10).

    `most` bytes is the longest event that it takes.
    """

    __slots__ = ("_carriage", "_most", "_started", "_tail")

    def __init__(self, most: int = MAX_EVENT_BYTES) -> None:
        self._most = most
        self._tail = bytearray()
        self._started = False
        self._carriage = False

    def plain(self, piece: bytes) -> list[bytes] | None:
        """The data of every event when `piece` is whole events of one `data: ` line each, as it nearly always is.

        None when anything about it is unusual or an event is pending: then it must go through `feed`.
        """
        if self._tail or self._carriage or not piece.startswith(b"data: ") or not piece.endswith(b"\n\n"):
            return None
        data = piece[6:-2]
        if b"\n" not in data and b"\r" not in data:
            self._started = True
            return [data]
        found = data.split(b"\n\ndata: ")
        if piece.count(b"\n") != 2 * len(found) or b"\r" in piece:
            return None
        self._started = True
        return found

    def named(self, piece: bytes) -> list[bytes] | None:
        """The data of every event when `piece` is whole events of one `event: ` and one `data: ` line each.

        The twin of `plain` for the protocols that name their events; None as there.
        """
        if self._tail or self._carriage or not piece.startswith(b"event: ") or not piece.endswith(b"\n\n"):
            return None
        blocks = piece[7:-2].split(b"\n\nevent: ")
        if piece.count(b"\n") != 3 * len(blocks) or b"\r" in piece:
            return None
        found = []
        for block in blocks:
            _, mark, data = block.partition(b"\ndata: ")
            if not mark:
                return None
            found.append(data)
        self._started = True
        return found

    def plain_crlf(self, piece: bytes) -> list[bytes] | None:
        """As `plain`, for lines that end in CRLF, as Google writes them."""
        if self._tail or self._carriage or not piece.startswith(b"data: ") or not piece.endswith(b"\r\n\r\n"):
            return None
        data = piece[6:-4]
        if b"\n" not in data and b"\r" not in data:
            self._started = True
            return [data]
        found = data.split(b"\r\n\r\ndata: ")
        if piece.count(b"\n") != 2 * len(found) or piece.count(b"\r") != 2 * len(found):
            return None
        self._started = True
        return found

    def feed(self, piece: bytes) -> list[Event]:
        """Events completed by `piece`, in order. Raises `EventTooLarge`."""
        if not piece:
            return []
        tail = self._tail
        if tail and self._started and not self._carriage and b"\n" not in piece and b"\r" not in piece:
            # A long line in many pieces, such as an image: searching it anew each time would cost its square.
            tail += piece
            self._check_size()
            return []
        data = bytes(tail) + piece if tail else piece
        if not self._started:
            if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
                self._tail = bytearray(data)
                return []
            self._started = True
            data = data.removeprefix(b"\xef\xbb\xbf")
        if self._carriage or b"\r" in data:
            data = self._unix_line_ends(data, len(data) - len(piece))
        blocks = data.split(b"\n\n")
        self._tail = bytearray(blocks.pop())
        self._check_size()
        return [event for block in blocks if block and (event := _event(block)) is not None]

    def close(self) -> list[Event]:
        """At end of input: a last event whose blank line the upstream forgot. A half line is dropped."""
        tail = bytes(self._tail.removesuffix(b"\n"))
        self._tail.clear()
        event = _event(tail) if tail else None
        return [event] if event is not None else []

    def _check_size(self) -> None:
        if len(self._tail) > self._most:
            raise EventTooLarge(f"one event exceeds {self._most} bytes")

    def _unix_line_ends(self, data: bytes, at: int) -> bytes:
        """CRLF and CR become LF. A CR at the very end waits: the next piece, from `at` on, may begin with its LF."""
        if self._carriage and data.startswith(b"\n", at):
            data = data[:at] + data[at + 1 :]
        self._carriage = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _event(block: bytes) -> Event | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event(block[6:], block + b"\n\n")
    return _decorated(block)


def _decorated(block: bytes) -> Event | None:
    """An event with names, comments, several data lines or odd spacing. None when nothing is left to forward.

    An event without data is dropped: the official SDKs fail to parse it (protocols 1.2.4).
    """
    data: list[bytes] = []
    name: bytes | None = None
    comments: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if not field:
            if line:
                comments.append(line)
        elif field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    head = b"".join(comment + b"\n" for comment in comments)
    if not data:
        return Event(None, head + b"\n") if comments else None
    # JSON cannot hold a raw line break inside a string, so joining without one restores the single-line spelling.
    joined = b"".join(data)
    if name is not None:
        head += b"event: " + name + b"\n"
    return Event(joined, head + b"data: " + joined + b"\n\n", name)
