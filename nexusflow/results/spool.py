"""A result on its way to a bucket: in a temporary file, because S3 wants its length and digest before its bytes."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from typing import IO

from nexusflow.results.results import ResultsError

_PIECE = 256 * 1024
_IN_MEMORY = 1024 * 1024


class Spool:
    """What `pieces` gave, to be sent as often as it takes. `size` in bytes, `sha256` in hexadecimal digits."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # `close` does
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def fill(self, pieces: AsyncIterator[bytes], max_bytes: int) -> None:
        """Raises `ResultsError` beyond `max_bytes` and for a full disk, and what `pieces` raises."""
        waiting = bytearray()
        async for piece in pieces:
            waiting += piece
            self.size += len(piece)
            if self.size > max_bytes:
                raise ResultsError(f"a result exceeds {max_bytes} bytes")
            if len(waiting) >= _PIECE:
                await self._take(bytes(waiting))
                waiting.clear()
        await self._take(bytes(waiting))

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """All of it, from the beginning."""
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece

    def close(self) -> None:
        self._file.close()

    async def _take(self, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._write, data)
        except OSError as error:
            raise ResultsError(f"no room for a result on its way to the bucket: {error.strerror}") from error

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
