"""Parts that a provider streams, put in a row.

Responses numbers its items, so their events may interleave; canonical parts may not. The oldest open part is passed
on as it comes, those behind it wait until it ends.
"""

from nexusflow.ir.chat import Citation, Logprob, Opaque, Part
from nexusflow.ir.events import Cited, Event, PartDelta, PartEnded, PartStarted


class Slot:
    """One part on its way. `length` counts the characters that came for it, `cited` the sources."""

    __slots__ = ("cited", "ended", "index", "length", "part", "place", "signature", "waiting")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.index = -1
        self.length = 0
        self.cited = 0
        self.place: tuple[str, int] | None = None
        self.ended = False
        self.signature: Opaque | None = None
        self.waiting: list[tuple[str, tuple[Logprob, ...] | None] | Citation] = []


class Row:
    """All parts of one answer. Each method appends to `events` what may be passed on now."""

    __slots__ = ("_open", "_started", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._open: list[Slot] = []
        self._started = 0

    @property
    def count(self) -> int:
        """How many parts there were."""
        return self._started + sum(slot.index < 0 for slot in self._open)

    def begin(self, part: Part) -> Slot:
        """A new part, behind all others."""
        slot = Slot(part)
        self._open.append(slot)
        if len(self._open) == 1:
            self._start(slot)
        return slot

    def text(self, slot: Slot, text: str, logprobs: tuple[Logprob, ...] | None = None) -> None:
        """More of a part; nothing for one that has ended."""
        if (not text and not logprobs) or slot.ended:
            return
        slot.length += len(text)
        if slot.index >= 0:
            self.events.append(PartDelta(slot.index, text, 0, logprobs))
        else:
            slot.waiting.append((text, logprobs))

    def cite(self, slot: Slot, citation: Citation) -> None:
        """A source of a text."""
        if slot.ended:
            return
        slot.cited += 1
        if slot.index >= 0:
            self.events.append(Cited(slot.index, citation))
        else:
            slot.waiting.append(citation)

    def end(self, slot: Slot, signature: Opaque | None = None) -> None:
        """A part is complete; those that waited for it may follow."""
        if slot.ended:
            return
        slot.ended = True
        slot.signature = signature
        while self._open and self._open[0].ended:
            first = self._open.pop(0)
            self.events.append(PartEnded(first.index, 0, first.signature))
            if self._open:
                self._start(self._open[0])

    def end_all(self) -> None:
        """The answer is over."""
        for slot in tuple(self._open):
            self.end(slot)

    def _start(self, slot: Slot) -> None:
        slot.index = self._started
        self._started += 1
        self.events.append(PartStarted(slot.index, slot.part))
        for waiting in slot.waiting:
            if isinstance(waiting, Citation):
                self.events.append(Cited(slot.index, waiting))
            else:
                self.events.append(PartDelta(slot.index, waiting[0], 0, waiting[1]))
        slot.waiting.clear()
