"""A canonical reply as the whole answer of a Chat client (protocols 1.2.3, 2.2)."""

from typing import Any

import msgspec

from nexusflow.ir.chat import Candidate, Media, Opaque, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import RequestRefused
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.protocols.common.arguments import unwrap_custom
from nexusflow.protocols.openai_chat import reasoning_details, usage, write_parts
from nexusflow.protocols.openai_chat.carried import Carry, annotation
from nexusflow.protocols.openai_chat.tables import CHAT, TIERS


def write(reply: ChatReply, asked: Asked, losses: Losses) -> bytes:
    """The answer's body. Raises `RequestRefused` for one that broke off or is empty (2.1.7).

    Everything has a place, natively or as an extension, so `losses` stays as it is.
    """
    written: dict[str, Any] = {
        "id": f"chatcmpl-{asked.response_id}",
        "object": "chat.completion",
        "created": asked.created,
        "model": asked.model,
        "choices": [_choice(candidate, index, asked) for index, candidate in enumerate(reply.candidates)],
    }
    if reply.usage is not None:
        written["usage"] = usage.write(reply.usage)
    if reply.tier in TIERS:
        written["service_tier"] = TIERS[reply.tier]
    if reply.origin == CHAT:
        written |= reply.ext or {}
    return msgspec.json.encode(written)


def _choice(candidate: Candidate, index: int, asked: Asked) -> dict[str, Any]:
    problem = write_parts.failure(candidate.finish)
    if problem is not None:
        raise RequestRefused(problem)
    legacy = asked.call.names.get("tools") == write_parts.LEGACY
    choice: dict[str, Any] = {
        "index": index,
        "message": _message(candidate, asked, legacy=legacy),
        "logprobs": None,
        **write_parts.finish_members(candidate.finish, legacy=legacy),
    }
    if candidate.logprobs is not None:
        refused = not any(isinstance(part, Text) for part in candidate.parts)
        kind = "refusal" if refused else "content"
        choice["logprobs"] = {"content": None, "refusal": None, kind: write_parts.logprobs(candidate.logprobs)}
    return choice


def _message(candidate: Candidate, asked: Asked, *, legacy: bool) -> dict[str, Any]:
    parts = candidate.parts
    calls = _calls(candidate, asked)
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not calls else None,
        "refusal": refusal or write_parts.explanation(candidate.finish, refused=bool(refusal)),
    }
    if calls and legacy:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    message |= _thoughts(parts, hidden=asked.call.reasoning.expose == "none")
    message |= _around_text(candidate)
    images = [part for part in parts if isinstance(part, Media) and part.kind == "image"]
    if images:
        message["images"] = [{"index": at, **write_parts.image(part)} for at, part in enumerate(images)]
    sounds = [part for part in parts if isinstance(part, Media) and part.kind == "audio"]
    if sounds:
        message["audio"] = write_parts.audio(sounds[-1], asked.response_id, asked.call)
    return message


def _calls(candidate: Candidate, asked: Asked) -> list[dict[str, Any]]:
    custom = write_parts.custom_names(asked.call)
    calls = []
    for part in candidate.parts:
        if not isinstance(part, ToolCall):
            continue
        if part.custom:
            calls.append(write_parts.tool_call(part, custom=True, given=part.arguments))
        elif part.name in custom:
            calls.append(write_parts.tool_call(part, custom=True, given=unwrap_custom(part.arguments)))
        else:
            calls.append(write_parts.tool_call(part, custom=False, given=part.arguments or "{}"))
    return calls


def _thoughts(parts: tuple[Any, ...], *, hidden: bool) -> dict[str, Any]:
    """Reasoning as text, and as details with the state that must come back (2.0.4)."""
    thoughts = [part for part in parts if isinstance(part, Thinking)]
    if hidden:
        thoughts = [msgspec.structs.replace(part, text="") for part in thoughts if part.signature is not None]
    if not thoughts:
        return {}
    members: dict[str, Any] = {}
    text = "".join(part.text for part in thoughts)
    if text:
        members["reasoning_content"] = text
    members["reasoning_details"] = [reasoning_details.whole(part, at) for at, part in enumerate(thoughts)]
    return members


def _around_text(candidate: Candidate) -> dict[str, Any]:
    """Annotations, carried blocks, and the state that belongs to the text."""
    carry = Carry()
    annotations: list[dict[str, Any]] = []
    signature: Opaque | None = None
    at = 0
    for part in candidate.parts:
        if isinstance(part, Unknown):
            carry.block(part, at)
        elif isinstance(part, Text):
            end = at + len(part.text)
            carry.text(part.citations, at, end)
            annotations += [one for source in part.citations if (one := annotation(source, at, end)) is not None]
            signature = part.signature or signature
            at = end
    members = carry.members()
    if annotations:
        members["annotations"] = annotations
    if signature is not None:
        members["extra_content"] = write_parts.extra_content(signature)
    return members
