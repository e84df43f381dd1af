"""Which tools the simulated model calls, and with what.

A tool is called when the caller insists on one, or when tools are on offer and the user spoke last. Tools that the user
names are called, else the first on offer; several at once when the user names several or says "parallel", then one tool
twice if there is but one.
"""

from dataclasses import dataclass

import msgspec

from nexusflow.simulator.asked import Asked, Tool, texts
from nexusflow.simulator.instance import instance


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call. `payload` is the JSON text of a function's arguments, or the plain input of a custom tool.

    `id` is twelve hexadecimal digits and a number; each wire form puts its own prefix before it.
    """

    id: str
    name: str
    payload: str
    custom: bool = False


def call_tools(asked: Asked, choice: int) -> tuple[ToolCall, ...]:
    """The calls of one choice, none when it answers in text."""
    return tuple(
        ToolCall(f"sim{asked.identity[:12]}{choice}{at}", tool.name, _payload(tool), tool.custom)
        for at, tool in enumerate(_chosen(asked))
    )


def _chosen(asked: Asked) -> list[Tool]:
    choice, latest = asked.choice, asked.latest
    offered = [tool for tool in asked.tools if choice.only is None or tool.name in choice.only]
    asks = bool(latest) and all(part.kind != "result" for part in latest)
    if not offered or choice.mode == "none" or (choice.mode == "auto" and not asks):
        return []
    said = texts(latest).lower()
    named = [tool for tool in offered if tool.name.lower() in said]
    wanted = named or offered
    if choice.mode == "named" or not choice.parallel:
        return wanted[:1]
    if "parallel" in said:
        return wanted * 2 if len(wanted) == 1 else wanted
    return wanted if len(named) > 1 else wanted[:1]


def _payload(tool: Tool) -> str:
    if tool.custom:
        return "simulated input"
    return msgspec.json.encode(instance({"type": "object", **(tool.parameters or {})})).decode()
