"""Results in a folder: one folder for each task, files that appear whole, served by the gateway itself."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from nexusflow.results.names import check, is_name, mime_of
from nexusflow.results.results import ResultsError, Stored
from nexusflow.results.signing import signed_url

_PIECE = 256 * 1024
_PARTIAL = ".partial"


class DiskResults:
    """See `Results`. `key` signs the links. Files are read and written in threads, a quarter of a MiB at a time.

    Nothing is forced to the disk: after a power cut a task can be fetched from its provider again.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    async def put(self, name: str, pieces: AsyncIterator[bytes], mime: str) -> int:
        """See `Results.put`."""
        check(name, mime)
        with _told():
            file = await asyncio.to_thread(self._begin)
        try:
            size = await _write(file, pieces)
            with _told():
                await asyncio.to_thread(self._publish, file, self._folder / name)
        except BaseException:
            _drop(file)
            raise
        return size

    async def open(self, name: str) -> Stored | None:
        """See `Results.open`."""
        path = self._path(name)
        with _told():
            length = await asyncio.to_thread(_size, path)
        return Stored(mime_of(name), length, _read(path)) if length is not None else None

    async def delete(self, name: str) -> None:
        """See `Results.delete`."""
        path = self._path(name)
        with _told():
            await asyncio.to_thread(_remove, path)

    async def expire(self, before_ms: int) -> int:
        """See `Results.expire`. What a killed process left half written goes as well, uncounted."""
        with _told():
            return await asyncio.to_thread(self._expire, before_ms * 1_000_000)

    def url(self, name: str, expires_ms: int, base: str) -> str:
        """See `Results.url`."""
        self._path(name)
        return signed_url(self._key, base, name, expires_ms // 1000)

    async def close(self) -> None:
        """Nothing is held open."""

    def _path(self, name: str) -> Path:
        if not is_name(name):
            raise ValueError(f"not the name of a result: {name[:80]!r}")
        return self._folder / name

    def _begin(self) -> IO[bytes]:
        """A new file on the same file system, under a name that no result has."""
        partial = self._folder / _PARTIAL
        partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.NamedTemporaryFile(dir=partial, delete=False)

    def _publish(self, file: IO[bytes], path: Path) -> None:
        file.close()
        while True:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                os.replace(file.name, path)
            except FileNotFoundError:
                if not Path(file.name).exists():
                    raise
                continue  # `expire` took the empty folder away in between
            return

    def _expire(self, before_ns: int) -> int:
        count = 0
        for folder in _entries(self._folder):
            for file in _entries(Path(folder)):
                count += _remove_older(Path(file), before_ns) and folder.name != _PARTIAL
            if folder.name != _PARTIAL:
                _remove_empty(Path(folder))
        return count


async def _write(file: IO[bytes], pieces: AsyncIterator[bytes]) -> int:
    """Small pieces are gathered, so that each thread has something to do."""
    size, waiting = 0, bytearray()
    async for piece in pieces:
        waiting += piece
        size += len(piece)
        if len(waiting) >= _PIECE:
            with _told():
                await asyncio.to_thread(file.write, bytes(waiting))
            waiting.clear()
    with _told():
        await asyncio.to_thread(file.write, bytes(waiting))
    return size


async def _read(path: Path) -> AsyncGenerator[bytes, None]:
    """The file is opened with the first piece: one that nobody asks for leaves nothing open."""
    with _told():
        file = await asyncio.to_thread(path.open, "rb")
    try:
        while True:
            with _told():
                piece = await asyncio.to_thread(file.read, _PIECE)
            if not piece:
                return
            yield piece
    finally:
        file.close()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _drop(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.close()
    with contextlib.suppress(OSError):
        os.unlink(file.name)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_empty(path.parent)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # another result is in it, or it is gone already
        folder.rmdir()


def _remove_older(path: Path, before_ns: int) -> bool:
    try:
        if path.stat().st_mtime_ns >= before_ns:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Failures of the disk as the caller knows them."""
    try:
        yield
    except OSError as error:
        raise ResultsError(f"the folder of results fails: {error.strerror or error} ({error.filename})") from error
