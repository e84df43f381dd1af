"""Undoing a content coding that we did not ask for, within bounds (T14, U-19)."""

import zlib

from nexusflow.upstream.transport import Fault, UpstreamFault

MAX_RATIO = 100
_RATIO_FLOOR = 1024 * 1024
_SLICE = 16 * 1024


class Inflate:
    """Bounded gzip and zlib decoding; a bomb is an error, not memory."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=47)
        self._in = self._out = 0

    def __call__(self, piece: bytes) -> bytes:
        """The plain bytes of one more piece. Raises `UpstreamFault`: MALFORMED, TOO_LARGE."""
        self._in += len(piece)
        allowed = max(_RATIO_FLOOR, self._in * MAX_RATIO) - self._out
        try:
            data = self._zlib.decompress(piece, allowed + 1)
        except zlib.error as error:
            raise UpstreamFault(Fault.MALFORMED, str(error)) from error
        self._out += len(data)
        if len(data) > allowed or self._zlib.unconsumed_tail:
            raise UpstreamFault(Fault.TOO_LARGE, "the compressed body inflates too far")
        return data

    def whole(self, data: bytes, limit: int) -> bytes:
        """The plain bytes of a whole body, never much more than `limit` of them in memory. Raises `UpstreamFault`."""
        found: list[bytes] = []
        total = 0
        for start in range(0, len(data), _SLICE):
            found.append(self(data[start : start + _SLICE]))
            total += len(found[-1])
            if total > limit:
                raise UpstreamFault(Fault.TOO_LARGE, f"body exceeds {limit} bytes")
        return b"".join(found)


def inflater(coding: str | None) -> Inflate | None:
    """What undoes `coding`; None when there is nothing to undo. Raises `UpstreamFault` for one we do not know."""
    if coding is None or coding.strip().lower() in ("", "identity"):
        return None
    if coding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return Inflate()
    raise UpstreamFault(Fault.MALFORMED, f"unknown content-encoding {coding[:40]!r}")
