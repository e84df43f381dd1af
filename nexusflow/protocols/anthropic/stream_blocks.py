"""The blocks of a provider's Messages stream, each as the events of one canonical part.

A block answers with events when it starts, at each delta, and when it stops. Deltas that do not belong to its kind are
ignored, as the official SDKs do.
"""

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Opaque, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.events import Cited, Event, PartDelta, PartEnded, PartStarted
from nexusflow.protocols.anthropic import citations
from nexusflow.protocols.anthropic.tables import ORIGIN, caller
from nexusflow.protocols.anthropic.wire_events import (
    CitationsDelta,
    CompactionDelta,
    Delta,
    InputDelta,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from nexusflow.protocols.common import ids
from nexusflow.wire import jsonedit
from nexusflow.wire.jsonedit import Fields


class Nameless(ValueError):
    """A call of nobody knows what."""


_citations = msgspec.json.Decoder(list[Fields] | None).decode


class Block:
    """A block that only this provider understands: given whole when it stops. Also the base of the others.

    `held` are the events of a block that has to wait for another one; `stopped` says that it has stopped meanwhile.
    """

    called = False

    def __init__(self, part: int, family: str, fields: Fields) -> None:
        self.part = part
        self.family = family
        self.fields = fields
        self.held: list[Event] = []
        self.stopped = False
        self._input: list[str] = []

    def start(self) -> list[Event]:
        """The events of `content_block_start`."""
        return []

    def delta(self, delta: Delta) -> list[Event]:
        """The events of one `content_block_delta`."""
        if type(delta) is InputDelta and delta.partial_json:
            self._input.append(delta.partial_json)
        elif type(delta) is CompactionDelta:
            self.fields["content"] = delta.content
        return []

    def stop(self) -> list[Event]:
        """The events of `content_block_stop`. Raises `InvalidJSON` when the fragments do not make an object."""
        if self._input:
            self.fields["input"] = Raw(jsonedit.join(jsonedit.split("".join(self._input).encode())))
        kind = text(self.fields, "type")
        raw = Raw(jsonedit.join(self.fields))
        return [PartStarted(self.part, Unknown(origin=ORIGIN, type=kind, raw=raw)), PartEnded(self.part)]


class TextBlock(Block):
    """Text with its sources."""

    def start(self) -> list[Event]:
        """See `Block`. Compatible servers put the first text here."""
        events: list[Event] = [PartStarted(self.part, Text(text=""))]
        if first := text(self.fields, "text"):
            events.append(PartDelta(self.part, first))
        given = self.fields.get("citations")
        sources = _citations(given) if given is not None else None
        events.extend(Cited(self.part, citations.read(source)) for source in sources or ())
        return events

    def delta(self, delta: Delta) -> list[Event]:
        """See `Block`."""
        if type(delta) is TextDelta:
            return [PartDelta(self.part, delta.text)] if delta.text else []
        if type(delta) is CitationsDelta:
            return [Cited(self.part, citations.read(jsonedit.split(bytes(delta.citation))))]
        return []

    def stop(self) -> list[Event]:
        """See `Block`."""
        return [PartEnded(self.part)]


class ThinkingBlock(Block):
    """Thinking. The last signature is the one that counts."""

    def start(self) -> list[Event]:
        """See `Block`."""
        self._signature = text(self.fields, "signature")
        events: list[Event] = [PartStarted(self.part, Thinking(text=""))]
        if first := text(self.fields, "thinking"):
            events.append(PartDelta(self.part, first))
        return events

    def delta(self, delta: Delta) -> list[Event]:
        """See `Block`."""
        if type(delta) is ThinkingDelta:
            return [PartDelta(self.part, delta.thinking)] if delta.thinking else []
        if type(delta) is SignatureDelta:
            self._signature = delta.signature
        return []

    def stop(self) -> list[Event]:
        """See `Block`."""
        signed = Opaque(ORIGIN, self.family, self._signature) if self._signature else None
        return [PartEnded(self.part, signature=signed)]


class RedactedBlock(Block):
    """Thinking that nobody may read, complete from the start."""

    def start(self) -> list[Event]:
        """See `Block`."""
        data = Opaque(ORIGIN, self.family, text(self.fields, "data"))
        return [PartStarted(self.part, Thinking(text="", redacted=True, signature=data))]

    def stop(self) -> list[Event]:
        """See `Block`."""
        return [PartEnded(self.part)]


class ToolBlock(Block):
    """A call. Fragments of its input win over an input that came with its start (protocols 1.4.3)."""

    called = True
    _fragments = False

    def start(self) -> list[Event]:
        """See `Block`. Raises `Nameless`."""
        name = text(self.fields, "name")
        if not name:
            raise Nameless
        id_ = text(self.fields, "id") or ids.made_id(self.family, self.part, name)
        return [
            PartStarted(
                self.part, ToolCall(id=id_, name=name, arguments="", ext=caller(bytes(self.fields.get("caller", b""))))
            )
        ]

    def delta(self, delta: Delta) -> list[Event]:
        """See `Block`."""
        if type(delta) is not InputDelta or not delta.partial_json:
            return []
        self._fragments = True
        return [PartDelta(self.part, delta.partial_json)]

    def stop(self) -> list[Event]:
        """See `Block`. A call without any input is a call with an empty one (T12)."""
        end: list[Event] = [PartEnded(self.part)]
        if self._fragments:
            return end
        given = bytes(self.fields.get("input", b"{}")).decode("utf-8", "replace")
        return [PartDelta(self.part, given if given.startswith("{") else "{}"), *end]


_KINDS: dict[str, type[Block]] = {
    "text": TextBlock,
    "thinking": ThinkingBlock,
    "redacted_thinking": RedactedBlock,
    "tool_use": ToolBlock,
}


def opened(part: int, family: str, raw: bytes) -> Block:
    """The block of a `content_block`. Raises `InvalidJSON` when it is no object."""
    fields = jsonedit.split(raw)
    return _KINDS.get(text(fields, "type"), Block)(part, family, fields)


def text(fields: Fields, name: str) -> str:
    """The string called `name`, or "" where there is none."""
    value = fields.get(name)
    return "" if value is None else jsonedit.as_text(value) or ""
