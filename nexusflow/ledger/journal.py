"""The journal of one worker: every call it sends is on disk first, every charge before the client's last byte.

A record survives the death of the process as soon as `append` returns, and of the machine when `durable` does.
"""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from nexusflow.ledger import ownership
from nexusflow.ledger.frames import RecordTooLong
from nexusflow.ledger.reading import Mark
from nexusflow.ledger.records import Closed, Opened, Record, encode
from nexusflow.ledger.segments import Segment, Segments
from nexusflow.ledger.syncing import GroupSync, SyncFailed

__all__ = ["Journal", "JournalFull", "JournalLimits", "SyncFailed", "new_worker"]


class JournalFull(Exception):
    """The record was not written: the journal has reached its bound, or the disk is full or broken."""


class JournalLimits(Struct, frozen=True, kw_only=True):
    """Bytes of one file, and of all together; beyond `total` no call is opened, while closes still find room."""

    segment: int = 4 << 20
    total: int = 256 << 20


class _Live:
    """A call that is open: the file that holds it, and its records as they were written."""

    __slots__ = ("opened", "progress", "segment")

    def __init__(self, segment: Segment, opened: bytes) -> None:
        self.segment = segment
        self.opened = opened
        self.progress: bytes | None = None


class Journal:
    """Written by one event loop. See `create`."""

    def __init__(self, claim: ownership.Claim, limits: JournalLimits) -> None:
        self._claim = claim
        self._limits = limits
        self._files = Segments(claim.folder, limits.segment)
        self._sync = GroupSync(self._files.sync)
        self._live: dict[str, _Live] = {}
        self._through = 0
        self._last_close = 0

    @classmethod
    def create(cls, folder: Path, limits: JournalLimits | None = None) -> "Journal":
        """Begin the journal of a new worker under `folder`, locked for the life of the process. Raises OSError."""
        return cls(ownership.begin(folder, new_worker()), limits or JournalLimits())

    @property
    def worker(self) -> str:
        """The id of this worker, which nobody had before."""
        return self._claim.worker

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._claim.folder

    @property
    def size(self) -> int:
        """Bytes on disk that are still needed."""
        return self._files.size

    @property
    def open_calls(self) -> int:
        """Calls without a close."""
        return len(self._live)

    def append(self, record: Record) -> int:
        """Write `record` and return the position behind it. Raises JournalFull; then nothing of it is on disk."""
        files = self._files
        kind = type(record)
        if kind is Opened and files.position - files.listed[0].base > self._limits.total:
            raise JournalFull("the journal has reached its bound")
        payload = encode(record)
        try:
            position = files.write(payload)
        except (OSError, RecordTooLong) as error:
            raise JournalFull(str(error)) from error
        if kind is Opened:
            self._note_opened(record.id, payload)
        elif kind is Closed:
            self._last_close = position
            live = self._live.pop(record.id, None)
            if live is not None:
                live.segment.live -= 1
        elif (live := self._live.get(record.id)) is not None:
            live.progress = payload
        return position

    def _note_opened(self, id_: str, payload: bytes) -> None:
        live = self._live.get(id_)
        if live is not None:  # another attempt of the same call
            live.opened, live.progress = payload, None
            return
        segment = self._files.listed[-1]
        segment.live += 1
        self._live[id_] = _Live(segment, payload)

    async def durable(self, position: int) -> None:
        """Wait for the group commit that covers `position`. Raises SyncFailed."""
        await self._sync.wait(position)

    def posted(self, through: int) -> None:
        """Every close up to `through` is in the database: note it, and give up the files that only hold such.

        A file with calls that still go on is given up as well when the journal is half full; their records are written
        again first. Raises JournalFull when the note finds no room; a later one makes up for it.
        """
        if through <= self._through:
            return
        files = self._files
        self._through = through
        try:
            files.write(encode(Mark(self._through)))
            while len(files.listed) > 1 and files.listed[0].end <= self._through:
                if files.listed[0].live:
                    if files.size * 2 < self._limits.total:
                        return
                    self._carry(files.listed[0])
                files.release_oldest()
        except OSError as error:
            raise JournalFull(str(error)) from error

    def close(self, *, keep: bool) -> None:
        """Release the journal. It is removed unless `keep` is set or something in it is not posted."""
        self._sync.close()
        if not keep and not self._live and self._through >= self._last_close:
            self._files.close()
            self._claim.remove()
            return
        with suppress(OSError):  # a broken disk; the next worker reads what there is
            self._files.sync()
        self._files.close()
        self._claim.release()

    def _carry(self, oldest: Segment) -> None:
        """Write the open calls of `oldest` once more."""
        for live in self._live.values():
            if live.segment is oldest:
                self._files.write(live.opened)
                live.segment = self._files.listed[-1]
                live.segment.live += 1
                oldest.live -= 1
                if live.progress is not None:
                    self._files.write(live.progress)


def new_worker() -> str:
    """An id that sorts by the time it was made."""
    return f"w{time.time_ns() // 1_000_000:012x}{os.getpid():x}-{secrets.token_hex(4)}"
