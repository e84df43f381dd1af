"""What a provider has said so far in a stream, counted only when somebody asks.

A stream that ends well reports its own usage. One that breaks off does not, and then the text that went out is the
best evidence of what was generated (B-06). Pieces are kept until they are counted; counting reads them with the
provider's own protocol, so that text, reasoning, refusals and tool arguments all weigh (B-07).
"""

import time

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.events import PartDelta, PartStarted
from nexusflow.protocols.dialect import Dialect, Reader
from nexusflow.tokens.text import tokens, weigh

KEPT_BYTES = 256 * 1024
"""How much may wait to be counted: 5,000 open streams must stay within a gigabyte."""


class Heard:
    """The pieces of one stream. `first` is when the first came, in monotonic seconds."""

    __slots__ = ("_destination", "_dialect", "_pieces", "_reader", "_size", "_weight", "first")

    def __init__(self, dialect: Dialect, destination: Destination) -> None:
        self._dialect = dialect
        self._destination = destination
        self._reader: Reader | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._weight = 0
        self.first: float | None = None

    def hear(self, piece: bytes) -> None:
        """Keep one piece as it came from the provider."""
        if self.first is None:
            self.first = time.monotonic()
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > KEPT_BYTES:
            self._count()

    def tokens(self) -> int:
        """An estimate of the output tokens so far; it never falls."""
        self._count()
        return tokens(self._weight)

    def _count(self) -> None:
        if self._reader is None:
            self._reader = self._dialect.read_stream(self._destination)
        pieces, self._pieces, self._size = self._pieces, [], 0
        said: list[str] = []
        for piece in pieces:
            for event in self._reader.feed(piece):
                if isinstance(event, PartDelta):
                    said.append(event.text)
                elif isinstance(event, PartStarted):
                    said.append(getattr(event.part, "name", None) or "")
        self._weight += weigh("".join(said))
