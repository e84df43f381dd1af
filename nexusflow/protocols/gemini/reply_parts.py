"""Canonical parts of an answer as Gemini's parts, and the reasoning state that rides on them (protocols 2.7)."""

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from nexusflow.ir.chat import Citation, Data, Media, Part, Refusal, Text, Thinking, ToolCall, Unknown, Url
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.common import arguments, ids
from nexusflow.protocols.gemini import signatures
from nexusflow.protocols.gemini.tables import ORIGIN

METADATA = "nexusflow"
"""Under this name a part's `partMetadata` keeps a block that only another vendor understands, for its way back."""
Written = dict[str, Any] | Raw


def call_part(call: ToolCall, signature: str | None) -> dict[str, Any]:
    """A function call. Raises `RequestRefused` (E-UPSTREAM) when its arguments are no JSON object."""
    text = arguments.wrap_custom(call.arguments) if call.custom else call.arguments
    try:
        args = arguments.as_object(text, call.name)
    except RequestRefused:
        raise refuse(
            Kind.UPSTREAM,
            f"The provider called `{call.name}` with arguments that are not a JSON object.",
            code="upstream_malformed_tool_arguments",
        ) from None
    return signed({"functionCall": {"id": ids.tool_id(call.id), "name": call.name, "args": args}}, signature)


def media_part(media: Media) -> dict[str, Any] | None:
    """An image or another medium; None for a file that its vendor keeps to itself."""
    source = media.source
    if isinstance(source, Data):
        part: dict[str, Any] = {"inlineData": {"mimeType": source.mime, "data": source.base64}}
    elif isinstance(source, Url):
        part = {"fileData": {"fileUri": source.url, **({"mimeType": source.mime} if source.mime else {})}}
    else:
        return None
    return signed(part, signatures.native(media.signature))


def unknown_part(block: Unknown) -> Written:
    """A block of Google's own as it was, or another vendor's as metadata of an empty text."""
    if block.origin == ORIGIN:
        return block.raw
    return {"text": "", "partMetadata": {METADATA: block}}


def signed(part: dict[str, Any], signature: str | None) -> dict[str, Any]:
    """`part` with its signature, where it has one."""
    if signature is not None:
        part["thoughtSignature"] = signature
    return part


class Parts:
    """The parts of one candidate, in order. `add` each, then take `finished`.

    `cited` holds the visible texts with their places and citations, `refusal` the model's words of refusal.
    """

    def __init__(self, *, thoughts: bool) -> None:
        self._thoughts = thoughts
        self._written: list[Written] = []
        self._held: list[Thinking] = []
        self._last_text: dict[str, Any] | None = None
        self.cited: list[tuple[int, str, Sequence[Citation]]] = []
        self.refusal = ""

    def add(self, part: Part) -> None:
        """Write one part. Reasoning state is held for the next call, or the last text."""
        match part:
            case Thinking():
                self._think(part)
            case Text():
                self._text(part.text, signatures.native(part.signature), part.citations)
            case Refusal():
                self.refusal += part.text
                self._text(part.text, None, ())
            case ToolCall():
                self._written.append(call_part(part, signatures.native(part.signature) or self._release()))
            case Media():
                written = media_part(part)
                if written is not None:
                    self._written.append(written)
            case Unknown():
                self._written.append(unknown_part(part))

    def finished(self) -> list[Written]:
        """All parts, with state that no call took on the last text, or on an empty one of its own."""
        carried = self._release()
        if carried is not None:
            if self._last_text is None or "thoughtSignature" in self._last_text:
                self._last_text = {"text": ""}
                self._written.append(self._last_text)
            self._last_text["thoughtSignature"] = carried
        return self._written

    def _think(self, part: Thinking) -> None:
        shown = self._thoughts and bool(part.text)
        if shown:
            self._written.append({"text": part.text, "thought": True})
        if part.signature is not None:
            self._held.append(part)

    def _text(self, text: str, signature: str | None, citations: Sequence[Citation]) -> None:
        self._last_text = signed({"text": text}, signature)
        self.cited.append((len(self._written), text, citations))
        self._written.append(self._last_text)

    def _release(self) -> str | None:
        held, self._held = self._held, []
        return signatures.carry(held)
