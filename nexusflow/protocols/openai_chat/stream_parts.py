"""The queue of one streamed choice's parts: whatever order they come in, the order of the grammar goes out.

Parts of a choice never overlap in the canonical stream, but providers interleave parallel tool calls and may name a
call after its first fragments. So the head of the queue is open and what belongs to a later part waits until the head
can be closed (protocols 2.3, steps 2 to 4): prose at once, a call when its arguments are whole.
"""

from collections import deque
from typing import Literal

from nexusflow.ir.chat import Citation, Logprob, Opaque, Part, ToolCall
from nexusflow.ir.events import Cited, Event, PartDelta, PartEnded, PartStarted
from nexusflow.protocols.common.arguments import is_complete

PartKind = Literal["text", "thinking", "refusal", "whole", "call"]


class Queued:
    """A part that is open or waits; `index` is negative until it is open.

    `waiting` holds what a part of prose got meanwhile, and all the arguments of a call, since they must be judged.
    `part` is what it starts with; a call's is made when its id and name are known. `key` tells prose of one kind
    apart, `start` counts the characters of text before it.
    """

    __slots__ = ("citations", "custom", "id", "index", "key", "kind", "name", "part", "signature", "start", "waiting")

    def __init__(self, kind: PartKind, part: Part | None = None, *, key: object = None, start: int = 0) -> None:
        self.kind = kind
        self.part = part
        self.key = key
        self.start = start
        self.index = -1
        self.waiting: list[tuple[str, tuple[Logprob, ...] | None]] = []
        self.citations: list[Citation] = []
        self.signature: Opaque | None = None
        self.id = ""
        self.name = ""
        self.custom = False

    def complete(self) -> bool:
        """Whether nothing more can come. Only JSON tells by itself that it has ended."""
        if self.kind != "call":
            return True
        if self.custom or not self.waiting or not self.waiting[-1][0].rstrip().endswith("}"):
            return False
        return is_complete("".join(text for text, _ in self.waiting))


class PartQueue:
    """The parts of one choice that are not closed yet. Every method appends the events that became possible."""

    __slots__ = ("_choice", "_next", "_queue")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._next = 0
        self._queue: deque[Queued] = deque()

    @property
    def last(self) -> Queued | None:
        """The youngest part, which prose of its kind still joins."""
        return self._queue[-1] if self._queue else None

    def add(self, queued: Queued, out: list[Event]) -> None:
        """A part begins, in the provider's order."""
        self._queue.append(queued)
        self.advance(out)

    def extend(self, queued: Queued, text: str, out: list[Event], logprobs: tuple[Logprob, ...] | None = None) -> None:
        """More of a part that `add` was called for and that is not closed."""
        is_call = queued.kind == "call"
        if is_call or queued.index < 0:
            queued.waiting.append((text, logprobs))
        if queued.index >= 0:
            out.append(PartDelta(queued.index, text, self._choice, logprobs))
        if is_call:
            self.advance(out)

    def cite(self, queued: Queued, citation: Citation, out: list[Event]) -> None:
        """A source of a text that is not closed."""
        if queued.index >= 0:
            out.append(Cited(queued.index, citation, self._choice))
        else:
            queued.citations.append(citation)

    def advance(self, out: list[Event]) -> None:
        """Open the head if it can be, and close it if it can be and something waits behind it."""
        queue = self._queue
        while queue:
            head = queue[0]
            if head.index < 0:
                if head.kind == "call" and not (head.id and head.name):
                    return
                self._open(head, out)
            if head.kind != "whole" and (len(queue) == 1 or not head.complete()):
                return
            self._close(queue.popleft(), out)

    def close_all(self, out: list[Event]) -> None:
        """Nothing more comes, so every part is whole. Calls must have an id and a name by now."""
        while self._queue:
            head = self._queue.popleft()
            if head.index < 0:
                self._open(head, out)
            self._close(head, out)

    def _open(self, head: Queued, out: list[Event]) -> None:
        head.index = self._next
        self._next += 1
        part = head.part
        if part is None:
            part = ToolCall(id=head.id, name=head.name, arguments="", custom=head.custom, signature=head.signature)
            head.signature = None
        out.append(PartStarted(head.index, part, self._choice))
        for text, logprobs in head.waiting:
            out.append(PartDelta(head.index, text, self._choice, logprobs))
        out += [Cited(head.index, citation, self._choice) for citation in head.citations]

    def _close(self, head: Queued, out: list[Event]) -> None:
        out.append(PartEnded(head.index, self._choice, head.signature))
        head.kind = "whole"
