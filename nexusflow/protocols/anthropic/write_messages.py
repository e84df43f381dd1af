"""Canonical turns to the messages of a request for the provider (protocols 2.0.6, 2.1.1).

Turns take turns: neighbours of one role become one message, tool results come first in theirs, a system turn that the
model does not take among the others goes into the user's, and an answer that was begun needs a model that goes on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Turn
from nexusflow.ir.errors import Kind, refuse
from nexusflow.ir.loss import Losses
from nexusflow.protocols.anthropic.write_parts import Block, PartWriter

PLACEHOLDER = "."
"""What a user turn says that only has to be there."""


@dataclass(slots=True)
class Message:
    """One message on its way out."""

    role: Literal["user", "assistant", "system"]
    blocks: list[Block]
    path: str


def write_messages(turns: tuple[Turn, ...], parts: PartWriter, to: Destination, losses: Losses) -> list[Message]:
    """The messages, beginning with a user's. Raises `RequestRefused` for a conversation that no model could answer."""
    messages: list[Message] = []
    for at, turn in enumerate(turns):
        blocks = parts.turn(turn)
        if turn.name is not None:
            losses.drop(f"{turn.path}.name")
        if blocks:
            _add(messages, Message(_role(turn, messages, to, losses), blocks, turn.path))
        elif at + 1 == len(turns) and turn.role == "user":
            raise refuse(Kind.PARAM, f"`{turn.path}` is empty", param=turn.path, code="invalid_value")
    if not messages:
        raise refuse(Kind.PARAM, "`messages` must have a message of the user", param="messages", code="invalid_value")
    if messages[0].role == "assistant":
        losses.place(messages[0].path, "after an added user turn")
        messages.insert(0, Message("user", [_text(PLACEHOLDER)], ""))
    if messages[-1].role == "assistant":
        _begin_answer(messages[-1], to)
    return messages


def _role(
    turn: Turn, messages: list[Message], to: Destination, losses: Losses
) -> Literal["user", "assistant", "system"]:
    if turn.role in ("user", "assistant"):
        return "user" if turn.role == "user" else "assistant"
    if to.capabilities.mid_system and messages and messages[-1].role == "user":
        return "system"
    losses.place(turn.path, "user")
    return "user"


def _add(messages: list[Message], message: Message) -> None:
    last = messages[-1] if messages else None
    if last is None or last.role != message.role:
        messages.append(message)
        return
    blocks = last.blocks + message.blocks
    last.blocks = [*filter(_is_result, blocks), *(block for block in blocks if not _is_result(block))]


def _begin_answer(message: Message, to: Destination) -> None:
    """A trailing assistant message is the beginning of the answer. White space at its end would be refused."""
    if not to.capabilities.prefill and not any(_is_unfinished(block) for block in message.blocks):
        text = f"`{message.path}`: this model cannot go on with an answer that was begun; end with a user message"
        raise refuse(Kind.PARAM, text, param=message.path, code="unsupported_prefill")
    last = message.blocks[-1]
    if isinstance(last, dict) and last["type"] == "text":
        last["text"] = last["text"].rstrip()
        if not last["text"]:
            message.blocks.pop()


def lost_thinking(messages: Iterable[Message]) -> bool:
    """Whether the latest calls came without the thinking that led to them and there is none anywhere: with thinking of
    the older shape the provider would refuse that (T93)."""
    answers = [message.blocks for message in messages if message.role == "assistant"]
    callers = [blocks for blocks in answers if any(_type(block) == "tool_use" for block in blocks)]
    thought = ("thinking", "redacted_thinking")
    return bool(callers) and not any(_type(block) in thought for blocks in answers for block in blocks)


def _is_result(block: Block) -> bool:
    return _type(block) == "tool_result"


def _is_unfinished(block: Block) -> bool:
    """A block of the provider's own tools, with which it goes on after a pause."""
    return not isinstance(block, dict)


def _type(block: Block) -> str:
    return str(block["type"]) if isinstance(block, dict) else ""


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
