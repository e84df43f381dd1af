"""Which tools the simulated model calls, and with what.

A tool is called when the caller insists on one, or when tools are on offer and the last word is the user's. Tools that
the user names are called, else the first on offer; several at once when the user names several or says "parallel", then
one tool twice if there is but one.
"""

from dataclasses import dataclass

import msgspec

from nexusflow.simulator.asked import Asked, Chat, Tool
from nexusflow.simulator.instance import instance


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call. `payload` is the JSON text of a function's arguments, or the plain input of a custom tool."""

    id: str
    type: str
    name: str
    payload: str


def call_tools(asked: Asked, choice: int) -> tuple[ToolCall, ...]:
    """The calls of one choice, none when it answers in text."""
    return tuple(
        ToolCall(f"call_sim{asked.identity[:12]}{choice}{at}", _type(tool), tool.named.name, _payload(tool))
        for at, tool in enumerate(_chosen(asked.chat))
    )


def _chosen(chat: Chat) -> list[Tool]:
    offered, mode = _offer(chat)
    last = chat.messages[-1]
    if not offered or mode == "none" or (mode == "auto" and last.role != "user"):
        return []
    said = last.text.lower()
    named = [tool for tool in offered if tool.named.name.lower() in said]
    wanted = named or offered
    if mode == "named" or chat.parallel_tool_calls is False:
        return wanted[:1]
    if "parallel" in said:
        return wanted * 2 if len(wanted) == 1 else wanted
    return wanted if len(named) > 1 else wanted[:1]


def _offer(chat: Chat) -> tuple[list[Tool], str]:
    """The tools to choose from, and how: none, auto, required or named."""
    offered = [tool for tool in chat.tools or () if tool.named.name]
    choice = chat.tool_choice or "auto"
    if isinstance(choice, str):
        return offered, choice
    if choice.allowed_tools is not None:
        allowed = {tool.named.name for tool in choice.allowed_tools.tools}
        return [tool for tool in offered if tool.named.name in allowed], choice.allowed_tools.mode
    return [tool for tool in offered if tool.named.name == choice.named.name], "named"


def _type(tool: Tool) -> str:
    return "custom" if tool.custom is not None else "function"


def _payload(tool: Tool) -> str:
    if tool.custom is not None:
        return "simulated input"
    return msgspec.json.encode(instance({"type": "object", **(tool.named.parameters or {})})).decode()
