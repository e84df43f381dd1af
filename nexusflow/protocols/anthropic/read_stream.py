"""A provider's Messages stream to canonical events (protocols 1.4.3, 2.2).

Parts may not overlap in canonical form, so a block that starts before the open one has stopped is held back. Blocks
that only this provider understands are given whole, at their end.
"""

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Ext
from nexusflow.ir.errors import Problem
from nexusflow.ir.events import Done, Event, Failed, Finished, Started, UsageSeen
from nexusflow.protocols.anthropic import errors, stream_blocks, tables
from nexusflow.protocols.anthropic import usage as usage_record
from nexusflow.protocols.anthropic.identity_stream import EMPTY, MALFORMED, TOO_LARGE, TRUNCATED
from nexusflow.protocols.anthropic.stream_blocks import Block, Nameless, TextBlock, ThinkingBlock
from nexusflow.protocols.anthropic.wire_events import (
    KNOWN_DELTAS,
    KNOWN_EVENTS,
    BlockDelta,
    BlockStart,
    BlockStop,
    ErrorEvent,
    MessageDelta,
    MessageStart,
    MessageStop,
    Stop,
    StreamEvent,
)
from nexusflow.wire import jsonedit, sse

_decode = msgspec.json.Decoder(StreamEvent).decode


class StreamReader:
    """Bytes in, events out, in the grammar of `ir.events`. After `Done` or `Failed` it returns nothing."""

    __slots__ = (
        "_blocks",
        "_called",
        "_ext",
        "_family",
        "_live",
        "_over",
        "_parts",
        "_said",
        "_splitter",
        "_started",
        "_stop",
        "_usage_parts",
        "_waiting",
    )

    def __init__(self, to: Destination) -> None:
        self._family = to.family
        self._splitter = sse.Splitter()
        self._blocks: dict[int, Block] = {}
        self._live: Block | None = None
        self._waiting: list[Block] = []
        self._parts = 0
        self._called = False
        self._started = False
        self._said = False
        self._over = False
        self._stop: Stop | None = None
        self._usage_parts: list[bytes] = [b""]
        self._ext: Ext = {}

    def feed(self, piece: bytes) -> list[Event]:
        """The events completed by `piece`."""
        if self._over:
            return []
        found = self._splitter.named(piece)
        if found is None:
            try:
                found = [event.data for event in self._splitter.feed(piece) if event.data is not None]
            except sse.EventTooLarge:
                return self._fail(TOO_LARGE)
        return self._read(found)

    def close(self) -> list[Event]:
        """At the end of the upstream body: an event without its blank line is still one, and no end is a failure."""
        if self._over:
            return []
        events = self._read([event.data for event in self._splitter.close() if event.data is not None])
        if events and isinstance(events[-1], Failed) and events[-1].problem is MALFORMED:
            return [*events[:-1], Failed(TRUNCATED)]  # cut in half
        return events if self._over else [*events, *self._fail(TRUNCATED)]

    def _read(self, found: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for data in found:
            try:
                if not data.isascii():
                    data.decode()  # the parser looks only at what it decodes, and the rest is passed on too
                event = _decode(data)
                events += self._block_delta(event) if type(event) is BlockDelta else self._event(event)
            except msgspec.ValidationError:
                events += self._odd(data)
            except (msgspec.DecodeError, jsonedit.InvalidJSON, Nameless, UnicodeDecodeError, RecursionError):
                if data != b"[DONE]":  # some compatible servers add it; it says nothing in this protocol
                    events += self._fail(MALFORMED)
            if self._over:
                break
        return events

    def _event(self, event: StreamEvent) -> list[Event]:
        match event:
            case MessageStart():
                return self._message_start(event)
            case BlockStart():
                return self._begin() + self._block_start(event)
            case BlockStop():
                return self._block_stop(event.index)
            case MessageDelta():
                return self._begin() + self._message_delta(event)
            case MessageStop():
                return self._message_stop()
            case ErrorEvent():
                return self._fail(errors.read_in_band(bytes(event.error)))
        return []

    def _begin(self, event: MessageStart | None = None) -> list[Event]:
        """`Started`, once, even from a server that leaves `message_start` out."""
        if self._started:
            return []
        self._started = True
        return [Started(id=event.message.id, model=event.message.model) if event is not None else Started()]

    def _message_start(self, event: MessageStart) -> list[Event]:
        if self._started:
            return []
        return self._begin(event) + self._metered(bytes(event.message.usage))

    def _metered(self, usage: bytes) -> list[Event]:
        self._usage_parts.append(usage)
        record = usage_record.reported(usage_record.merged(b"", self._usage_parts))
        return [UsageSeen(record)] if record is not None else []

    def _block_start(self, event: BlockStart) -> list[Event]:
        closing = self._block_stop(event.index) if event.index in self._blocks else []
        block = stream_blocks.opened(self._parts, self._family, bytes(event.content_block))
        self._parts += 1
        self._called = self._called or block.called
        self._blocks[event.index] = block
        begun = block.start()
        # A text may begin and say nothing.
        self._said = self._said or len(begun) != 1 or not isinstance(block, TextBlock | ThinkingBlock)
        if self._live is None:
            self._live = block
            return closing + begun
        self._waiting.append(block)
        block.held += begun
        return closing

    def _block_delta(self, event: BlockDelta) -> list[Event]:
        block = self._blocks.get(event.index)
        if block is None:
            return self._fail(MALFORMED)
        self._said = True
        found = block.delta(event.delta)
        if block is self._live:
            return found
        block.held += found
        return []

    def _block_stop(self, index: int) -> list[Event]:
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        events = block.stop()
        if block is not self._live:
            block.held += events
            block.stopped = True
            return []
        self._live = None
        while self._waiting and self._live is None:
            follower = self._waiting.pop(0)
            events += follower.held
            self._live = None if follower.stopped else follower
        return events

    def _message_delta(self, event: MessageDelta) -> list[Event]:
        stop = event.delta
        if self._stop is None or stop.stop_reason is not None:
            self._stop = stop
        for name, value in (("container", stop.container), ("context_management", event.context_management)):
            if value and bytes(value) != b"null":
                self._ext[name] = value
        return self._metered(bytes(event.usage))

    def _message_stop(self) -> list[Event]:
        events = self._begin()
        for index in list(self._blocks):
            events += self._block_stop(index)
        stop = self._stop or Stop()
        if stop.stop_reason is None and not self._said:
            return events + self._fail(EMPTY)
        self._over = True
        record = usage_record.reported(usage_record.merged(b"", self._usage_parts))
        finish = tables.finish(stop, called=self._called)
        return [*events, Finished(finish), Done(tier=record.tier if record else None, ext=self._ext or None)]

    def _odd(self, data: bytes) -> list[Event]:
        """An event or a delta that we do not know is passed over; one that we know may not be malformed."""
        try:
            fields = jsonedit.split(data)
            kind = stream_blocks.text(fields, "type")
            if not kind and "error" in fields:
                return self._fail(errors.read_in_band(bytes(fields["error"])))
            if kind == "content_block_delta" and "delta" in fields:
                delta = stream_blocks.text(jsonedit.split(bytes(fields["delta"])), "type")
                return self._fail(MALFORMED) if delta in KNOWN_DELTAS else []
        except jsonedit.InvalidJSON:
            return self._fail(MALFORMED)
        return self._fail(MALFORMED) if kind in KNOWN_EVENTS else []

    def _fail(self, problem: Problem) -> list[Event]:
        self._over = True
        return [Failed(problem)]
