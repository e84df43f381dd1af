"""Turns of a conversation as `contents` and `systemInstruction` for a Gemini provider (protocols 2.4, 2.6)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import (
    ChatCall,
    Document,
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
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import arguments, documents, envelope, ids
from nexusflow.protocols.common.places import Places
from nexusflow.protocols.gemini import names, signatures
from nexusflow.protocols.gemini.reply_parts import signed
from nexusflow.protocols.gemini.tables import ORIGIN
from nexusflow.protocols.gemini.write_media import MediaWriter
from nexusflow.protocols.gemini.write_results import response

Content = dict[str, Any]


class TurnsWriter:
    """Writes the turns of one call. Its methods raise `RequestRefused` for what Gemini cannot be told."""

    def __init__(self, call: ChatCall, to: Destination, losses: Losses) -> None:
        self._to = to
        self._losses = losses
        self._places = Places(call)
        self._media = MediaWriter(self._places, to, losses)
        # Models that think in levels are those that want every call's signature back (protocols 1.5.5).
        self._wants_signatures = to.capabilities.reasoning.shape == "level"

    def system(self, found: Sequence[Turn]) -> Content | None:
        """`systemInstruction` of the leading system turns."""
        parts = [{"text": text} for turn in found for part in turn.parts if (text := _text_of(part))]
        return {"parts": parts} if parts else None

    def contents(self, found: Sequence[Turn]) -> list[Content]:
        """All other turns. A call without any is given an empty user turn (T61)."""
        written: list[Content] = []
        for turn in found:
            if turn.name is not None:
                self._losses.drop(f"{turn.path}.name")
            if turn.role == "assistant":
                written += _content("model", self._model(turn))
            else:
                written += self._user(turn)
        if found and found[-1].role == "assistant" and not self._to.capabilities.prefill:
            path = found[-1].path
            raise refuse(Kind.PARAM, f"`{path}`: this model does not go on from an answer's beginning", param=path)
        return written or [{"role": "user", "parts": [{"text": " "}]}]

    def _user(self, turn: Turn) -> list[Content]:
        """Results stand in a turn of their own, as many as there were calls; all else follows."""
        if turn.role != "user":
            self._losses.place(turn.path, "user")
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
        answered: list[Any] = []
        shown: list[Any] = []
        for result in results:
            told, beside = response(result, self._to.capabilities, self._media)
            answered.append(told)
            shown += beside
        for part in rest:
            shown += self._plain(part)
        return [*_content("user", answered), *_content("user", shown)]

    def _model(self, turn: Turn) -> list[Any]:
        """A model's turn. State of thoughts goes back to the call after them, or the last text (T86, T88, T89)."""
        written: list[Any] = []
        held: str | None = None
        called = False
        for part in turn.parts:
            if isinstance(part, Thinking):
                held = self._usable(part) or held
            elif isinstance(part, ToolCall):
                signature = self._usable(part) or held
                if signature is None and not called and self._wants_signatures:
                    signature = signatures.PLACEHOLDER
                held, called = None, True
                written.append(self._call(part, signature))
            else:
                written += self._plain(part)
        if held is not None:
            _attach(written, held)
        return written

    def _call(self, call: ToolCall, signature: str | None) -> dict[str, Any]:
        args = arguments.wrap_custom(call.arguments) if call.custom else call.arguments
        written: dict[str, Any] = {}
        if self._to.capabilities.function_call_ids:
            written["id"] = ids.tool_id(call.id)
        written["name"] = names.accepted(call.name)
        written["args"] = arguments.as_object(args, partial(self._places.arguments, call), call.id)
        return signed({"functionCall": written}, signature)

    def _plain(self, part: Part) -> list[Any]:
        """A part of either role that is no call, result or thought."""
        match part:
            case Media():
                return [signed(self._media.write(part), self._usable(part))]
            case Unknown():
                return [part.raw] if part.origin == ORIGIN else []
            case _:
                text = _text_of(part)
                signature = self._usable(part) if isinstance(part, Text) else None
                return [signed({"text": text}, signature)] if text or signature is not None else []

    def _usable(self, part: Text | Thinking | ToolCall | Media) -> str | None:
        return envelope.usable(part.signature, ORIGIN, self._to.family)


def _content(role: str, parts: list[Any]) -> list[Content]:
    return [{"role": role, "parts": parts}] if parts else []


def _text_of(part: Part) -> str:
    match part:
        case Text() | Refusal():
            return part.text
        case Document():
            return documents.text_of(part)
        case _:
            return ""


def _attach(written: list[Any], signature: str) -> None:
    """Put a signature on the last text that has none, else on an empty one at the end."""
    last = written[-1] if written else None
    if isinstance(last, dict) and "text" in last and "thoughtSignature" not in last:
        last["thoughtSignature"] = signature
    else:
        written.append({"text": "", "thoughtSignature": signature})
