"""The canonical reply to a unary Messages answer for a client (protocols 2.1.7, 2.3, 2.6)."""

from typing import Any

import msgspec
from msgspec import Raw

from nexusflow.ir.chat import Media, Opaque, Part, Refusal, Text, Thinking, ToolCall, Unknown
from nexusflow.ir.errors import Kind, RequestRefused, refuse
from nexusflow.ir.loss import Losses
from nexusflow.ir.reply import Asked, ChatReply
from nexusflow.protocols.anthropic import citations, reply_parts
from nexusflow.protocols.anthropic.tables import ORIGIN
from nexusflow.protocols.common import arguments, ids

Block = dict[str, Any] | Raw


def write(reply: ChatReply, asked: Asked, losses: Losses) -> bytes:
    """The answer's body. Of several candidates only the first has a place in this protocol.

    Raises `RequestRefused` (E-UPSTREAM) for an answer that is none, or that holds what no block can.
    """
    if not reply.candidates:
        raise refuse(Kind.UPSTREAM, "The provider's answer is empty.", code="upstream_empty:no_candidate")
    candidate = reply.candidates[0]
    problem = reply_parts.failure(candidate.finish)
    if problem is not None:
        raise RequestRefused(problem)
    message = reply_parts.message(asked.model, asked.response_id, reply.usage)
    message["content"] = _blocks(candidate.parts, losses)
    message.update(
        reply_parts.stop(candidate.finish, refused=any(isinstance(part, Refusal) for part in candidate.parts))
    )
    if reply.origin == ORIGIN:
        message.update(reply.ext or {})
    return msgspec.json.encode(message)


def _blocks(parts: tuple[Part, ...], losses: Losses) -> list[Block]:
    blocks: list[Block] = []
    lent: Part | None = None
    for at, part in enumerate(parts):
        if isinstance(part, Thinking):
            follower = parts[at + 1] if at + 1 < len(parts) else None
            state = part.signature
            if state is None and not part.redacted and isinstance(follower, Text | ToolCall):
                state, lent = follower.signature, follower
            blocks.extend(_thinking(part, state))
            continue
        if isinstance(part, Text | ToolCall) and part.signature is not None and part is not lent:
            blocks.append({"type": "thinking", "thinking": "", "signature": reply_parts.signature(part.signature)})
        blocks.extend(_content(part, f"content[{at}]", losses))
    return blocks


def _thinking(part: Thinking, state: Opaque | None) -> list[Block]:
    if not part.redacted:
        return [{"type": "thinking", "thinking": part.text, "signature": reply_parts.signature(state)}]
    return [] if state is None else [{"type": "redacted_thinking", "data": reply_parts.signature(state)}]


def _content(part: Part, path: str, losses: Losses) -> list[Block]:
    match part:
        case Text(text="", citations=()):
            return []
        case Text():
            block: dict[str, Any] = {"type": "text", "text": part.text}
            if cited := [one for citation in part.citations if (one := citations.write(citation)) is not None]:
                block["citations"] = cited
            return [block]
        case Refusal():
            return [{"type": "text", "text": part.text}]
        case ToolCall():
            return [_tool_call(part, path)]
        case Unknown(origin="anthropic/messages"):
            return [part.raw]
        case Media():
            raise RequestRefused(reply_parts.no_place(part))
    losses.drop(path)
    return []


def _tool_call(part: ToolCall, path: str) -> dict[str, Any]:
    try:
        given = arguments.wrap_custom(part.arguments) if part.custom else part.arguments
        object_ = arguments.as_object(given, path)
    except RequestRefused:
        message = f"The provider's call of `{part.name}` has malformed arguments."
        raise refuse(Kind.UPSTREAM, message, code="upstream_malformed_tool_arguments") from None
    block: dict[str, Any] = {"type": "tool_use", "id": ids.tool_id(part.id), "name": part.name, "input": object_}
    if part.ext is not None and "caller" in part.ext:
        block["caller"] = part.ext["caller"]
    return block
