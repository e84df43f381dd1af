"""Canonical parts to blocks of a request for the provider (protocols 2.1.2, 2.1.3, 2.2).

What changes what the model sees is refused in the caller's spelling of the path; hints are losses.
"""

import base64
import binascii
from functools import partial
from typing import Any

from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import (
    ChatCall,
    Data,
    Document,
    FileRef,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
    Url,
)
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.anthropic import citations
from nexusflow.protocols.anthropic.tables import IMAGE_TYPES, ORIGIN
from nexusflow.protocols.common import arguments, envelope, ids
from nexusflow.protocols.common.places import Places

Block = dict[str, Any] | Raw
Markable = Text | Media | Document | ToolCall | ToolResult | Tool

_TTL = {None: None, "5m": None, "30m": "1h", "1h": "1h", "12h": "1h"}
"""The lifetimes that this protocol has; None is its default of five minutes."""


class PartWriter:
    """Writes the parts of one call for one destination."""

    def __init__(self, call: ChatCall, to: Destination, losses: Losses) -> None:
        self._to = to
        self._losses = losses
        self._places = Places(call)
        self._native = call.origin == ORIGIN

    def turn(self, turn: Turn) -> list[Block]:
        """The blocks of a turn; none for parts that say nothing here. Raises `RequestRefused`."""
        blocks: list[Block] = []
        for part in turn.parts:
            block = self._block(part, answer=turn.role == "assistant")
            if block is not None:
                blocks.append(block)
        return blocks

    def marked(self, block: dict[str, Any], part: Markable) -> dict[str, Any]:
        """`block` with what its part brings beside its content: a cache mark, where the provider keeps such marks, and
        what this protocol's own client said beyond the canonical part."""
        if self._native and part.ext is not None:
            block.update(part.ext)
        if part.cache is None:
            return block
        path = part.path or "tools" if isinstance(part, Tool) else self._places.of(part)
        if self._to.capabilities.cache != "anthropic":
            self._losses.drop(f"{path}.cache_control")
            return block
        ttl = _TTL.get(part.cache.ttl)
        if part.cache.ttl not in _TTL or part.cache.ttl == "12h":
            self._losses.change(f"{path}.cache_control.ttl", f"{part.cache.ttl}>{ttl or '5m'}")
        block["cache_control"] = {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}
        return block

    def _block(self, part: Part, *, answer: bool) -> Block | None:
        match part:
            case Text(text=""):
                return None
            case Text():
                return self._text(part)
            case Refusal():
                self._losses.change(self._places.of(part), "refusal>text")
                return {"type": "text", "text": part.text} if part.text else None
            case Thinking():
                return _thinking(part, self._to)
            case ToolCall():
                return self._tool_call(part)
            case ToolResult():
                return self._tool_result(part)
            case Unknown():
                return part.raw if part.origin == ORIGIN else None
        if answer:
            raise _refused(self._places.of(part), "media in an assistant message cannot be sent to this model")
        return self._content(part)

    def _content(self, part: Media | Document) -> dict[str, Any]:
        block = self._document(part) if isinstance(part, Document) else self._media(part)
        return self.marked(block, part)

    def _text(self, part: Text) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": part.text}
        cited = [citations.write_native(citation) for citation in part.citations]
        if known := [citation for citation in cited if citation is not None]:
            block["citations"] = known
        if len(known) < len(cited):
            self._losses.drop(f"{self._places.of(part)}.citations")
        return self.marked(block, part)

    def _media(self, part: Media) -> dict[str, Any]:
        if part.detail not in (None, "auto"):
            self._losses.drop(self._places.detail(part))
        if part.kind == "image":
            return {"type": "image", "source": self._image(part, part.source)}
        if part.kind != "file":
            raise self._unfit(part, f"{part.kind} cannot be sent to this model")
        block: dict[str, Any] = {"type": "document", "source": self._file(part, part.source)}
        return _titled(block, part.name, part.context, part.cite)

    def _unfit(self, part: Media, message: str) -> RequestRefused:
        return _refused(self._places.media(part), message)

    def _image(self, part: Media, source: Data | Url | FileRef) -> dict[str, Any]:
        if isinstance(source, Data):
            if source.mime not in IMAGE_TYPES:
                raise self._unfit(part, f"an image must be one of: {', '.join(sorted(IMAGE_TYPES))}")
            return {"type": "base64", "media_type": source.mime, "data": source.base64}
        if isinstance(source, Url) and not self._to.capabilities.image_url:
            raise self._unfit(part, "this model takes no image by address; send its data")
        return self._elsewhere(part, source)

    def _file(self, part: Media, source: Data | Url | FileRef) -> dict[str, Any]:
        if isinstance(source, Data) and source.mime.startswith("text/"):
            return {"type": "text", "media_type": "text/plain", "data": self._decoded(part, source.base64)}
        if not self._to.capabilities.pdf:
            raise self._unfit(part, "this model takes no PDF")
        if isinstance(source, Data):
            if source.mime != "application/pdf":
                raise self._unfit(part, "a file must be a PDF or text")
            return {"type": "base64", "media_type": source.mime, "data": source.base64}
        return self._elsewhere(part, source)

    def _elsewhere(self, part: Media, source: Url | FileRef) -> dict[str, Any]:
        if isinstance(source, Url):
            return {"type": "url", "url": source.url}
        if source.origin != ORIGIN:
            raise self._unfit(part, "a file that another provider keeps cannot be sent to this model")
        return {"type": "file", "file_id": source.id}

    def _decoded(self, part: Media, data: str) -> str:
        try:
            return base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise self._unfit(part, "a text file must be UTF-8 in base64") from None

    def _document(self, part: Document) -> dict[str, Any]:
        if part.source is None:
            source = {"type": "text", "media_type": "text/plain", "data": part.text}
            return _titled({"type": "document", "source": source}, part.title, part.context, part.cite)
        content = [{"type": "text", "text": part.text}] if part.text else []
        block = {"type": "search_result", "source": part.source, "title": part.title or part.source, "content": content}
        return _titled(block, None, None, part.cite)

    def _tool_call(self, part: ToolCall) -> dict[str, Any]:
        given = arguments.wrap_custom(part.arguments) if part.custom else part.arguments
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": ids.tool_id(part.id),
            "name": part.name,
            "input": arguments.as_object(given, partial(self._places.arguments, part), part.id),
        }
        return self.marked(block, part)

    def _tool_result(self, part: ToolResult) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": ids.tool_id(part.call_id)}
        content = [found for one in part.content if (found := self._result_part(one)) is not None]
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return self.marked(block, part)

    def _result_part(self, part: Text | Media | Document | Unknown) -> Block | None:
        match part:
            case Text(text=""):
                return None
            case Text():
                return self._text(part)
            case Unknown():
                return part.raw if part.origin == ORIGIN else {"type": "text", "text": bytes(part.raw).decode()}
        return self._content(part)


def _thinking(part: Thinking, to: Destination) -> dict[str, Any] | None:
    """A signed block as it was; one that its maker did not sign for this model would be refused (T94)."""
    state = envelope.usable(part.signature, ORIGIN, to.family)
    if state is None:
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": state}
    return {"type": "thinking", "thinking": part.text, "signature": state}


def _titled(block: dict[str, Any], title: str | None, context: str | None, cite: bool) -> dict[str, Any]:
    if title is not None:
        block["title"] = title
    if context is not None:
        block["context"] = context
    if cite:
        block["citations"] = {"enabled": True}
    return block


def _refused(path: str, message: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}`: {message}", param=path, code="unsupported_content")
