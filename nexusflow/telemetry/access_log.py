"""One line of JSON for each request, on standard output (OBS-20): no prompt, no answer, no credential.

Nothing waits for whoever reads it. Lines are handed over a few times a second to a thread that may well be stuck in a
pipe; what it cannot keep up with is dropped and counted.
"""

import os
import threading
from queue import SimpleQueue

import msgspec
from msgspec import Struct

from nexusflow.ledger.records import CallLine

MOST_BYTES = 4 << 20
"""What may wait to be written."""
_STDOUT = 1


class Head(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a line begins with. `at` is milliseconds since 1970 at admission; `key` is its id, and `trace` that of its
    trace, whether or not it was sent anywhere.
    """

    at: int
    request: str
    trace: str | None = None
    org: str | None = None
    team: str | None = None
    key: str | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """What follows of a request that came to no call. Of others it is the line of the call log, in nano-units."""

    protocol: str
    status: int
    outcome: str
    error: str


_encode = msgspec.json.Encoder().encode


class AccessLog:
    """`note` and `flush` on the event loop; the rest in a thread that starts with the first line."""

    def __init__(self, file: int = _STDOUT) -> None:
        self.dropped = 0
        """Lines that had no room."""
        self._file = file
        self._lines: list[bytes] = []
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None

    def note(self, head: Head, rest: CallLine | Refusal) -> None:
        """Take a line, to be handed over by the next `flush`."""
        self._lines.append(b"%b,%b" % (_encode(head)[:-1], _encode(rest)[1:]))

    def flush(self) -> None:
        """Hand over what there is."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        text = b"\n".join(lines) + b"\n"
        if self._waiting + len(text) > MOST_BYTES:
            self.dropped += len(lines)
            return
        self._waiting += len(text)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
            self._thread.start()
        self._queue.put(text)

    def close(self, seconds: float = 1.0) -> None:
        """Write what is left, for at most so long."""
        self.flush()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            self._write(text)
            self._waiting -= len(text)

    def _write(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except OSError:  # a full disk, or nobody reads any more
                self.dropped += text.count(b"\n")
                return
