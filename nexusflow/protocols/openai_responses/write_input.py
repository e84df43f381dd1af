"""Canonical turns as the input items of a provider that speaks Responses (protocols 2.1.1, 2.1.2, 2.9)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import (
    CacheMark,
    ChatCall,
    Data,
    Document,
    FileRef,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import documents
from nexusflow.protocols.common.arguments import as_object, wrap_custom
from nexusflow.protocols.common.envelope import usable
from nexusflow.protocols.common.ids import tool_id
from nexusflow.protocols.common.media import data_url, normal_mime
from nexusflow.protocols.common.places import Places
from nexusflow.protocols.openai_responses.tables import ERROR_MARK, ORIGIN

Item = dict[str, Any]
_AUDIO = {"audio/wav": "wav", "audio/mp3": "mp3"}
_FILE_NAMES = {"application/pdf": "document.pdf", "text/plain": "document.txt"}


class InputWriter:
    """Writes the turns of one call to one provider."""

    def __init__(self, call: ChatCall, to: Destination, losses: Losses) -> None:
        self._to = to
        self._losses = losses
        self._places = Places(call)
        self._custom: set[str] = set()

    def items(self, turns: tuple[Turn, ...]) -> list[Item]:
        """All turns, in order. Raises `RequestRefused` for what the provider has no place for."""
        return [item for turn in turns for item in self._turn(turn)]

    def _turn(self, turn: Turn) -> Iterator[Item]:
        if turn.name is not None:
            self._losses.drop(f"{turn.path}.name")
        if turn.role == "assistant":
            yield from self._assistant(turn)
            return
        parts: list[Item] = []
        for part in turn.parts:
            if isinstance(part, ToolResult):
                yield self._result(part)
            elif (written := self._part(part)) is not None:
                parts.append(written)
        if parts or not turn.parts:
            role = "user" if turn.role == "user" else "developer"
            yield {"type": "message", "role": role, "content": parts or ""}

    def _assistant(self, turn: Turn) -> Iterator[Item]:
        """Adjoining texts and refusals are one message; everything else is an item of its own."""
        said: list[Item] = []
        phase: Any = None
        for part in turn.parts:
            if isinstance(part, Text | Refusal):
                phase = (part.ext or {}).get("phase", phase) if isinstance(part, Text) else phase
                said.append(_said(part))
                continue
            if said:
                yield _message(said, phase)
                said, phase = [], None
            item = self._own(part)
            if item is not None:
                yield item
        if said:
            yield _message(said, phase)

    def _own(self, part: Part) -> Item | None:
        """An item that the model made; None for hidden state that this provider cannot read (protocols 2.0.4)."""
        if isinstance(part, Thinking):
            return self._reasoning(part)
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, Unknown):
            return msgspec.json.decode(part.raw, type=Item) if part.origin == ORIGIN else None
        raise _no_place(self._places.of(part), "in an assistant's turn")

    def _reasoning(self, part: Thinking) -> Item | None:
        state = usable(part.signature, ORIGIN, self._to.family)
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        item: Item = {"type": "reasoning", "summary": summary}
        if part.id is not None:
            item["id"] = part.id
        if state is not None:
            return {**item, "encrypted_content": state}
        if not self._to.capabilities.reasoning.roundtrip or not part.text:
            return None
        return {**item, "summary": [], "content": [{"type": "reasoning_text", "text": part.text}]}

    def _call(self, part: ToolCall) -> Item:
        id_ = tool_id(part.id)
        if part.custom and self._to.capabilities.custom_tools:
            self._custom.add(part.id)
            return {"type": "custom_tool_call", "call_id": id_, "name": part.name, "input": part.arguments}
        if part.custom:
            text = wrap_custom(part.arguments)
        else:
            text = bytes(as_object(part.arguments, partial(self._places.arguments, part), part.id)).decode()
        return {"type": "function_call", "call_id": id_, "name": part.name, "arguments": text}

    def _result(self, part: ToolResult) -> Item:
        kind = "custom_tool_call_output" if part.call_id in self._custom else "function_call_output"
        written = [self._part(one) for one in part.content]
        parts = [one for one in written if one is not None]
        if part.is_error:
            parts = _marked_as_error(parts)
        output: Any = parts
        if all(one["type"] == "input_text" and one.keys() == {"type", "text"} for one in parts):
            output = "\n".join(one["text"] for one in parts)
        return {"type": kind, "call_id": tool_id(part.call_id), "output": output}

    def _part(self, part: Part) -> Item | None:
        """A part of what the user or a tool says."""
        if isinstance(part, Text):
            return {"type": "input_text", "text": part.text, **self._mark(part.cache)}
        if isinstance(part, Refusal):
            return {"type": "input_text", "text": part.text}
        if isinstance(part, Document):
            return {"type": "input_text", "text": documents.text_of(part), **self._mark(part.cache)}
        if isinstance(part, Media):
            return {**self._media(part), **self._mark(part.cache)}
        if isinstance(part, Unknown):
            if part.origin == ORIGIN:
                return msgspec.json.decode(part.raw, type=Item)
            # The model is to see as much of it as there is; only its meaning to its own provider is lost.
            return {"type": "input_text", "text": bytes(part.raw).decode()}
        raise _no_place(self._places.of(part), "in a user's turn")

    def _media(self, part: Media) -> Item:
        if part.kind == "video" or part.kind not in self._to.capabilities.input:
            raise _no_place(self._places.media(part), f"for this model: it takes no {part.kind}")
        source = part.source
        if isinstance(source, FileRef) and not source.origin.startswith("openai/"):
            raise _no_place(self._places.media(part), "here: the file is kept by another provider")
        if part.kind == "audio":
            return self._audio(part)
        if part.kind == "image":
            item: Item = {"type": "input_image", "detail": part.detail or "auto"}
            where, url = "image_url", "image_url"
        else:
            item = {"type": "input_file"}
            if part.detail is not None:
                item["detail"] = part.detail
            where, url = "file_data", "file_url"
        if isinstance(source, FileRef):
            return {**item, "file_id": source.id}
        if isinstance(source, Data):
            if part.kind == "file":
                item["filename"] = part.name or _FILE_NAMES.get(source.mime, "document")
            return {**item, where: data_url(source.mime, source.base64)}
        return {**item, url: source.url}

    def _audio(self, part: Media) -> Item:
        source = part.source
        form = _AUDIO.get(normal_mime(source.mime)) if isinstance(source, Data) else None
        if form is None or not isinstance(source, Data):
            raise _no_place(self._places.media(part), "here: audio must be wav or mp3 data")
        return {"type": "input_audio", "input_audio": {"data": source.base64, "format": form}}

    def _mark(self, cache: CacheMark | None) -> Item:
        if cache is None or self._to.capabilities.cache != "openai-breakpoints":
            return {}
        ttl = {} if cache.ttl not in ("30m", "12h") else {"ttl": cache.ttl}
        return {"prompt_cache_breakpoint": {"mode": "explicit", **ttl}}


def _said(part: Text | Refusal) -> Item:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": []}


def _message(said: list[Item], phase: Any) -> Item:
    item: Item = {"type": "message", "role": "assistant", "content": said}
    return {**item, "phase": phase} if phase is not None else item


def _marked_as_error(parts: list[Item]) -> list[Item]:
    """The error mark before the first text, or as a text of its own."""
    if parts and parts[0]["type"] == "input_text":
        return [{**parts[0], "text": ERROR_MARK + parts[0]["text"]}, *parts[1:]]
    return [{"type": "input_text", "text": ERROR_MARK}, *parts]


def _no_place(path: str, why: str) -> RequestRefused:
    return refuse(Kind.PARAM, f"`{path}` has no place {why}", param=path, code="unsupported_content")
