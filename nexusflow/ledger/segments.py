"""The files of one journal: frames appended to the newest, the oldest removed once nobody needs them."""

import mmap
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

    A file has its room from the start and is written through a mapping: that takes no system call, and survives the
    process like one. Behind the last record it is zero. One thread writes; another may call `sync` at the same time.
    """

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        """Begin a journal in `folder`, which must be empty of segments. Raises OSError."""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._known = -1  # the descriptor whose file name is already durable
        self._retired: deque[tuple[int, int]] = deque()
        self._released: deque[tuple[int, Path]] = deque()
        self._chain = 0
        self.position = 0
        self.listed: list[Segment] = []
        self._begin(0, 0)

    @property
    def size(self) -> int:
        """Bytes on disk that are not released."""
        return self.position - self.listed[0].base

    def write(self, payload: bytes) -> int:
        """Append one record and return the position behind it; all of it or nothing. Raises OSError, RecordTooLong."""
        frame, chain = seal(payload, self._chain)
        start = self.position - self._base
        end = start + len(frame)
        if end > self._room:
            self._turn(len(frame))
            frame, chain = seal(payload, self._chain)
            start = self.position - self._base
            end = start + len(frame)
        self._map[start:end] = frame
        self._chain = chain
        self.position = self._current.end = self._base + end
        return self.position

    def sync(self) -> int:
        """Make durable what is written so far and return the position up to which it is. Raises OSError."""
        target = self.position
        fd = self._fd
        for _ in range(len(self._retired)):
            retired, length = self._retired[0]
            os.fdatasync(retired)
            os.ftruncate(retired, length)
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
        """Give the descriptors back, and the room that was not used; what was written stays as it is."""
        self._map.close()
        for fd, length in (*self._retired, (self._fd, self.position - self._base)):
            os.ftruncate(fd, length)
            os.close(fd)
        os.close(self._directory)
        self._retired.clear()

    def _turn(self, needed: int) -> None:
        """Go on in a new file with room for `needed` bytes. Raises OSError, and the old one stays."""
        retired, used, mapping = self._fd, self.position - self._base, self._map
        # `sync` takes the new descriptor first and the retired ones second, so the order here matters.
        self._begin(self._current.number + 1, needed)
        self._retired.append((retired, used))
        mapping.close()

    def _begin(self, number: int, needed: int) -> None:
        start = Start(number=number, base=self.position, after=self._chain)
        frame, chain = seal(encode_start(start), 0)
        head = MAGIC + frame
        room = max(self._segment_bytes, len(head) + needed)
        path = path_of(self._folder, number)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # With all blocks there, no later write can find the disk full.
            os.posix_fallocate(fd, 0, room)
            mapping = mmap.mmap(fd, room)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        mapping[: len(head)] = head
        self._current = Segment(number, self.position, self.position + len(head))
        self.listed.append(self._current)
        self._map, self._room, self._base, self._fd = mapping, room, self.position, fd
        self.position, self._chain = self._current.end, chain
