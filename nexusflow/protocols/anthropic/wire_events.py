"""Typed wire form of the events of a Messages stream (protocols 1.4.3). Members that we do not need are left out."""

from msgspec import Raw, Struct


class TextDelta(Struct, frozen=True, gc=False, tag_field="type", tag="text_delta"):
    """More text."""

    text: str | None = None


class InputDelta(Struct, frozen=True, gc=False, tag_field="type", tag="input_json_delta"):
    """A fragment of a tool's input, as JSON text."""

    partial_json: str | None = None


class ThinkingDelta(Struct, frozen=True, gc=False, tag_field="type", tag="thinking_delta"):
    """More thinking."""

    thinking: str | None = None


class SignatureDelta(Struct, frozen=True, gc=False, tag_field="type", tag="signature_delta"):
    """The signature of the open thinking block, whole."""

    signature: str


class CitationsDelta(Struct, frozen=True, tag_field="type", tag="citations_delta"):
    """A source of the open text block."""

    citation: Raw


class CompactionDelta(Struct, frozen=True, tag_field="type", tag="compaction_delta"):
    """The content of an open compaction block, whole."""

    content: Raw


Delta = TextDelta | InputDelta | ThinkingDelta | SignatureDelta | CitationsDelta | CompactionDelta


class MessageHead(Struct, frozen=True):
    """The message that `message_start` announces."""

    id: str | None = None
    model: str | None = None
    usage: Raw = Raw()


class Stop(Struct, frozen=True):
    """Why the message ended. Also members of a whole message."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = Raw()
    container: Raw = Raw()


class MessageStart(Struct, frozen=True, tag_field="type", tag="message_start"):
    """The first event."""

    message: MessageHead


class BlockStart(Struct, frozen=True, tag_field="type", tag="content_block_start"):
    """A block begins."""

    index: int
    content_block: Raw


class BlockDelta(Struct, frozen=True, tag_field="type", tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: Delta


class BlockStop(Struct, frozen=True, gc=False, tag_field="type", tag="content_block_stop"):
    """A block is complete."""

    index: int


class MessageDelta(Struct, frozen=True, tag_field="type", tag="message_delta"):
    """The end's reason, and the usage so far."""

    delta: Stop = Stop()
    usage: Raw = Raw()
    context_management: Raw = Raw()


class MessageStop(Struct, frozen=True, gc=False, tag_field="type", tag="message_stop"):
    """The last event."""


class Ping(Struct, frozen=True, gc=False, tag_field="type", tag="ping"):
    """Nothing, to keep the connection alive."""


class ErrorEvent(Struct, frozen=True, tag_field="type", tag="error"):
    """It broke. Nothing follows."""

    error: Raw = Raw()


StreamEvent = BlockDelta | BlockStart | BlockStop | MessageStart | MessageDelta | MessageStop | Ping | ErrorEvent
KNOWN_DELTAS = frozenset(
    ("text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta", "compaction_delta")
)
KNOWN_EVENTS = frozenset(
    ("content_block_delta", "content_block_start", "content_block_stop", "message_start", "message_delta", "error")
)
"""Events without which content or a failure would be lost, so that they may not be malformed."""
