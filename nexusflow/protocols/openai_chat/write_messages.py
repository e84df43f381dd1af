"""Canonical turns as messages to a Chat provider (protocols 2.1.1, 2.1.3, 2.3)."""

from functools import partial
from typing import Any

from nexusflow.ir.capabilities import Capabilities, Destination
from nexusflow.ir.chat import ChatCall, Media, Refusal, Text, Thinking, ToolCall, ToolResult, Turn, Unknown
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.common import arguments, ids
from nexusflow.protocols.common.envelope import usable
from nexusflow.protocols.common.places import Places
from nexusflow.protocols.common.turns import arranged, leading_system
from nexusflow.protocols.openai_chat import reasoning_details, write_content
from nexusflow.protocols.openai_chat.tables import CHAT


def messages(call: ChatCall, to: Destination, losses: Losses) -> list[dict[str, Any]]:
    """All messages. Raises `RequestRefused` for content that a Chat provider cannot take."""
    leading, rest = leading_system(arranged(call))
    same = call.origin == CHAT
    places = Places(call)
    written = [_system(turn, to.capabilities, places) for turn in leading]
    for turn in rest:
        if turn.role == "assistant":
            found = [_assistant(turn, to, places)]
        elif turn.role == "user":
            found = _user(turn, to.capabilities, places)
        elif to.capabilities.mid_system:
            found = [_system(turn, to.capabilities, places)]
        else:
            losses.place(turn.path, "user")
            found = [{"role": "user", "content": _joined(turn, places)}]
        if turn.name is not None:
            found[-1]["name"] = turn.name
        if same and turn.ext:
            found[-1].update(turn.ext)
        written += found
    return written


def _system(turn: Turn, capabilities: Capabilities, places: Places) -> dict[str, Any]:
    """Instructions: a string for most servers, which know no list here (T60)."""
    role = "developer" if capabilities.developer_role else "system"
    marked = any(isinstance(part, Text) and part.cache is not None for part in turn.parts)
    if capabilities.system_parts or (marked and capabilities.cache == "openai-breakpoints"):
        return {"role": role, "content": write_content.parts(turn.parts, capabilities, places)}
    return {"role": role, "content": _joined(turn, places)}


def _joined(turn: Turn, places: Places) -> str:
    for part in turn.parts:
        if isinstance(part, Media):
            where = places.media(part)
            raise refuse(Kind.PARAM, "instructions can only be text here", param=where, code="unsupported_content")
    return "\n\n".join(write_content.text_of(part) for part in turn.parts)


def _user(turn: Turn, capabilities: Capabilities, places: Places) -> list[dict[str, Any]]:
    """Tool messages, the images of all of them in one user message, then what the user said beside (2.1.3, T54)."""
    written: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    rest = []
    for part in turn.parts:
        if not isinstance(part, ToolResult):
            rest.append(part)
            continue
        call_id = ids.tool_id(part.call_id)
        message, found = write_content.tool_message(part, call_id)
        written.append(message)
        for at, one in enumerate(found, start=1):
            images.append({"type": "text", "text": f"[{one.kind} {at} of call {call_id}]"})
            images.append(write_content.part(one, capabilities, places))
    if images:
        written.append({"role": "user", "content": images})
    if rest or not written:
        written.append({"role": "user", "content": write_content.parts(rest, capabilities, places)})
    return written


def _assistant(turn: Turn, to: Destination, places: Places) -> dict[str, Any]:
    """What the model said before. Without text beside calls the content is null (T63)."""
    texts: list[str] = []
    refusals: list[str] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[Thinking] = []
    for part in turn.parts:
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, Refusal):
            refusals.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(_call(part, to, places))
        elif isinstance(part, Thinking):
            thoughts.append(part)
        elif isinstance(part, Media):
            raise refuse(
                Kind.PARAM,
                "this protocol has no place for media that the model made in an earlier turn",
                param=places.of(part),
                code="unsupported_content",
            )
        elif isinstance(part, Unknown) and part.origin == CHAT:
            texts.append(write_content.text_of(part))
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if refusals:
        message["refusal"] = "".join(refusals)
    if calls:
        message["tool_calls"] = calls
    return message | _reasoning(thoughts, to)


def _reasoning(thoughts: list[Thinking], to: Destination) -> dict[str, Any]:
    """Reasoning that this model wants or needs back: its own state, and its text where it asks for that (T100)."""
    members: dict[str, Any] = {}
    own = [part for part in thoughts if usable(part.signature, CHAT, to.family) is not None]
    if own:
        members["reasoning_details"] = [reasoning_details.whole(part, at) for at, part in enumerate(own)]
    text = "".join(part.text for part in thoughts)
    if text and to.capabilities.reasoning.roundtrip:
        members["reasoning_content"] = text
    return members


def _call(part: ToolCall, to: Destination, places: Places) -> dict[str, Any]:
    custom = part.custom and to.capabilities.custom_tools
    if custom:
        given = part.arguments
    elif part.custom:
        given = arguments.wrap_custom(part.arguments)
    else:
        given = bytes(arguments.as_object(part.arguments, partial(places.arguments, part), part.id)).decode()
    kind, member = ("custom", "input") if custom else ("function", "arguments")
    call: dict[str, Any] = {
        "id": ids.tool_id(part.id),
        "type": kind,
        kind: {"name": part.name, member: given},
    }
    state = usable(part.signature, CHAT, to.family)
    if state is not None:
        call["extra_content"] = {"google": {"thought_signature": state}}
    return call
