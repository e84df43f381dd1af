"""Reading the journal of a dead worker: every sound record, and a finding for everything that should not be so."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from nexusflow.ledger.frames import Frame, frame_at, frames_from, next_sound
from nexusflow.ledger.records import Closed, Opened, Progress, Record
from nexusflow.ledger.segments import MAGIC, SUFFIX, decode_start


class Mark(Struct, frozen=True, tag="mark"):
    """Every close up to the position `through` is posted, and every older open call is closed or repeated later."""

    through: int


class Finding(Struct, frozen=True):
    """Damage that no kill explains: where, and what it is (I-15)."""

    file: str
    offset: int
    what: str


_decode = msgspec.msgpack.Decoder(Opened | Progress | Closed | Mark).decode
_MARK = b"\xa4mark"


class Reader:
    """One pass over a journal. `findings` and `torn` are complete when the pass is.

    A torn tail is the unfinished end of the last file, as a kill or a power cut leaves it; it is no finding.
    """

    def __init__(self, folder: Path, after: int = 0) -> None:
        """`after` is the position of the newest mark: files that only held what is older may be gone."""
        self._files = sorted(folder.glob(f"*{SUFFIX}"))
        self._after = after
        self.findings: list[Finding] = []
        self.torn = False
        self._chain: int | None = None
        self._number = -1
        self._end = 0

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Position behind it and payload of every sound record, in order. Raises OSError."""
        for path in self._files:
            data = path.read_bytes()
            frame = frame_at(data, len(MAGIC), 0) if data.startswith(MAGIC) else None
            if frame is None:
                self._damage(path, data, 0)
                self._chain = None
                continue
            base = self._enter(path, frame)
            end = frame.end
            for found in self._sound(path, data, frame):
                yield base + found.end, found.payload
                end = found.end
            self._end = base + end

    def records(self) -> Iterator[tuple[int, Record]]:
        """The records, but no close that the mark covers. Raises OSError."""
        for position, payload in self.frames():
            record = _decode(payload)
            if not isinstance(record, Mark) and not (isinstance(record, Closed) and position <= self._after):
                yield position, record

    def _enter(self, path: Path, head: Frame) -> int:
        start = decode_start(head.payload)
        if self._number < 0:
            follows = start.base <= self._after
        else:
            follows = start.number == self._number + 1 and start.base == self._end
        if not follows:
            self.findings.append(Finding(path.name, 0, f"records are missing before segment {start.number}"))
        elif self._chain is not None and start.after != self._chain:
            self.findings.append(Finding(path.name, 0, "the chain is broken between this segment and the one before"))
        self._number, self._chain = start.number, head.chain
        return start.base

    def _sound(self, path: Path, data: bytes, head: Frame) -> Iterator[Frame]:
        frame = head
        while True:
            for following in frames_from(data, frame.end, frame.chain):
                yield following
                frame = following
            self._chain = frame.chain
            if not data[frame.end :].strip(b"\0"):  # room that was never used
                return
            resumed = self._damage(path, data, frame.end)
            if resumed is None:
                return
            found = frame_at(data, resumed, int.from_bytes(data[resumed - 4 : resumed], "little"))
            assert found is not None
            frame = found
            yield frame

    def _damage(self, path: Path, data: bytes, offset: int) -> int | None:
        """Note what is wrong at `offset`, and return where sound records begin again."""
        resumed = next_sound(data, offset + 1)
        if resumed is not None:
            self.findings.append(Finding(path.name, offset, f"{resumed - offset} bytes are no record"))
        elif path == self._files[-1]:
            self.torn = True
        else:
            self.findings.append(Finding(path.name, offset, "the end of the segment is no record"))
        return resumed


def posted_through(folder: Path) -> int:
    """The newest mark of the journal: closes up to this position are posted. 0 without one. Raises OSError."""
    through = 0
    for _, payload in Reader(folder).frames():
        if _MARK in payload[:12]:
            record = _decode(payload)
            if isinstance(record, Mark):
                through = max(through, record.through)
    return through
