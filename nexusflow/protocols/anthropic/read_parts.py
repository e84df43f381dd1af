"""Blocks of a request or an answer to canonical parts (protocols 1.4.1, 1.4.2).

A block that only this provider understands is kept whole as `Unknown`; what a known block has beyond the canonical
part is kept in `ext`. A `path` is where the caller wrote the block.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import (
    CacheMark,
    Data,
    Document,
    FileRef,
    Media,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Unknown,
    Url,
)
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.protocols.anthropic import citations, wire_blocks
from nexusflow.protocols.anthropic.tables import ORIGIN, caller
from nexusflow.protocols.anthropic.wire_blocks import CacheControl, Citing, Source
from nexusflow.protocols.common import media

Adopt = Callable[[str], Opaque | None]
"""How the text of a signature becomes the state that it stands for; None when it stands for none."""

Content = Text | Media | Document | Unknown


def read(blocks: list[Raw], path: str, adopt: Adopt) -> list[Part]:
    """The parts of a message's content, in order. Raises `RequestRefused` naming the block that is malformed."""
    parts: list[Part] = []
    for at, block in enumerate(blocks):
        parts.extend(_part(block, f"{path}[{at}]", adopt))
    return parts


def cache_mark(control: CacheControl | None) -> CacheMark | None:
    """The mark in a `cache_control`."""
    return None if control is None else CacheMark(ttl=control.ttl)


def text(block: Raw, path: str) -> Text:
    """A text block."""
    form, ext = wire_blocks.TEXT.read_all(block, path)
    return Text(
        text=form.text,
        citations=tuple(map(citations.read, form.citations or ())),
        cache=cache_mark(form.cache_control),
        ext=ext,
    )


def _part(block: Raw, path: str, adopt: Adopt) -> list[Part]:
    kind = wire_blocks.TAGGED.read(block, path).type
    match kind:
        case "thinking":
            thought = wire_blocks.THINKING.read(block, path)
            return [Thinking(text=thought.thinking, signature=adopt(thought.signature or ""))]
        case "redacted_thinking":
            data = wire_blocks.REDACTED.read(block, path).data
            return [Thinking(text="", redacted=True, signature=adopt(data))]
        case "tool_use":
            return [_tool_call(block, path)]
        case "tool_result":
            return [_tool_result(block, path)]
    return [*_content(kind, block, path)]


def _content(kind: str, block: Raw, path: str) -> list[Content]:
    """Blocks that may stand in a message and in a tool result."""
    match kind:
        case "text":
            return [text(block, path)]
        case "image":
            image, ext = wire_blocks.IMAGE.read_all(block, path)
            source = _source(image.source, f"{path}.source")
            return [Media(kind="image", source=source, cache=cache_mark(image.cache_control), ext=ext)]
        case "document":
            return _document(block, path)
        case "search_result":
            found, ext = wire_blocks.SEARCH_RESULT.read_all(block, path)
            return [
                Document(
                    text=_text_and_images(found.content, f"{path}.content")[0],
                    title=found.title,
                    source=found.source,
                    cite=_cited(found.citations),
                    cache=cache_mark(found.cache_control),
                    ext=ext,
                )
            ]
    return [Unknown(origin=ORIGIN, type=kind, raw=block)]


def _document(block: Raw, path: str) -> list[Content]:
    """A document: text, a file, or blocks, of which the images come after the text."""
    found, ext = wire_blocks.DOCUMENT.read_all(block, path)
    cache, cite = cache_mark(found.cache_control), _cited(found.citations)
    images: list[Content] = []
    if found.source.type == "text":
        content = _given(found.source.data, f"{path}.source.data")
    elif found.source.type == "content":
        here = f"{path}.source.content"
        if found.source.content is None:
            raise _missing(here)
        content, images = _text_and_images(found.source.content, here)
    else:
        source = _source(found.source, f"{path}.source")
        return [
            Media(
                kind="file",
                source=source,
                name=found.title,
                context=found.context,
                cite=cite,
                cache=cache,
                ext=ext,
            )
        ]
    document = Document(text=content, title=found.title, context=found.context, cite=cite, cache=cache, ext=ext)
    return [document, *images]


def _text_and_images(content: str | list[Raw], path: str) -> tuple[str, list[Content]]:
    """The text of a string or of blocks, joined by line breaks, and the images among the blocks."""
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    images: list[Content] = []
    for at, block in enumerate(content):
        here = f"{path}[{at}]"
        for part in _content(wire_blocks.TAGGED.read(block, here).type, block, here):
            if isinstance(part, Text):
                texts.append(part.text)
            elif isinstance(part, Media) and part.kind == "image":
                images.append(part)
            else:
                raise refuse(Kind.PARAM, f"`{here}` must be text or an image", param=here)
    return "\n".join(texts), images


def _tool_call(block: Raw, path: str) -> ToolCall:
    call = wire_blocks.TOOL_USE.read(block, path)
    if not bytes(call.input).startswith(b"{"):
        raise refuse(Kind.PARAM, f"`{path}.input` must be an object", param=f"{path}.input", code="invalid_type")
    return ToolCall(
        id=call.id,
        name=call.name,
        arguments=msgspec.json.format(bytes(call.input), indent=-1).decode(),
        cache=cache_mark(call.cache_control),
        ext=caller(bytes(call.caller)),
    )


def _tool_result(block: Raw, path: str) -> ToolResult:
    result, ext = wire_blocks.TOOL_RESULT.read_all(block, path)
    content: list[Content] = []
    if isinstance(result.content, str):
        content.append(Text(text=result.content))
    for at, one in enumerate(result.content if isinstance(result.content, list) else ()):
        here = f"{path}.content[{at}]"
        content.extend(_content(wire_blocks.TAGGED.read(one, here).type, one, here))
    return ToolResult(
        call_id=result.tool_use_id,
        content=tuple(content),
        is_error=bool(result.is_error),
        cache=cache_mark(result.cache_control),
        ext=ext,
    )


def _source(source: Source, path: str) -> Data | Url | FileRef:
    match source.type:
        case "base64":
            data = _given(source.data, f"{path}.data")
            return Data(mime=media.normal_mime(source.media_type or ""), base64=media.standard_base64(data))
        case "url":
            return Url(url=_given(source.url, f"{path}.url"))
        case "file":
            return FileRef(id=_given(source.file_id, f"{path}.file_id"), origin=ORIGIN)
    raise refuse(Kind.PARAM, f"`{path}.type` must be base64, url or file", param=f"{path}.type")


def _given(value: str | None, path: str) -> str:
    if value is None:
        raise _missing(path)
    return value


def _missing(path: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` is required", param=path, code="missing_required_parameter")


def _cited(citing: Citing | None) -> bool:
    return citing is not None and bool(citing.enabled)
