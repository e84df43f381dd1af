"""The files of one journal: frames appended to the newest, the oldest removed once nobody needs them."""

import errno
import os
from collections import deque
from pathlib import Path

import msgspec
from msgspec import Struct

from nexusflow.ledger.frames import seal

MAGIC = b"NXJ1"
SUFFIX = ".log"


class Start(Struct, frozen=True, kw_only=True):
    """The first record of a file: its number, where it begins, and the CRC that its forerunner ends with."""

    number: int
    base: int
    after: int


encode_start = msgspec.msgpack.Encoder().encode
decode_start = msgspec.msgpack.Decoder(Start).decode


def path_of(folder: Path, number: int) -> Path:
    """The file of segment `number`; names sort in their order."""
    return folder / f"{number:08d}{SUFFIX}"


class Segment(Struct):
    """One file: `end` is the position behind its last record, `live` counts calls that were opened in it and go on."""

    number: int
    base: int
    end: int
    live: int = 0


class Segments:
    """Writes frames. A position is the number of bytes written to the journal since it began.

    One thread writes; another may call `sync` at the same time.
    """

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        """Begin a journal in `folder`, which must be empty of segments. Raises OSError."""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._known = -1  # the descriptor whose file name is already durable
        self._retired: deque[int] = deque()
        self._released: deque[tuple[int, Path]] = deque()
        self._chain = 0
        self.position = 0
        self.broken = False
        self.listed: list[Segment] = []
        self._fd = self._begin(0)

    @property
    def size(self) -> int:
        """Bytes on disk that are not released."""
        return self.position - self.listed[0].base

    def write(self, payload: bytes) -> int:
        """Append one record and return the position behind it; all of it or nothing. Raises OSError, RecordTooLong."""
        frame, chain = seal(payload, self._chain)
        current = self.listed[-1]
        if self.position - current.base + len(frame) > self._segment_bytes:
            retired = self._fd
            # `sync` takes the new descriptor first and the retired ones second, so the order here matters.
            fresh = self._begin(current.number + 1)
            self._retired.append(retired)
            self._fd = fresh
            current = self.listed[-1]
            frame, chain = seal(payload, self._chain)
        self._append(self._fd, frame, self.position - current.base)
        self._chain = chain
        self.position = current.end = self.position + len(frame)
        return self.position

    def sync(self) -> int:
        """Make durable what is written so far and return the position up to which it is. Raises OSError."""
        target = self.position
        fd = self._fd
        for _ in range(len(self._retired)):
            retired = self._retired[0]
            os.fdatasync(retired)
            os.close(retired)
            self._retired.popleft()
        os.fdatasync(fd)
        if fd != self._known:
            os.fsync(self._directory)
            self._known = fd
        while self._released and self._released[0][0] <= target:
            self._released.popleft()[1].unlink(missing_ok=True)
        return target

    def release_oldest(self) -> None:
        """Give up the oldest file. It is removed by the `sync` that makes durable what is written by now."""
        oldest = self.listed.pop(0)
        self._released.append((self.position, path_of(self._folder, oldest.number)))

    def close(self) -> None:
        """Give the descriptors back; what was written stays as it is."""
        for fd in (*self._retired, self._fd, self._directory):
            os.close(fd)
        self._retired.clear()

    def _begin(self, number: int) -> int:
        path = path_of(self._folder, number)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        fd = os.open(path, flags, 0o600)
        start = Start(number=number, base=self.position, after=self._chain)
        frame, chain = seal(encode_start(start), 0)
        try:
            self._append(fd, MAGIC + frame, 0)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self.listed.append(Segment(number, self.position, self.position + len(MAGIC) + len(frame)))
        self.position, self._chain = self.listed[-1].end, chain
        return fd

    def _append(self, fd: int, frame: bytes, offset: int) -> None:
        """Write `frame` at the end, which is `offset`. A part is taken back, or the next record would follow it."""
        if self.broken:
            raise OSError(errno.EIO, "the journal failed before")
        try:
            if os.write(fd, frame) == len(frame):
                return
        except OSError:
            self._take_back(fd, offset)
            raise
        self._take_back(fd, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _take_back(self, fd: int, offset: int) -> None:
        try:
            os.ftruncate(fd, offset)
        except OSError:
            self.broken = True
