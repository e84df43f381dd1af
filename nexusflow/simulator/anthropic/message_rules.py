"""What Anthropic refuses in messages though each of their blocks is well-formed (protocols 1.4.1)."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nexusflow.simulator.anthropic.body import (
    Base64,
    Block,
    Document,
    Hosted,
    Image,
    Message,
    Redacted,
    SearchResult,
    Text,
    Thinking,
    ToolReference,
    ToolResult,
    ToolUse,
)
from nexusflow.simulator.anthropic.vendor import invalid
from nexusflow.simulator.failure import Failure
from nexusflow.simulator.seal import holds

FORM = "messages"
IMAGES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG", "image/gif": b"GIF8", "image/webp": b"RIFF"}


@dataclass(frozen=True, slots=True)
class Run:
    """Messages in a row of one role, read as one; `at` is the number of the first."""

    at: int
    role: str
    blocks: tuple[Block, ...]


def blocks_of(message: Message) -> list[Block]:
    """A message's blocks, where its content is a text one of that."""
    return [Text(text=message.content)] if isinstance(message.content, str) else message.content


def runs(messages: Iterable[Message]) -> list[Run]:
    """Messages with those that follow one of the same role joined to it."""
    found: list[Run] = []
    for at, message in enumerate(messages):
        blocks = tuple(blocks_of(message))
        if found and found[-1].role == message.role:
            before = found.pop()
            found.append(Run(before.at, message.role, (*before.blocks, *blocks)))
        else:
            found.append(Run(at, message.role, blocks))
    return found


def check_blocks(messages: Sequence[Message], *, documents: bool) -> Iterator[Failure]:
    """Blocks by themselves; `documents` says whether an assistant may have them."""
    for at, message in enumerate(messages):
        last = at == len(messages) - 1 and message.role == "assistant"
        if not message.content and not last:
            said = f"{message.role} messages must have non-empty content"
            yield invalid(f"messages.{at}: {said} except for the optional final assistant message")
        for number, block in enumerate(blocks_of(message) if message.content else ()):
            place = f"messages.{at}.content.{number}"
            yield from _in_role(block, message.role, place, documents=documents)
            yield from _by_itself(block, place)


def _in_role(block: Block, role: str, place: str, *, documents: bool) -> Iterator[Failure]:
    tag = block.__struct_config__.tag
    spoken = isinstance(block, Thinking | Redacted | ToolUse)
    given = isinstance(block, ToolResult | Image | SearchResult) or (isinstance(block, Document) and not documents)
    if (spoken and role != "assistant") or (given and role != "user"):
        yield invalid(f"{place}: `{tag}` blocks can only be in `{'assistant' if spoken else 'user'}` messages")
    elif role == "system" and not isinstance(block, Text | Hosted):
        yield invalid(f"{place}: `system` messages may only contain text")


def _by_itself(block: Block | ToolReference, place: str) -> Iterator[Failure]:
    if isinstance(block, Text) and not block.text:
        marked = block.cache_control is not None
        reason = (
            "cache_control cannot be set for empty text blocks" if marked else "text content blocks must be non-empty"
        )
        yield invalid(f"{place}.text: {reason}" if marked else f"messages: {reason}")
    elif isinstance(block, Thinking) and not holds(block.signature, FORM, block.thinking):
        yield invalid(f"{place}: Invalid `signature` in `thinking` block")
    elif isinstance(block, Redacted) and not holds(block.data, FORM, "redacted"):
        yield invalid(f"{place}: Invalid `data` in `redacted_thinking` block")
    elif isinstance(block, Image) and isinstance(block.source, Base64):
        yield from _image(block.source, f"{place}.image.source.base64")
    elif isinstance(block, Document) and isinstance(block.source, Base64):
        if block.source.media_type != "application/pdf":
            yield invalid(f"{place}.document.source.base64.media_type: Input should be 'application/pdf'")
        elif _bytes(block.source.data) is None:
            yield invalid(f"{place}.document.source.base64.data: The PDF specified was not valid.")
    elif isinstance(block, ToolResult) and isinstance(block.content, list):
        for number, part in enumerate(block.content):
            if not (isinstance(part, Text) and not part.text and part.cache_control is None):
                yield from _by_itself(part, f"{place}.tool_result.content.{number}")


def _image(source: Base64, place: str) -> Iterator[Failure]:
    data = _bytes(source.data)
    if source.media_type not in IMAGES:
        allowed = ", ".join(map(repr, IMAGES))
        yield invalid(f"{place}.media_type: Input should be one of {allowed}")
    elif not data:
        yield invalid(f"{place}.data: invalid base64 data")
    elif any(data.startswith(begin) for kind, begin in IMAGES.items() if kind != source.media_type):
        kind = next(kind for kind, begin in IMAGES.items() if data.startswith(begin))
        said = f"Image does not match the provided media type: {source.media_type} given, {kind} found"
        yield invalid(f"{place}.media_type: {said}")


def _bytes(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def check_pairs(joined: Sequence[Run]) -> Iterator[Failure]:
    """Each call is answered at the very beginning of the next message, and nothing else is."""
    seen: set[str] = set()
    for at, run in enumerate(joined):
        calls = [block.id for block in run.blocks if isinstance(block, ToolUse)]
        if len(set(calls)) < len(calls) or seen.intersection(calls):
            yield invalid(f"messages.{run.at}: `tool_use` ids must be unique")
        seen.update(calls)
        after = joined[at + 1].blocks if at + 1 < len(joined) else ()
        answered = [block.tool_use_id for block in _first(after)]
        open_calls = [call for call in calls if call not in answered]
        if open_calls:
            yield invalid(
                f"messages.{run.at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(open_calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        before = [block.id for block in (joined[at - 1].blocks if at else ()) if isinstance(block, ToolUse)]
        results = [block.tool_use_id for block in run.blocks if isinstance(block, ToolResult)]
        for number, result in enumerate(results):
            if result not in before:
                yield invalid(
                    f"messages.{run.at}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{result}. Each `tool_result` block must have a corresponding `tool_use` block in the previous "
                    "message."
                )
            if result in results[:number]:
                yield invalid(
                    f"messages.{run.at}.content.{number}: each tool_use must have a single result. Found multiple "
                    f"`tool_result` blocks with id: {result}"
                )


def _first(blocks: Iterable[Block]) -> Iterator[ToolResult]:
    """The results at the beginning of `blocks`."""
    for block in blocks:
        if not isinstance(block, ToolResult):
            return
        yield block
